"""Protect CSV files against formula injection.

Spreadsheets treat a cell that begins like a formula as a formula, quoted or not: a handle or post written by somebody
else could make a reader's computer fetch or run something. A leading apostrophe makes the cell text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
_PATTERN = r"^[=+\-@\t\r]"


def guard_text(text: str) -> str:
    """Return the text, with a leading apostrophe if it begins like a formula."""
    return f"'{text}" if text.startswith(_BEGINNINGS) else text


def describe(source: str) -> str:
    """Return the statement that lists the columns of `source` (an expression after FROM)."""
    return f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})"  # noqa: S608 (our own names)


def guard_columns(columns: Iterable[tuple[str, str]]) -> str:
    """Return the select list for these columns (name and type), with every text column guarded."""
    names = [str(name).replace('"', '""') for name, kind in columns if kind == "VARCHAR"]
    guards = [
        f'CASE WHEN regexp_matches("{name}", \'{_PATTERN}\') THEN chr(39) || "{name}" ELSE "{name}" END'
        f' AS "{name}"'
        for name in names
    ]
    return f"* REPLACE ({', '.join(guards)})" if guards else "*"
