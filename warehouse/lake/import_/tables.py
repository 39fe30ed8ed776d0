"""A table inside a file: its first records, and all of them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD_RECORDS = 60
"""How far below the top a header may stand: exports put titles, accounts and dates above it."""

MAX_COLUMNS = 2_000


class Record(NamedTuple):
    """One record of a table."""

    line: int
    cells: list[str]
    problem: str | None = None
    """Why the record cannot be read; its cells are then empty."""


@dataclass(slots=True)
class Table:
    """One table of a file, before anybody knows what its columns mean."""

    name: str
    """Sheet or member; empty = the file itself."""
    source: Literal["text", "workbook", "json", "parquet"]
    head: list[Record]
    """The first records, at most HEAD_RECORDS."""
    read: Callable[[], Iterator[Record]]
    """All records from the first one on."""
    excel_1904: bool = False
    decisions: list[str] = field(default_factory=list)
    """What had to be decided to read the table: its encoding."""
    size: int = 0
    """Bytes, for progress; 0 = unknown."""
    float_columns: frozenset[str] = frozenset()
    """Columns that the file stores as floating-point numbers."""
    parquet: Path | None = None
    """DuckDB reads this file by itself."""
    flat: bool = True
    """The header is the first record: JSON and Parquet."""


def number_text(value: float | Decimal) -> str:
    """Return a number that is stored as one as text that has one reading.

    Three digits behind the point get a fourth one: 1.234 as text could mean 1234. Whole numbers that a float holds
    exactly lose their ".0" in workbooks only (`whole_text`), because elsewhere it shows a damaged id.
    """
    text = str(value) if isinstance(value, Decimal) else repr(value)
    _, point, fraction = text.partition(".")
    return f"{text}0" if point and len(fraction) == 3 and fraction.isdigit() else text


def whole_text(value: float) -> str:
    """Return a workbook's number as text; every number there is a float, exact up to 15 digits."""
    return str(int(value)) if value == value // 1 and abs(value) < 1e15 else number_text(value)


def cell_text(value: Any) -> str:  # noqa: ANN401 (whatever a workbook or JSON holds)
    """Return one value as text; times as ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -(10**400) < value < 10**400 else "1e400"
    if isinstance(value, float | Decimal):
        return number_text(value)
    return value.isoformat(" ") if hasattr(value, "hour") and hasattr(value, "year") else str(value)
