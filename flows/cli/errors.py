"""Error messages of commands: one sentence for people, and with --json the API's error fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, ReauthenticateError
from flows.errors import FlowError
from warehouse.errors import ConflictError, InvalidInputError, InvalidShapeError, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_OPTIONS = {
    "account_ids": "--account",
    "events": "--event",
    "rrule": "--rule",
    "scopes": "--scope",
    "weight": "--weight",
}
"""Options whose name differs from that of their field."""


def explain(error: Exception, given: Collection[str] = ()) -> str | None:
    """Return the message of an error written for users; None for any other error.

    `given`: the options of the command line. The message begins with the option that the error is about.
    """
    if isinstance(error, InvalidInputError):
        field = error.field.strip("/").partition("/")[0]
        option = _OPTIONS.get(field, f"--{field.replace('_', '-')}")
        is_shape = isinstance(error, InvalidShapeError)
        if option in given and option not in error.message:
            return f"{option}: {error.entries[0]['detail'] if is_shape else error.message}"
        return error.message.removeprefix("/") if is_shape else error.message
    if isinstance(error, (WarehouseError, ConnectorError, FlowError)):
        return str(error)
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        # pydantic-settings: the environment variable is the field name with the prefix.
        return " ".join(
            _explain_setting(f"SOCIALFLOW_{'_'.join(map(str, problem['loc'])).upper()}", problem)
            for problem in error.errors()
        )
    return None


def _explain_setting(name: str, problem: Mapping[str, Any]) -> str:
    if problem["type"] == "missing":
        return f"{name} is not set: set it (.env.example describes it)."
    return f"{name}: {problem['msg']}."


def describe_problem(error: Exception) -> dict[str, Any]:
    """Return an error as JSON with the same `code`, `detail` and `errors` as the HTTP API."""
    sentence = explain(error) or str(error)
    described: dict[str, Any] = {"code": "error", "detail": sentence, "errors": []}
    if isinstance(error, ReauthenticateError):
        described["code"] = "token_refused"
    elif isinstance(error, (WarehouseError, ConnectorError)):
        described["code"] = error.code
    if isinstance(error, InvalidInputError):
        described["errors"] = [dict(entry) for entry in error.entries]
    if isinstance(error, ConflictError) and error.existing_id:
        described["existing_id"] = error.existing_id
    return described
