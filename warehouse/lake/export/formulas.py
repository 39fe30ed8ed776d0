"""Texts in CSV files that no spreadsheet takes for formulas.

Spreadsheets read a cell that begins like a formula as one, quoted or not: a handle or a post that somebody else wrote
could make a reader's computer fetch or run something. An apostrophe in front makes it text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
_PATTERN = r"^[=+\-@\t\r]"


def guard_text(text: str) -> str:
    """Return the text, an apostrophe before what begins like a formula."""
    return f"'{text}" if text.startswith(_BEGINNINGS) else text


def describe(source: str) -> str:
    """Return the statement that tells the columns of what follows FROM."""
    return f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})"  # noqa: S608 (our own names)


def guard_columns(columns: Iterable[tuple[str, str]]) -> str:
    """Return the select list for these columns (name and type), every text column guarded."""
    names = [str(name).replace('"', '""') for name, kind in columns if kind == "VARCHAR"]
    guards = [
        f'CASE WHEN regexp_matches("{name}", \'{_PATTERN}\') THEN chr(39) || "{name}" ELSE "{name}" END'
        f' AS "{name}"'
        for name in names
    ]
    return f"* REPLACE ({', '.join(guards)})" if guards else "*"
