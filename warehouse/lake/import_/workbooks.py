"""Read workbooks (XLSX, XLSB, XLS, ODS) with calamine, sheet by sheet."""

from __future__ import annotations

import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from connectors.printable import printable
from warehouse.lake.import_.archives import MAX_RATIO, RATIO_FROM, refuse_broken, shown
from warehouse.lake.import_.kinds import OLE
from warehouse.lake.import_.tables import HEAD_RECORDS, Record, Table, cell_text, whole_text
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_UNPACKED = 2 << 30
_CHUNK = 1 << 20
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""Name of the stream in which Office keeps a workbook with a password."""
_ENCRYPTED_WITHIN = 16 << 20


def open_workbook(path: Path, *, sheet: str | None = None) -> list[Table]:
    """Return the sheets of a workbook as tables. Raises FileRefusedError."""
    with path.open("rb") as file:
        head = file.read(_ENCRYPTED_WITHIN)
    is_zip = not head.startswith(OLE)
    if not is_zip and _ENCRYPTED in head:
        raise FileRefusedError(
            f"{shown(path)} is protected with a password: open it, remove the password and save it again"
        )
    if is_zip and zipfile.is_zipfile(path):
        _check_size(path)
    workbook = _guard(path, lambda: CalamineWorkbook.from_path(path))
    names = [
        meta.name
        for meta in _guard(path, lambda: workbook.sheets_metadata)
        if meta.typ == SheetTypeEnum.WorkSheet
    ]
    if sheet is not None:
        chosen = [name for name in names if name.casefold() == sheet.strip().casefold()]
        if not chosen:
            known = ", ".join(printable(name) for name in names)
            raise FileRefusedError(
                f"{shown(path)} has no sheet {printable(sheet)}: it has {known}", field="sheet"
            )
        names = chosen
    from_1904 = is_zip and _counts_from_1904(path)
    return [_table(path, workbook, name, excel_1904=from_1904) for name in names]


def _table(path: Path, workbook: CalamineWorkbook, name: str, *, excel_1904: bool) -> Table:
    def read() -> Iterator[Record]:
        loaded = _guard(path, lambda: workbook.get_sheet_by_name(name))
        rows = iter(_guard(path, loaded.iter_rows))
        first = (loaded.start or (0, 0))[0] + 1
        for line in range(first, first + (loaded.height or 0)):
            row: list[Any] | None = _guard(path, lambda: next(rows, None))
            if row is None:
                return
            cells = [whole_text(value) if isinstance(value, float) else cell_text(value) for value in row]
            if any(cells):
                yield Record(line, cells)

    records = read()
    head = list(islice(records, HEAD_RECORDS))
    return Table(name=name, source="workbook", head=head, read=read, excel_1904=excel_1904)


def _guard(path: Path, work: Callable[[], Any]) -> Any:  # noqa: ANN401 (calamine's)
    """Call calamine; turn its errors, and a panic of its Rust code, into a refusal."""
    try:
        return work()
    except PasswordError as error:
        raise FileRefusedError(
            f"{shown(path)} is protected with a password: open it, remove the password and save it again"
        ) from error
    except (CalamineError, OSError, ValueError, OverflowError, EOFError) as error:
        reason = printable(str(error))[:150]
        if "assword" in reason or "ncrypt" in reason:
            raise FileRefusedError(
                f"{shown(path)} is protected with a password: open it, remove the password and save it again"
            ) from error
        raise FileRefusedError(
            f"{shown(path)} is not a readable workbook ({reason}): open it in a spreadsheet and save it as XLSX or CSV"
        ) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # pyo3's class, which it does not export
            raise
        raise FileRefusedError(
            f"{shown(path)} is a damaged workbook: open it in a spreadsheet and save it as XLSX or CSV"
        ) from error


def _check_size(path: Path) -> None:
    """Unpack the workbook once without keeping it: calamine trusts the sizes that the file states."""
    with refuse_broken(path), zipfile.ZipFile(path) as file:
        total = 0
        for info in file.infolist():
            if not info.filename.lower().endswith((".xml", ".bin", ".rels")):
                continue
            limit = max(RATIO_FROM, info.compress_size * MAX_RATIO)
            size = 0
            with file.open(info) as member:
                while chunk := member.read(_CHUNK):
                    size += len(chunk)
                    total += len(chunk)
                    if size > limit or total > MAX_UNPACKED:
                        raise FileRefusedError(
                            f"{shown(path)} unpacks to more than {min(limit, MAX_UNPACKED) >> 20:,} MB: it is damaged, "
                            "made to fill memory, or too large for a workbook; save its sheet as CSV"
                        )


def _counts_from_1904(path: Path) -> bool:
    """Return whether an XLSX counts its days from 1904, as old Excel for Mac did."""
    with refuse_broken(path), zipfile.ZipFile(path) as file:
        try:
            text = file.open("xl/workbook.xml").read(_CHUNK)
        except KeyError:
            return False
    start = text.find(b"date1904=")
    return start >= 0 and text[start + 10 : start + 14].startswith((b"1", b"true", b"on"))
