"""Opening the lake, and writing behind its lock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from warehouse.errors import SetupError
from warehouse.lake.attach import attach_lake, extension_files
from warehouse.lake.connect import Lake
from warehouse.lake.migrate import NEWEST_VERSION
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from pathlib import Path

INSERT = "INSERT INTO schema_version VALUES (0, 'probe', now())"
COUNT = "SELECT count(*) AS n FROM schema_version WHERE name = 'probe'"


def test_a_new_home_gets_a_lake_and_a_second_opening_changes_nothing(
    warehouse_settings: WarehouseSettings,
) -> None:
    with Lake.open(warehouse_settings) as lake:
        versions = lake.query("SELECT max(version) AS newest FROM schema_version")
        first = lake.snapshot_id()
    with Lake.open(warehouse_settings) as lake:
        assert versions == [{"newest": NEWEST_VERSION}]
        assert lake.snapshot_id() == first


def test_all_files_are_below_home(lake: Lake, lake_settings: WarehouseSettings) -> None:
    with lake.write() as cursor:
        cursor.execute(INSERT)
    files = lake.query("SELECT data_file FROM ducklake_list_files('lake', 'schema_version')")
    assert files
    assert all(row["data_file"].startswith(str(lake_settings.home / "lake" / "data")) for row in files)


def test_two_threads_that_open_a_new_lake_at_once_get_the_same_one(
    warehouse_settings: WarehouseSettings,
) -> None:
    ready = threading.Barrier(2)
    versions: list[Any] = []

    def open_it() -> None:
        ready.wait()
        with Lake.open(warehouse_settings) as lake:
            versions.append(lake.query("SELECT count(*) AS n, max(version) AS newest FROM schema_version"))

    threads = [threading.Thread(target=open_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions == [[{"n": NEWEST_VERSION, "newest": NEWEST_VERSION}]] * 2


def test_a_lake_from_a_newer_version_is_refused_and_left_alone(lake_settings: WarehouseSettings) -> None:
    with Lake.open(lake_settings) as lake:
        with lake.write() as cursor:
            cursor.execute("INSERT INTO schema_version VALUES (999, 'future', now())")
        before = lake.snapshot_id()
    for read_only in (False, True):
        with pytest.raises(SetupError, match=f"newer SocialFlow.*999.*supports {NEWEST_VERSION}"):
            Lake.open(lake_settings, read_only=read_only)
    connection = attach_lake(lake_settings)
    assert connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone() == (before,)
    connection.close()


def test_a_home_below_a_file_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SetupError, match=r"cannot (use|read) the lake"):
        Lake.open(WarehouseSettings(home=tmp_path / "file" / "home"))


def test_a_file_system_that_takes_no_files_is_a_setup_error() -> None:
    # /proc takes no new folder from anyone, root included: as a read-only disk does.
    with pytest.raises(SetupError, match="cannot use the lake's folder /proc/socialflow"):
        Lake.open(WarehouseSettings(home="/proc/socialflow"))


def test_a_catalog_that_is_no_catalog_is_a_setup_error(warehouse_settings: WarehouseSettings) -> None:
    (warehouse_settings.home / "lake").mkdir(parents=True)
    (warehouse_settings.home / "lake" / "catalog.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SetupError, match=r"cannot open the lake at .*catalog\.sqlite") as raised:
        Lake.open(warehouse_settings)
    assert "\n" not in raised.value.message


def test_reading_a_lake_that_is_not_there_is_a_setup_error(warehouse_settings: WarehouseSettings) -> None:
    with pytest.raises(SetupError, match="there is no lake at"):
        Lake.open(warehouse_settings, read_only=True)
    assert not (warehouse_settings.home / "lake").exists()


def test_a_missing_extension_is_one_clear_sentence(
    warehouse_settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The extension's folder is named after DuckDB's version: of another one there is none.
    monkeypatch.setattr(duckdb, "__version__", "0.0.1")
    with pytest.raises(SetupError, match=r"package duckdb-extension-ducklake==0\.0\.1 is missing") as raised:
        Lake.open(warehouse_settings)
    assert "\n" not in raised.value.message


def test_a_changed_extension_is_not_loaded(warehouse_settings: WarehouseSettings, tmp_path: Path) -> None:
    """In a process of its own, with the options of the product: these tests' own processes do not check signatures."""
    genuine = extension_files(warehouse_settings)[0]
    changed = tmp_path / "duckdb_extension_ducklake" / "extensions" / genuine.parent.name / genuine.name
    changed.parent.mkdir(parents=True)
    (tmp_path / "duckdb_extension_ducklake" / "__init__.py").touch()
    content = bytearray(genuine.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    script = "from warehouse.settings import *; from warehouse.lake.connect import Lake; Lake.open(WarehouseSettings())"
    opened = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "SOCIALFLOW_HOME": str(warehouse_settings.home)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert opened.returncode == 1
    assert f"cannot load its extension ducklake from {changed}" in opened.stderr
    assert "signature" in opened.stderr


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("lake_memory_limit", "plenty", "SOCIALFLOW_LAKE_MEMORY_LIMIT"),
        ("lake_catalog", "mysql:host=db", "SOCIALFLOW_LAKE_CATALOG"),
        ("lake_catalog", "postgres:what is this", "SOCIALFLOW_LAKE_CATALOG"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, field: str, value: str, words: str) -> None:
    settings = WarehouseSettings(home=tmp_path / "home").model_copy(update={field: value})
    with pytest.raises(SetupError, match=words):
        Lake.open(settings)


def test_an_unreachable_postgres_catalog_tells_no_password(tmp_path: Path) -> None:
    words = f"postgres:host={tmp_path} dbname=lake user=lake password=hush-hush"
    settings = WarehouseSettings(home=tmp_path / "home").model_copy(update={"lake_catalog": words})
    for read_only in (True, False):
        with pytest.raises(SetupError, match="dbname=lake") as raised:
            Lake.open(settings, read_only=read_only)
        assert "hush-hush" not in str(raised.value)


def test_a_failed_write_leaves_nothing_and_lets_the_next_one_through(lake: Lake) -> None:
    def work(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute(INSERT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lake.run_write(work)
    assert lake.query(COUNT) == [{"n": 0}]
    with lake.write() as cursor:
        cursor.execute(INSERT)
    assert lake.query(COUNT) == [{"n": 1}]


def test_a_conflict_runs_the_whole_transaction_again(lake: Lake) -> None:
    calls = 0

    def work(cursor: duckdb.DuckDBPyConnection) -> str:
        nonlocal calls
        calls += 1
        cursor.execute(INSERT)
        if calls < 3:
            raise duckdb.TransactionException("conflict")
        return "done"

    assert lake.run_write(work) == "done"
    assert calls == 3
    assert lake.query(COUNT) == [{"n": 1}]


def test_a_wrong_statement_is_not_repeated(lake: Lake) -> None:
    calls = 0

    def work(cursor: duckdb.DuckDBPyConnection) -> None:
        nonlocal calls
        calls += 1
        cursor.execute("SELECT * FROM nothing_of_the_kind")

    with pytest.raises(duckdb.CatalogException):
        lake.run_write(work)
    assert calls == 1


def test_threads_write_one_after_the_other_while_others_read(lake: Lake) -> None:
    errors: list[BaseException] = []
    inside = 0

    def write() -> None:
        nonlocal inside
        try:
            for _ in range(5):
                with lake.write() as cursor:
                    inside += 1
                    assert inside == 1
                    cursor.execute(INSERT)
                    inside -= 1
        except BaseException as error:  # noqa: BLE001 (told to the test's own thread below)
            errors.append(error)

    def read() -> None:
        try:
            counts = [lake.query(COUNT)[0]["n"] for _ in range(20)]
            assert counts == sorted(counts)
        except BaseException as error:  # noqa: BLE001 (told to the test's own thread below)
            errors.append(error)

    threads = [threading.Thread(target=target) for target in (write, write, write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert lake.query(COUNT) == [{"n": 15}]


def test_a_reader_beside_a_writer_sees_each_commit_and_cannot_write(
    lake: Lake, lake_settings: WarehouseSettings
) -> None:
    with Lake.open(lake_settings, read_only=True) as reader:
        before = reader.snapshot_id()
        with lake.write() as cursor:
            cursor.execute(INSERT)
            assert reader.query(COUNT) == [{"n": 0}]
        assert reader.query(COUNT) == [{"n": 1}]
        assert reader.snapshot_id() > before
        with pytest.raises(SetupError, match="read-only"), reader.write():
            pass
        with pytest.raises(duckdb.Error, match="read-only"):
            reader.query("DELETE FROM schema_version")
