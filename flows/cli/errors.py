"""Error messages of commands: one sentence for people, and with --json the API's error fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from connectors.errors import ConnectorError, ReauthenticateError
from connectors.settings import explain_settings
from flows.errors import FlowError
from warehouse.errors import ConflictError, InvalidInputError, InvalidShapeError, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Collection

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
    if isinstance(error, ValidationError):
        return explain_settings(error)
    return None


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
