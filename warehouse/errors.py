"""Errors of the warehouse, by what the caller should do.

WarehouseError
|-- NotFoundError            no such row in this workspace (also for a row of another workspace)
|-- ConflictError            the row's current state forbids it; the message has the state and the remedy
|-- InvalidInputError        the caller's value is invalid; `field` names it, `entries` lists every problem
|   '-- InvalidShapeError    a field is missing, unknown, of the wrong type or too long
|-- StorageError             files cannot be saved now: try again later
'-- SetupError               the installation is misconfigured (key, version, path): one sentence, exit 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class WarehouseError(Exception):
    """Base class; `code` is stable for programs."""

    code = "warehouse_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFoundError(WarehouseError):
    """No such row in this workspace."""

    code = "not_found"


class ConflictError(WarehouseError):
    """The row's current state forbids the change."""

    code = "conflict"

    def __init__(self, message: str, *, code: str = "conflict", existing_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.existing_id = existing_id


class InvalidInputError(WarehouseError):
    """An input value is invalid: `field` names it, the message says how to correct it.

    `entries` lists each problem as {"pointer": JSON pointer into the input, "code", "detail", ...}. Most errors have
    one entry, built from the arguments; `more` is added to it.
    """

    code = "invalid"

    def __init__(self, message: str, *, field: str, code: str = "invalid", **more: Any) -> None:  # noqa: ANN401 (becomes JSON)
        super().__init__(message)
        self.field = field
        self.code = code
        pointer = f"/{field}" if field else ""
        self.entries: Sequence[Mapping[str, Any]] = (
            {"pointer": pointer, "code": code, "detail": message, **more},
        )

    @classmethod
    def from_entries(cls, entries: Sequence[Mapping[str, Any]]) -> Self:
        """Return one error for several problems, with the message and code of the first."""
        first = entries[0]
        error = cls(first["detail"], field=first["pointer"].removeprefix("/"), code=first["code"])
        error.entries = tuple(entries)
        return error


class InvalidShapeError(InvalidInputError):
    """The input does not match the model: a field is missing, unknown, of the wrong type or too long."""

    code = "invalid_request"

    @classmethod
    def from_entries(cls, entries: Sequence[Mapping[str, Any]]) -> Self:
        """Return one error for several invalid fields; its message names the first."""
        first = entries[0]
        message = f"{first['pointer'] or 'the input'}: {first['detail']}"
        error = cls(message, field=first["pointer"].removeprefix("/"), code=cls.code)
        error.entries = tuple(entries)
        return error


class StorageError(WarehouseError):
    """A file cannot be saved now for an external reason (full disk, unreachable storage)."""

    code = "storage_unavailable"


class SetupError(WarehouseError):
    """The installation is misconfigured; the message is one sentence with the remedy."""

    code = "setup"
