"""`socialflow sql`, `export` and `lake attach` as a person types them."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from typer.testing import CliRunner

from flows.cli import app
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

LONG = "SELECT range AS n, 'n' || range AS name FROM range(25_000)"


def call(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)


def succeed(*arguments: str, given: str | None = None) -> Result:
    result = call(*arguments, given=given)
    assert result.exit_code == 0, result.stderr
    return result


def refuse(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    return result.stderr


@pytest.fixture(scope="module")
def lake_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("analyst")
    Lake.open(WarehouseSettings(home=home)).close()
    return home


@pytest.fixture(autouse=True)
def _home(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCIALFLOW_HOME", str(lake_home))


def test_a_table_is_bounded_and_says_so() -> None:
    result = succeed("sql", LONG)
    assert len(result.stdout.splitlines()) == 1 + 100
    assert "--limit shows more" in result.stderr


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_long_answer_goes_to_a_file_by_its_ending(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"rows.{kind}"
    result = succeed("sql", LONG, "--output", str(file))
    assert (result.stdout, result.stderr) == ("", f"25000 rows in {file}\n")
    read = {"csv": duckdb.read_csv, "json": duckdb.read_json, "parquet": duckdb.read_parquet}[kind]
    assert read(str(file)).aggregate("count(*), min(n), max(n), max(name)").fetchall() == [
        (25_000, 0, 24_999, "n9999")
    ]
    assert list(tmp_path.iterdir()) == [file]


def test_stdout_and_stdin_are_for_pipes() -> None:
    parquet = succeed("sql", "--format", "parquet", "--limit", "2", LONG).stdout_bytes
    assert parquet[:4] == parquet[-4:] == b"PAR1"
    assert succeed("sql", "-", "--format", "csv", given="select 2 as n").stdout == "n\n2\n"


def test_a_failure_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    question = "SELECT CASE WHEN range > 20_000 THEN error('too far') ELSE range END AS n FROM range(30_000)"
    assert "too far" in refuse("sql", question, "--output", str(tmp_path / "rows.csv"))
    assert list(tmp_path.iterdir()) == []


def test_mistakes_name_the_remedy(tmp_path: Path) -> None:
    assert "Did you mean" in refuse("sql", "select * from marts.publication_lates")
    assert "rows.csv" in refuse("sql", "select 1", "--output", str(tmp_path / "rows.txt"))
    assert "no folder" in refuse("sql", "select 1", "--output", str(tmp_path / "none" / "rows.csv"))
    assert "neither a snapshot number nor a time" in refuse("sql", "select 1", "--as-of", "yesterday")
    assert "ducklake_snapshots" in refuse("sql", "select 1", "--as-of", "999999")


def test_parquet_is_kept_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.cli.lake.sql.is_terminal", lambda: True)
    assert "--output" in refuse("sql", "--format", "parquet", "select 1")


def test_looking_back_by_number_and_by_time(lake_home: Path) -> None:
    with Lake.open(WarehouseSettings(home=lake_home)) as lake:
        (before,) = lake.query(
            "SELECT max_by({'id': snapshot_id, 'at': snapshot_time}, snapshot_id) AS s "
            "FROM ducklake_snapshots('lake')"
        )
        with lake.write() as cursor:
            cursor.execute("INSERT INTO schema_version VALUES (0, 'of the test', now())")
    question = "select count(*) as n from main.schema_version where name = 'of the test'"

    def count(*more: str) -> Any:
        return json.loads(succeed("sql", "--format", "json", question, *more).stdout)[0]["n"]

    assert count("--as-of", str(before["s"]["id"])) == 0
    assert count("--as-of", before["s"]["at"].isoformat()) == 0
    told = succeed("sql", question, "--as-of", str(before["s"]["id"])).stderr
    assert (
        f"after commit {before['s']['id']} of {before['s']['at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        in told
    )


def test_an_export_is_one_command(tmp_path: Path) -> None:
    file = tmp_path / "socialflow.duckdb"
    told = json.loads(succeed("export", "--format", "duckdb", "--output", str(file), "--json").stdout)
    assert told["output"] == str(file)
    assert told["rows"]["marts.publication_latest"] == 0
    assert "no rows of workspace 'ws_x'" in refuse(
        "export", "--format", "csv", "--output", str(tmp_path / "other"), "--workspace", "ws_x"
    )
    succeed("analytics", "export", "--output", str(tmp_path / "accounts.csv"), "--table", "accounts")
    newest = json.loads(succeed("audit-log", "--action", "data_exported", "--json").stdout)[:3]
    assert [one["detail"]["table"] for one in newest] == ["accounts", "all", "all"]
    assert {one["actor"]["kind"] for one in newest} == {"command_line"}


def test_attach_prints_what_works(lake_home: Path) -> None:
    told = json.loads(succeed("lake", "attach", "--format", "json").stdout)
    with duckdb.connect() as connection:
        for statement in told["statements"]:
            connection.execute(statement)
        assert connection.execute("SELECT max(version) > 0 FROM main.schema_version").fetchall() == [(True,)]
    both = succeed("lake", "attach").stdout
    assert f"{lake_home}/lake/catalog.sqlite" in both
    assert "import duckdb" in both
    assert "import duckdb" not in succeed("lake", "attach", "--format", "cli").stdout
    assert "SNAPSHOT_VERSION 3" in succeed("lake", "attach", "--as-of", "3").stdout


EVIL = "SELECT 'a' || chr(27) || '[2J' || chr(155) || chr(10) || 'b' AS \"na\x1bme\""


def test_what_the_lake_holds_does_not_move_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in succeed("sql", EVIL).stdout
    assert "\x9b" in succeed("sql", EVIL, "--format", "json").stdout  # data for a program
    monkeypatch.setattr("flows.cli.lake.sql.is_terminal", lambda: True)
    assert "\x9b" not in succeed("sql", EVIL, "--format", "json").stdout
    shown = succeed("sql", EVIL, "--format", "csv").stdout
    assert shown.startswith("na\\x1bme\n")
    assert "\x1b" not in shown


def test_an_error_quotes_its_cause_visibly() -> None:
    assert "\x1b" not in refuse("sql", 'SELECT "\x1b[2J"')
