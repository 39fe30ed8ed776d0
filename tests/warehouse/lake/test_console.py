"""The SQL console reads the lake, and neither changes it nor reads anything else."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow.parquet as pq
import pytest

from tests.warehouse.lake.lake_console import run_sql
from warehouse.errors import InvalidInputError, SetupError
from warehouse.lake.console import Answer, ask, open_console
from warehouse.lake.export.result_files import write_csv, write_json, write_parquet
from warehouse.lake.load import load_account_snapshots, load_post_snapshots, load_publications

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings

    Make = Callable[..., Any]


@pytest.fixture(scope="module")
def template_settings(lake_template: Path) -> WarehouseSettings:
    from warehouse.settings import WarehouseSettings  # noqa: PLC0415 (a fixture wider than the settings' own)

    return WarehouseSettings(home=lake_template)


@pytest.fixture(scope="module")
def console(template_settings: WarehouseSettings) -> Iterator[DuckDBPyConnection]:
    connection = open_console(template_settings)
    yield connection
    connection.close()


def test_rows_come_with_their_columns_beside_a_writer(
    lake: Lake, lake_settings: WarehouseSettings, make_publication: Make
) -> None:
    load_publications(lake, [make_publication(name) for name in ("1", "2", "3")])
    with lake.write() as cursor:
        cursor.execute("DELETE FROM marts.publication_latest")
        columns, rows = run_sql(
            lake_settings, "SELECT post_id, published_at FROM marts.publication_latest ORDER BY 1", limit=2
        )
    assert columns == ["post_id", "published_at"]
    assert [row[0] for row in rows] == ["post_1", "post_2"]
    assert rows[0][1].tzinfo is UTC


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "-- why\nWITH one AS (SELECT 1) SELECT * FROM one;",
        "FROM marts.publication_latest LIMIT 1",
        "DESCRIBE marts.publication_latest",
        "SUMMARIZE raw.account_snapshots",
        "SHOW ALL TABLES",
        "EXPLAIN SELECT * FROM raw.post_snapshots",
        "explain analyze SELECT 1",
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'marts'",
        "SELECT snapshot_id FROM ducklake_snapshots('lake')",
        "SELECT engagement(1, NULL, 2, NULL), unnest(range(3))",
        "PIVOT raw.account_snapshots ON account_id IN ('a') USING max(followers)",
    ],
)
def test_reading_statements_run(template_settings: WarehouseSettings, statement: str) -> None:
    columns, _rows = run_sql(template_settings, statement)
    assert columns


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM raw.post_snapshots",
        "INSERT INTO schema_version VALUES (9, 'x', now())",
        "CREATE TABLE marts.mine AS SELECT 1",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "DROP TABLE raw.post_snapshots",
        "COPY (SELECT 1) TO '{home}/lake/data/out.csv'",
        "ATTACH '{home}/socialflow.sqlite'",
        "SET threads = 1",
        "CALL ducklake_expire_snapshots('lake', older_than => now())",
        "SELECT 1; SELECT 2",
        "",
        "EXPLAIN ANALYZE INSERT INTO schema_version VALUES (9, 'x', now())",
        "INSTALL httpfs",
        # Each of these is a SELECT that a read-only attachment would let through.
        "SELECT * FROM sqlite_scan('{home}/socialflow.sqlite', 'secrets')",
        "SELECT * FROM system.main.\"SQLITE_SCAN\"('{home}/socialflow.sqlite', 'secrets')",
        "EXPLAIN ANALYZE SELECT * FROM sqlite_scan('{home}/socialflow.sqlite', 'secrets')",
        "SELECT (SELECT count(*) FROM read_text('{home}/secret.key'))",
        "SELECT * FROM glob('{home}/*')",
        "FROM query('SELECT * FROM sqlite_' || 'scan(''{home}/socialflow.sqlite'', ''secrets'')')",
        "FROM '{home}/data.csv'",
        "FROM ducklake_cleanup_old_files('lake', cleanup_all => true)",
        "FROM ducklake_merge_adjacent_files('lake')",
        "FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)",
    ],
)
def test_everything_else_is_refused(lake_settings: WarehouseSettings, statement: str) -> None:
    home = lake_settings.home
    (home / "secret.key").write_text("hush-hush")
    (home / "data.csv").write_text("a\nhush-hush\n")
    with sqlite3.connect(home / "socialflow.sqlite") as store:
        store.execute("CREATE TABLE secrets AS SELECT 'hush-hush' AS secret")
    store.close()
    with pytest.raises(InvalidInputError) as raised:
        run_sql(lake_settings, statement.format(home=home))
    assert raised.value.field == "sql"
    assert raised.value.message
    assert not (home / "lake" / "data" / "out.csv").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SET enable_external_access = true",
        "ATTACH '/tmp/other.db'",
    ],
)
def test_the_connection_itself_reaches_no_file(console: DuckDBPyConnection, statement: str) -> None:
    import duckdb  # noqa: PLC0415 (only here)

    with pytest.raises(duckdb.Error):
        console.execute(statement)


def test_a_mistake_is_told_in_duckdbs_words(template_settings: WarehouseSettings) -> None:
    with pytest.raises(InvalidInputError, match="publication_latest"):
        run_sql(template_settings, "SELECT * FROM marts.publication_lates")
    with pytest.raises(InvalidInputError, match="syntax error"):
        run_sql(template_settings, "SELEKT 1")


EVERY_KIND = (
    "SELECT 1 AS n, NULL AS none, 'ä' AS text, TIMESTAMPTZ '2026-03-02 12:00:00+00' AS at, "
    "[1, NULL] AS list, 'nan'::DOUBLE AS nan, sum(range)::HUGEINT AS big, 1.50::DECIMAL(5, 2) AS dec FROM range(3)"
)


def test_formats_say_the_same(console: DuckDBPyConnection) -> None:
    stream = io.BytesIO()
    assert write_json(Answer(console.execute(EVERY_KIND)), stream) == 1
    (record,) = json.loads(stream.getvalue())
    at = "2026-03-02T12:00:00+00:00"
    assert list(record.values()) == [1, None, "ä", at, [1, None], None, 3, "1.50"]

    stream = io.BytesIO()
    assert write_csv(Answer(console.execute(EVERY_KIND)), stream) == 1
    (line,) = csv.DictReader(io.StringIO(stream.getvalue().decode()))
    # As in the CSV files of tables.
    assert list(line.values()) == ["1", "", "ä", f"{at[:19]}.000000Z", "[1, null]", "nan", "3", "1.50"]

    stream = io.BytesIO()
    assert write_parquet(Answer(console.execute(EVERY_KIND)), stream) == 1
    (row,) = pq.read_table(stream).to_pylist()
    assert (row["none"], row["text"], row["at"].isoformat(), row["list"]) == (None, "ä", at, [1, None])
    assert list(line) == list(record) == list(row)


@pytest.mark.parametrize("write", [write_csv, write_json, write_parquet])
def test_a_limit_and_an_empty_answer(console: DuckDBPyConnection, write: Any) -> None:
    for rows, limit, written in ((25_000, 12_345, 12_345), (25_000, None, 25_000), (0, None, 0)):
        assert write(Answer(console.execute(f"FROM range({rows})")), io.BytesIO(), limit=limit) == written


def test_an_error_in_the_middle_is_told_in_duckdbs_words(console: DuckDBPyConnection) -> None:
    statement = (
        "SELECT CASE WHEN range > 2_900_000 THEN error('too far') ELSE range END AS n FROM range(3_000_000)"
    )
    with pytest.raises(InvalidInputError, match="too far"):
        write_parquet(Answer(console.execute(statement)), io.BytesIO())


def test_without_a_lake_there_is_a_remedy(warehouse_settings: WarehouseSettings) -> None:
    with pytest.raises(SetupError, match="lake"):
        run_sql(warehouse_settings, "SELECT 1")


def test_a_lake_in_use_is_read_as_of_its_newest_commit(
    lake: Lake, lake_settings: WarehouseSettings, make_snapshot: Make, make_count: Make
) -> None:
    for hours in (1, 2):
        load_post_snapshots(lake, [make_snapshot(hours=hours, likes=hours)], "run_1")
        assert run_sql(lake_settings, "SELECT max(likes) FROM raw.post_snapshots")[1] == [(hours,)]
    load_account_snapshots(lake, [make_count(5)], "run_1")
    assert run_sql(lake_settings, "SELECT followers FROM marts.account_daily")[1] == [(5,)]


SLOW = "SELECT count(*) FROM range(10_000_000) a, range(1_000_000) b WHERE (a.range * b.range) % 7 = 3"


def test_a_statement_ends_in_time(template_settings: WarehouseSettings) -> None:
    began = time.monotonic()
    with (
        pytest.raises(InvalidInputError, match=r"more than 0\.5 s") as raised,
        ask(template_settings, SLOW, seconds=0.5) as answer,
    ):
        list(answer.rows())
    assert raised.value.code == "too_slow"
    assert time.monotonic() - began < 15


def test_reading_the_rows_ends_in_time_too(template_settings: WarehouseSettings) -> None:
    with (
        pytest.raises(InvalidInputError, match=r"more than 1 s"),
        ask(template_settings, "SELECT a.range FROM range(100_000_000) a", seconds=1) as answer,
    ):
        for _ in answer.rows():
            pass


def test_ctrl_c_ends_a_statement(lake_settings: WarehouseSettings) -> None:
    environment = {**os.environ, "SOCIALFLOW_HOME": str(lake_settings.home), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "sql", SLOW],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as asked:
        process = psutil.Process(asked.pid)
        while sum(process.cpu_times()[:2]) < 4 and asked.poll() is None:
            time.sleep(0.1)  # started, and deep in the statement
        asked.send_signal(signal.SIGINT)
        try:
            assert asked.wait(timeout=20) == 130
        finally:
            asked.kill()  # or the end of this block would wait for the statement, which takes hours


def test_memory_has_an_end(template_settings: WarehouseSettings) -> None:
    small = template_settings.model_copy(update={"lake_memory_limit": "100MB"})
    with pytest.raises(InvalidInputError, match=r"(?i)memory"):
        run_sql(small, "SELECT list(range || 'x') FROM range(100_000_000)")
