"""What can go wrong in the warehouse, named by what the caller should do.

WarehouseError
|-- NotFoundError            no such row in this workspace (a foreign row is the same as none)
|-- ConflictError            the row's state forbids it now; the message says which and the remedy
|   '-- StaleLeaseError      another process holds this publication: do nothing
|-- InvalidInputError        the caller's value is wrong; `field` names it, `entries` lists everything that is wrong
|   '-- InvalidShapeError    a field is missing, unknown, of the wrong type or too long
|-- StorageError             files cannot be saved now: try again later
'-- SetupError               the installation is wrong (key, version, path): one sentence, exit 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class WarehouseError(Exception):
    """Base of all; `code` is stable for programs."""

    code = "warehouse_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFoundError(WarehouseError):
    """No such row in this workspace."""

    code = "not_found"


class ConflictError(WarehouseError):
    """The row's present state forbids the change."""

    code = "conflict"

    def __init__(self, message: str, *, code: str = "conflict", existing_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.existing_id = existing_id


class StaleLeaseError(ConflictError):
    """The lease on this publication is held by another process, or ran out."""


class InvalidInputError(WarehouseError):
    """A value from outside is wrong: `field` names it, the message says how to correct it.

    `entries` lists each problem as {"pointer": JSON pointer into the input, "code", "detail", ...}. Most errors have
    one entry, made from the arguments; `more` is added to it.
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
        """Return one error for several problems; its message and code are the first one's."""
        first = entries[0]
        error = cls(first["detail"], field=first["pointer"].removeprefix("/"), code=first["code"])
        error.entries = tuple(entries)
        return error


class InvalidShapeError(InvalidInputError):
    """The input does not have the shape that is wanted: a field is missing, unknown, mistyped or too long."""

    code = "invalid_request"

    @classmethod
    def from_entries(cls, entries: Sequence[Mapping[str, Any]]) -> Self:
        """Return one error for several wrong fields; its message names the first one."""
        first = entries[0]
        message = f"{first['pointer'] or 'the input'}: {first['detail']}"
        error = cls(message, field=first["pointer"].removeprefix("/"), code=cls.code)
        error.entries = tuple(entries)
        return error


class StorageError(WarehouseError):
    """A file cannot be saved now, for a reason outside the program (a full disk, a store that does not answer)."""

    code = "storage_unavailable"


class SetupError(WarehouseError):
    """The installation is wrong; the message is one sentence with the remedy."""

    code = "setup"
