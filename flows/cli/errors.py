"""Error messages of commands: one sentence for people, and with --json the API's error fields."""

from __future__ import annotations

from typing import Any

from connectors.errors import ConnectorError, ReauthenticateError
from flows.errors import FlowError
from warehouse.errors import ConflictError, InvalidInputError, InvalidShapeError, WarehouseError


def explain(error: Exception) -> str | None:
    """Return the message of an error written for users; None for any other error."""
    if isinstance(error, InvalidShapeError):
        return error.message.removeprefix("/")
    if isinstance(error, (WarehouseError, ConnectorError, FlowError)):
        return str(error)
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        # pydantic-settings: the environment variable is the field name with the prefix.
        return " ".join(
            f"SOCIALFLOW_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}."
            for problem in error.errors()
        )
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
