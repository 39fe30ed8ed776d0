"""Report of an export: its tables with descriptions and row counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A table of the lake with its comments."""

    schema: str
    name: str
    comment: str
    columns: dict[str, str]
    """Comments by column."""

    @property
    def full_name(self) -> str:
        """The full name, such as marts.publication_latest."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Result of an export."""

    snapshot_id: int
    snapshot_time: datetime
    workspace_id: str | None
    rows: dict[str, int] = field(default_factory=dict)
    """Row counts by full table name."""
