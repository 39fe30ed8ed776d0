"""An export holds what the lake held at one snapshot, explained, whole or not at all."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.errors import InvalidInputError, SetupError
from warehouse.lake.connect import Lake
from warehouse.lake.export.tables import ExportFormat, export_lake
from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from pathlib import Path

TEXT = 'It\'s, "quoted"\nand long'
DAY = datetime(2026, 3, 2, tzinfo=UTC)

QUESTION = """
SELECT schema_name || '.' || table_name AS name, comment FROM duckdb_tables()
WHERE database_name = $database AND schema_name IN ('dims', 'marts')
UNION ALL
SELECT schema_name || '.' || view_name, split_part(comment, chr(10), 1) FROM duckdb_views()
WHERE database_name = $database AND schema_name IN ('dims', 'marts')
ORDER BY ALL
"""
COLUMNS = """
SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns()
WHERE database_name = $database AND schema_name IN ('dims', 'marts')
  -- The lake keeps no comments of a view's columns.
  AND table_name NOT IN ('posts_wide', 'account_baselines', 'dates', 'slot_engagement')
ORDER BY ALL
"""


@pytest.fixture(scope="module")
def filled_home(lake_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workspaces, each with a measured publication and a count."""
    home = tmp_path_factory.mktemp("export") / "home"
    shutil.copytree(lake_template, home)
    with Lake.open(WarehouseSettings(home=home)) as lake:
        names = ("ws_1", "ws_2")
        load_accounts(lake, [AccountDim(f"acct_{name}", name, "twitter", name) for name in names])
        load_publications(
            lake,
            [
                PublicationDim(
                    f"pub_{name}",
                    "post",
                    name,
                    f"acct_{name}",
                    "twitter",
                    "external",
                    "text",
                    DAY,
                    text=TEXT,
                )
                for name in names
            ],
        )
        snapshots = [PostSnapshot(name, f"pub_{name}", f"acct_{name}", DAY, DAY, likes=5) for name in names]
        load_post_snapshots(lake, snapshots, "run_1")
        load_account_snapshots(
            lake, [AccountSnapshot(name, f"acct_{name}", DAY, 7) for name in names], "run_1"
        )
    return home


@pytest.fixture
def filled(filled_home: Path, tmp_path: Path) -> WarehouseSettings:
    """A lake of the test's own with those rows."""
    shutil.copytree(filled_home, tmp_path / "home")
    return WarehouseSettings(home=tmp_path / "home")


