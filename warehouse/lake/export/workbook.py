"""Write tables as sheets of an Excel workbook (XLSX), with constant memory.

Instants are dates in UTC, because Excel has no time zones; cells never contain formulas; NULL is an empty cell.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import xlsxwriter

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MAX_ROWS = 1_048_575
"""Rows of a sheet below the header: Excel's limit."""
_MAX_TEXT = 32_767
_EXACT = 2**53
"""Excel's numbers are doubles: larger ones would be changed, so they are written as text."""
_BATCH = 2_000


class Workbook:
    """A workbook that is written sheet by sheet."""

    def __init__(self, path: Path) -> None:
        self._book = xlsxwriter.Workbook(
            str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        self._bold = self._book.add_format({"bold": True})
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})

    def add_sheet(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write a header and the rows; return their number. Raises InvalidInputError for more than Excel can hold."""
        sheet = self._book.add_worksheet(name[:31])
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column, self._bold)
        count = 0
        for row in rows:
            count += 1
            if count > MAX_ROWS:
                raise InvalidInputError(
                    f"{name} has more than the {MAX_ROWS} rows that a sheet can hold: choose csv or parquet",
                    field="format",
                    code="too_many_rows",
                )
            for place, value in enumerate(row):
                self._write(sheet, count, place, value)
        if columns:
            sheet.autofilter(0, 0, count, len(columns) - 1)
            sheet.set_column(0, len(columns) - 1, 18)
        return count

    def add_texts(self, name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a sheet of descriptions."""
        sheet = self._book.add_worksheet(name)
        for number, row in enumerate((header, *rows)):
            for place, text in enumerate(row):
                sheet.write_string(number, place, text[:_MAX_TEXT], None if number else self._bold)
        sheet.set_column(0, len(header) - 1, 40)

    def close(self) -> None:
        """Write the file."""
        self._book.close()

    def _write(self, sheet: Any, row: int, place: int, value: Any) -> None:  # noqa: ANN401 (xlsxwriter is untyped)
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return
        if isinstance(value, bool):
            sheet.write_boolean(row, place, value)
        elif isinstance(value, (int, float, Decimal)) and -_EXACT <= value <= _EXACT:
            sheet.write_number(row, place, value)
        elif isinstance(value, datetime):
            naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            sheet.write_datetime(row, place, naive, self._time)
        elif isinstance(value, date):
            day = datetime(value.year, value.month, value.day)  # noqa: DTZ001 (a day)
            sheet.write_datetime(row, place, day, self._day)
        else:
            sheet.write_string(row, place, _show(value)[:_MAX_TEXT])


def _show(value: Any) -> str:  # noqa: ANN401 (a cell of any type)
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def read_batches(cursor: Any) -> Iterable[Sequence[Any]]:  # noqa: ANN401 (a DuckDB cursor)
    """Yield the rows of an executed statement, a batch at a time."""
    while rows := cursor.fetchmany(_BATCH):
        yield from rows
