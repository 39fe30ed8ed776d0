"""An Excel workbook: values as they are, times as dates in UTC, nothing a formula, and what everything means."""

from __future__ import annotations

import re
import zipfile
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import duckdb
import pytest

from warehouse.errors import InvalidInputError
from warehouse.lake.export import workbook
from warehouse.lake.export.tables import ExportFormat, export_lake
from warehouse.lake.export.workbook import Workbook
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings

NAMESPACE = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def read_sheets(path: Path) -> dict[str, list[list[str]]]:
    """The texts and numbers of each sheet, in its order."""
    with zipfile.ZipFile(path) as file:
        names = re.findall(r'<sheet name="([^"]+)"', file.read("xl/workbook.xml").decode())
        sheets = {}
        for number, name in enumerate(names, start=1):
            root = ET.fromstring(file.read(f"xl/worksheets/sheet{number}.xml"))  # noqa: S314 (our own file)
            assert root.find(".//x:f", NAMESPACE) is None, "no cell holds a formula"
            sheets[name] = [
                ["".join(cell.itertext()) for cell in row] for row in root.iterfind(".//x:row", NAMESPACE)
            ]
    return sheets


def test_cells_hold_what_the_values_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Workbook(tmp_path / "x.xlsx")
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    values = [
        [
            "=1+1",
            7,
            2**60,
            1.5,
            float("nan"),
            None,
            True,
            noon,
            date(2026, 3, 2),
            ["a", "b"],
            "https://x.example",
        ]
    ]
    assert book.add_sheet("one", [f"c{number}" for number in range(11)], values) == 1
    monkeypatch.setattr(workbook, "MAX_ROWS", 2)
    with pytest.raises(InvalidInputError, match="csv or parquet"):
        book.add_sheet("two", ["n"], [[1], [2], [3]])
    book.close()
    (_, row) = read_sheets(tmp_path / "x.xlsx")["one"]
    # 46083.5 days since the end of 1899 are noon of 2 March 2026.
    assert row == ["=1+1", "7", str(2**60), "1.5", "1", "46083.5", "46083", '["a", "b"]', "https://x.example"]


def test_a_workbook_holds_every_table_and_its_description(  # noqa: PLR0917 (fixtures)
    lake: Lake,
    lake_settings: WarehouseSettings,
    tmp_path: Path,
    make_account: Callable[..., Any],
    make_publication: Callable[..., Any],
    make_snapshot: Callable[..., Any],
) -> None:
    load_accounts(lake, [make_account(external_id="1789")])
    load_publications(lake, [make_publication("1", text="=cmd", tags=("b", "a", "b"), language="de")])
    load_post_snapshots(lake, [make_snapshot("1", likes=3)], "run")
    report = export_lake(lake_settings, tmp_path / "all.xlsx", ExportFormat.XLSX, more=("raw", "quality"))
    sheets = read_sheets(tmp_path / "all.xlsx")
    assert {name: len(rows) - 1 for name, rows in sheets.items() if name != "about"} == {
        name.partition(".")[2]: rows for name, rows in report.rows.items()
    }
    assert {"post_snapshots", "findings", "posts_wide", "dates"} <= sheets.keys()
    assert ["marts.posts_wide", "platform", "The account's platform."] in sheets["about"]
    assert {"=cmd", "1789", '["a", "b"]', "de"} <= set(sheets["posts_wide"][1])
    with pytest.raises(InvalidInputError, match=r"\.xlsx"):
        export_lake(lake_settings, tmp_path / "all.xls", ExportFormat.XLSX)
    folder = tmp_path / "csv"
    export_lake(lake_settings, folder, ExportFormat.CSV, more=("raw",))
    written = (folder / "marts.posts_wide.csv").read_bytes()
    assert written.startswith(b"\xef\xbb\xbfworkspace_id,"), "Excel needs the mark to read it as UTF-8"
    assert b",2026-03-02T00:00:00.000000Z,2026-03-02T00:00:00.000000,2026-03-02," in written, (
        "one form of times"
    )
    assert "raw" in duckdb.read_csv(str(folder / "raw.post_snapshots.csv")).columns
    (row,) = lake.query("SELECT tags, language FROM dims.publications")
    assert row == {"tags": ["a", "b"], "language": "de"}
    load_publications(lake, [make_publication("1", text="=cmd")])
    assert lake.query("SELECT tags, language FROM dims.publications") == [row], (
        "what a reading does not know is kept"
    )