def test_one_duckdb_file_holds_every_mart_its_comments_and_the_definition_of_engagement(
    filled: WarehouseSettings, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    (tmp_path / "socialflow.duckdb").write_text("an earlier one, which this one replaces")
    report = export_lake(
        filled, tmp_path / "socialflow.duckdb", ExportFormat.DUCKDB, progress=lambda *step: told.append(step)
    )
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["socialflow.duckdb"]
    assert [step[0] for step in told] == list(report.rows)
    assert told[-1][1] == told[-1][2] == len(report.rows)
    # A plain connection: no extension, no lake.
    with (
        duckdb.connect(str(tmp_path / "socialflow.duckdb"), read_only=True) as file,
        Lake.open(filled) as lake,
    ):
        params = {"database": "socialflow"}
        tables = file.execute(QUESTION, params).fetchall()
        assert [tuple(row.values()) for row in lake.query(QUESTION, {"database": "lake"})] == tables
        assert [tuple(row.values()) for row in lake.query(COLUMNS, {"database": "lake"})] == file.execute(
            COLUMNS, params
        ).fetchall()
        for name, _comment in tables:
            rows = file.execute(f"FROM {name} ORDER BY ALL").fetchall()
            assert len(rows) == report.rows[name]
            assert [str(row) for row in rows] == [
                str(row) for row in lake._cursor().execute(f"FROM {name} ORDER BY ALL").fetchall()
            ]
        assert file.execute(
            "SELECT engagement(likes, 1, NULL, NULL) FROM marts.publication_latest"
        ).fetchall() == [
            (6,),
            (6,),
        ]
        assert file.execute("SELECT snapshot_id, workspace_id FROM export").fetchall() == [
            (lake.snapshot_id(), None)
        ]


@pytest.mark.parametrize("kind", [ExportFormat.PARQUET, ExportFormat.CSV])
def test_a_folder_holds_a_file_a_table_and_what_they_mean(
    filled: WarehouseSettings, tmp_path: Path, kind: ExportFormat
) -> None:
    folder = tmp_path / "out"
    report = export_lake(filled, folder, kind, workspace_id="ws_2")
    manifest = json.loads((folder / "export.json").read_text())
    assert (manifest["snapshot_id"], manifest["workspace_id"]) == (report.snapshot_id, "ws_2")
    assert {path.name for path in folder.iterdir()} == {
        "export.json",
        *(f"{name}.{kind}" for name in report.rows),
    }
    for table in manifest["tables"]:
        assert table["comment"].startswith("Grain: ")
        assert all(table["columns"].values())
        path = str(folder / f"{table['name']}.{kind}")
        relation = duckdb.read_csv(path) if kind is ExportFormat.CSV else duckdb.read_parquet(path)
        assert list(table["columns"]) == relation.columns
        rows = relation.fetchall()
        assert len(rows) == table["rows"] == report.rows[table["name"]]
        assert all("ws_1" not in row for row in rows)
        if table["name"] == "dims.publications":
            assert TEXT in rows[0]
    assert report.rows["marts.publication_latest"] == 1


def test_all_tables_come_from_the_asked_snapshot(filled: WarehouseSettings, tmp_path: Path) -> None:
    with Lake.open(filled) as lake:
        then = lake.snapshot_id()
        with lake.write() as cursor:
            cursor.execute("INSERT INTO dims.publications SELECT * FROM dims.publications LIMIT 1")
    old = export_lake(filled, tmp_path / "old", ExportFormat.CSV, as_of=then)
    new = export_lake(filled, tmp_path / "new", ExportFormat.CSV)
    assert (old.snapshot_id, new.snapshot_id) == (then, then + 1)
    assert new.rows["dims.publications"] == old.rows["dims.publications"] + 1


def test_what_cannot_be_exported_leaves_nothing_behind(filled: WarehouseSettings, tmp_path: Path) -> None:
    file, folder = tmp_path / "socialflow.duckdb", tmp_path / "out"
    file.write_text("an earlier one")
    folder.mkdir()
    (folder / "something").touch()
    before = sorted(tmp_path.iterdir())

    def stop(_table: str, number: int, _of: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_lake(filled, file, ExportFormat.DUCKDB, progress=stop)
    with pytest.raises(InvalidInputError, match="ws_1, ws_2"):
        export_lake(filled, file, ExportFormat.DUCKDB, workspace_id="ws_3")
    with pytest.raises(InvalidInputError, match="No snapshot found at version 999"):
        export_lake(filled, file, ExportFormat.DUCKDB, as_of=999)
    with pytest.raises(InvalidInputError, match="there is no folder"):
        export_lake(filled, tmp_path / "none" / "socialflow.duckdb", ExportFormat.DUCKDB)
    with pytest.raises(InvalidInputError, match="also the name of a schema"):
        export_lake(filled, tmp_path / "marts.duckdb", ExportFormat.DUCKDB)
    with pytest.raises(InvalidInputError, match="already exists"):
        export_lake(filled, folder, ExportFormat.CSV)
    assert sorted(tmp_path.iterdir()) == before
    assert file.read_text() == "an earlier one"


def test_without_a_lake_there_is_a_remedy(warehouse_settings: WarehouseSettings, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot open the lake"):
        export_lake(warehouse_settings, tmp_path / "x.duckdb", ExportFormat.DUCKDB)
