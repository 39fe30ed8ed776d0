"""What CSV files need for spreadsheets: protection against formula injection, one form of times, a byte order mark.

Spreadsheets treat a cell that begins like a formula as a formula, quoted or not: a handle or post written by somebody
else could make a reader's computer fetch or run something. A leading apostrophe makes the cell text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK = "\ufeff"
_TIME = "%Y-%m-%dT%H:%M:%S.%f"
_WRITTEN = {
    "VARCHAR": "CASE WHEN regexp_matches({}, '^[=+\\-@\\t\\r]') THEN chr(39) || {} ELSE {} END",
    "TIMESTAMP WITH TIME ZONE": f"strftime({{}} AT TIME ZONE 'UTC', '{_TIME}Z')",
    "TIMESTAMP": f"strftime({{}}, '{_TIME}')",
}
"""Expression by type of column; the others are written as DuckDB does."""


def guard_text(text: str) -> str:
    """Return the text, with a leading apostrophe if it begins like a formula."""
    return f"'{text}" if text.startswith(_BEGINNINGS) else text


def describe(source: str) -> str:
    """Return the statement that lists the columns of `source` (an expression after FROM)."""
    return f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})"  # noqa: S608 (our own names)


def guard_columns(columns: Iterable[tuple[str, str]]) -> str:
    """Return the select list for a CSV file with these columns (name and type).

    Every text column is guarded. Instants are ISO 8601 in UTC with microseconds (2026-03-02T09:00:00.000000Z), times on
    a local clock the same without Z. The first name begins with a byte order mark: without one, Excel reads the file in
    the code page of the computer.
    """
    chosen = []
    for number, (name, kind) in enumerate(columns):
        column = '"' + str(name).replace('"', '""') + '"'
        shown = column if number else column.replace('"', f'"{_BYTE_ORDER_MARK}', 1)
        chosen.append(f"{_WRITTEN.get(kind, '{}').replace('{}', column)} AS {shown}")
    return ", ".join(chosen)
