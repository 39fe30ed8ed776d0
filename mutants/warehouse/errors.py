"""What can go wrong in the warehouse, named by what the caller should do.

WarehouseError
|-- NotFoundError            no such row in this workspace (a foreign row is the same as none)
|-- ConflictError            the row's state forbids it now; the message says which and the remedy
|   '-- StaleLeaseError      another process holds this publication: do nothing
|-- InvalidInputError        the caller's value is wrong; `field` names it
'-- SetupError               the installation is wrong (key, version, path): one sentence, exit 1
"""

from __future__ import annotations


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
    """A value from outside is wrong: `field` names it, the message holds the remedy."""

    code = "invalid"

    def __init__(self, message: str, *, field: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class SetupError(WarehouseError):
    """The installation is wrong; the message is one sentence with the remedy."""

    code = "setup"
