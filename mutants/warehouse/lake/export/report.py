"""What an export holds: its tables with their meaning, and how many rows each has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A table of the lake and what its parts mean."""

    schema: str
    name: str
    comment: str
    columns: dict[str, str]
    """Comments by column."""

    @property
    def full_name(self) -> str:
        """The name as in docs/warehouse.md, such as marts.publication_latest."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported."""

    snapshot_id: int
    snapshot_time: datetime
    workspace_id: str | None
    rows: dict[str, int] = field(default_factory=dict)
    """By full name of the table."""
