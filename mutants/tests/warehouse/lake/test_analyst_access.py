"""The printed statements work in a plain DuckDB, beside running writers, and hold no secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pydantic import SecretStr

from warehouse.lake.analyst_access import attach_statements, show_for_cli, show_for_python
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_publications

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import WarehouseSettings

    Make = Callable[..., Any]

WRITER = Path(__file__).with_name("lake_writer.py")
READER = Path(__file__).with_name("lake_reader.py")
BATCH_ROWS, BATCHES = 40, 3


def test_the_python_lines_end_with_a_connection(lake_settings: WarehouseSettings) -> None:
    names: dict[str, Any] = {}
    exec(show_for_python(lake_settings), names)  # noqa: S102 (this is what the lines are for)
    lake: duckdb.DuckDBPyConnection = names["lake"]
    assert lake.execute("SELECT count(*) FROM marts.publication_latest").fetchall() == [(0,)]
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        lake.execute("DELETE FROM marts.publication_latest")
    lake.close()


def test_the_command_lines_statements_are_the_same(lake_settings: WarehouseSettings) -> None:
    shown = show_for_cli(lake_settings)
    assert [one.query.strip().rstrip(";") for one in duckdb.extract_statements(shown)][
        1:
    ] == attach_statements(lake_settings)[1:]
    assert duckdb.__version__ in shown


def test_no_secret_is_shown_but_where_it_belongs(lake_settings: WarehouseSettings) -> None:
    elsewhere = lake_settings.model_copy(
        update={
            "lake_catalog": "postgres:host=db.example dbname=lake user=lake password=hush-hush",
            "lake_data_path": "s3://bucket/lake/",
            "lake_s3_endpoint": "s3.example:9000",
            "lake_s3_access_key_id": SecretStr("hush-key"),
            "lake_s3_secret_access_key": SecretStr("hush-secret"),
        }
    )
    for shown in (show_for_cli(elsewhere), show_for_python(elsewhere)):
        assert "hush" not in shown
        assert "PGPASSWORD" in shown
        assert "<your secret>" in shown
        assert "host=db.example" in shown
        assert "httpfs.duckdb_extension" in shown
        assert "s3.example:9000" in shown


def test_the_statements_reach_a_catalog_in_postgresql(postgres_settings: WarehouseSettings) -> None:
    with Lake.open(postgres_settings):
        assert "hush-hush" not in show_for_cli(postgres_settings)
        with duckdb.connect() as connection:
            for statement in attach_statements(postgres_settings):
                connection.execute(statement)
            assert connection.execute("SELECT count(*) FROM marts.publication_latest").fetchall() == [(0,)]


def test_another_process_reads_whole_commits_beside_a_running_writer(
    lake_settings: WarehouseSettings, make_publication: Make
) -> None:
    """Raw and marts agree in each answer, nothing goes backwards, and neither process waits for the other."""
    with Lake.open(lake_settings) as lake:
        load_publications(lake, [make_publication(str(number)) for number in range(BATCH_ROWS)])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), lake_settings.model_dump_json(), "0", str(BATCHES)], **pipes
    )
    reader = subprocess.Popen(
        [sys.executable, str(READER), json.dumps(attach_statements(lake_settings))], **pipes
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert reader.stdout is not None
    writer.stdout.readline()
    first = json.loads(reader.stdout.readline())
    writer.stdin.write("go\n")
    writer.stdin.flush()
    written = writer.communicate(timeout=120)[0]
    answers = [first, *(json.loads(line) for line in reader.communicate(timeout=120)[0].splitlines())]
    assert (writer.returncode, reader.returncode) == (0, 0)
    assert written.splitlines()[-1] == f"{BATCHES - 1} {BATCH_ROWS}"
    factor = BATCH_ROWS * (BATCH_ROWS - 1) // 2
    for snapshots, publications, by_mart, by_raw in answers:
        batches = snapshots // BATCH_ROWS
        assert snapshots % BATCH_ROWS == 0, "half a commit was seen"
        assert publications == BATCH_ROWS
        assert by_mart == by_raw == max(batches - 1, 0) * factor
    assert [answer[0] for answer in answers] == sorted(answer[0] for answer in answers)
    assert answers[0][0] == 0
    assert answers[-1][0] == BATCHES * BATCH_ROWS
    assert len({answer[0] for answer in answers}) > 2, "the reader read while the writer wrote"
