"""The command as a person types it: what it prints, and how it says what is wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from flows.cli import COMMANDS, app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

HISTORY = """published_at,likes,comments,shares,kind,post_id
2026-01-05T09:00:00Z,10,2,1,text,a
2026-01-06T18:30:00Z,40,5,9,photo,b
not a time,1,1,1,text,c
2026-01-08T07:15:00Z,-4,0,0,text,d
2026-01-09T12:00:00Z,7,,2,link,e
"""


def call(*arguments: str, given: str | None = None, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given, env=environment)


def call_json(*arguments: str, exit_code: int = 0) -> Any:
    result = call(*arguments)
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


def assert_one_sentence(result: Result, *words: str) -> None:
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert "Traceback" not in result.output


def test_the_overview_is_quick_and_complete() -> None:
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    command = [sys.executable, "-m", "flows.cli", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    for name, entry in COMMANDS.items():
        assert name in shown.stdout
        assert entry.help in shown.stdout
    # Quick because it loads none of these.
    for heavy in ("prefect", "duckdb", "sqlalchemy", "pydantic", "httpx"):
        assert f" {heavy}\n" not in shown.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = call(name, "--help")
    assert result.exit_code == 0
    assert "Usage: socialflow" in result.stdout or f" {name} " in result.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    assert call("publish-everything").exit_code == 2


def test_a_key_is_made_listed_and_revoked() -> None:
    made = call_json("keys", "create", "--name", "ci", "--scope", "read", "--scope", "write", "--json")
    assert made["api_key"].startswith("sf_")
    assert made["api_secret"]
    assert made["scopes"] == ["read", "write"]
    (listed,) = call_json("keys", "list", "--json")
    assert (listed["name"], listed["status"]) == ("ci", "active")
    assert made["api_secret"] not in json.dumps(listed)
    assert call("keys", "revoke", made["id"]).exit_code == 0  # a script is not asked
    (revoked,) = call_json("keys", "list", "--json")
    assert revoked["status"] == "revoked"


def test_a_second_workspace_has_keys_of_its_own() -> None:
    made = call_json("workspaces", "create", "--name", "Other", "--timezone", "Europe/Berlin", "--json")
    assert [row["name"] for row in call_json("workspaces", "list", "--json")] == ["Default", "Other"]
    key = call_json("keys", "create", "--name", "ci", "--workspace", made["id"], "--json")
    assert key["workspace_id"] == made["id"]
    assert call_json("keys", "list", "--json") == []
    (listed,) = call_json("keys", "list", "--workspace", made["id"], "--json")
    assert listed["id"] == key["id"]
    assert_one_sentence(call("keys", "revoke", key["id"]), key["id"])
    assert call("keys", "revoke", key["id"], "--workspace", made["id"], "--yes").exit_code == 0
    assert_one_sentence(call("keys", "list", "--workspace", "ws_none"), "ws_none", "workspaces list")
    assert_one_sentence(call("workspaces", "create", "--name", "x", "--timezone", "Mars/Olympus"), "Mars")


def test_known_mistakes_are_one_sentence() -> None:
    assert_one_sentence(
        call("keys", "create", "--name", "x", "--scope", "everything"), "unknown scope everything"
    )
    assert_one_sentence(call("keys", "revoke", "key_none"), "key_none")
    assert_one_sentence(call("posts", "create", "--content", "x"), "--platform: name at least one platform")
    assert_one_sentence(
        call("posts", "create", "--content", "x", "--platform", "myspace"), "unknown platform"
    )
    assert_one_sentence(
        call("posts", "create", "--content", "x", "--platform", "twitter"), "no twitter account is connected"
    )
    assert_one_sentence(
        call("posts", "create", "--content", "x", "--platform", "x", "--at", "tomorrow"),
        "--at: 'tomorrow' is not a valid time",
    )
    assert_one_sentence(call("posts", "show", "post_none"), "post_none")
    assert_one_sentence(call("accounts", "connect", "--platform", "mastodon", given="\n"), "no access token")
    assert_one_sentence(
        call("sql", "select 1"), "there is no lake at", "yet", "socialflow up", "import-history"
    )
    assert_one_sentence(
        call("export", "--format", "csv", "--output", "x"), "there is no lake at", "socialflow up"
    )


@pytest.mark.parametrize(
    ("line", "option", "remedy"),
    [
        ("keys create --name a --expires-at -7d", "--expires-at: ", "choose a later time"),
        ("keys create --name a --scope foo", "--scope: ", "use some of read, write"),
        ("workspace set --random-share 0.9", "--random-share: ", "less than or equal to 0.5"),
        ("webhooks create --url https://example.com --event foo", "--event: ", "'post.published'"),
        ("schedules show --from foo", "--from: ", "ISO 8601"),
        ("schedules export --output x.txt", "--output: ", ".ics or .csv"),
        ("analytics overview --period 999d", "--period: ", "1d to 365d"),
        ("backfill --account foo", "--account: ", "socialflow accounts list"),
        ("mcp", "SOCIALFLOW_MCP_API_KEY ", "is not set"),
    ],
)
def test_a_wrong_value_names_its_option_and_the_remedy(line: str, option: str, remedy: str) -> None:
    result = call(*line.split())
    assert_one_sentence(result, option, remedy)
    assert result.stderr.startswith(f"error: {option}")
    assert "publish now" not in result.stderr


def test_settings_are_named_by_their_variable() -> None:
    assert_one_sentence(call("up", SOCIALFLOW_API_PORT="a door"), "SOCIALFLOW_API_PORT")
    assert_one_sentence(call("keys", "list", SOCIALFLOW_SECRET_KEY="short"), "SOCIALFLOW_SECRET_KEY")


def test_a_wrong_key_is_one_sentence_and_damages_nothing() -> None:
    made = call_json("keys", "create", "--name", "ci", "--json")
    wrong = call("keys", "list", SOCIALFLOW_SECRET_KEY="x" * 40)
    assert_one_sentence(wrong, "secret key")
    (listed,) = call_json("keys", "list", "--json")
    assert listed["id"] == made["id"]


def test_a_store_from_a_newer_version_is_one_sentence() -> None:
    call_json("keys", "list", "--json")
    engine = create_engine(f"sqlite:///{os.environ['SOCIALFLOW_HOME']}/socialflow.sqlite")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert_one_sentence(call("keys", "list"), "newer version")
    assert_one_sentence(call("run", "ingest"), "newer version")


def test_a_token_never_has_to_be_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens there: what matters is that the token was taken from standard input, and is not told.
    monkeypatch.setenv("SOCIALFLOW_ALLOW_PRIVATE_INSTANCES", "true")
    monkeypatch.setenv("SOCIALFLOW_READ_ATTEMPTS", "1")
    result = call(
        "accounts",
        "connect",
        "--platform",
        "mastodon",
        "--instance-url",
        "http://127.0.0.1:9",
        given="s3cret\n",
    )
    assert_one_sentence(result)
    assert "no access token" not in result.stderr
    assert "s3cret" not in result.output


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def test_an_import_tells_bad_rows_and_loads_the_good_ones_once(history: Path) -> None:
    arguments = ("import-history", str(history), "--platform", "facebook", "--account", "tea", "--json")
    first = call_json(*arguments, exit_code=3)
    assert (first["rows"], first["loaded"], first["already_there"]) == (5, 3, 0)
    assert [row["line"] for row in first["rejected"]] == [4, 5]
    assert all(row["reason"] for row in first["rejected"])
    second = call_json(*arguments, exit_code=3)
    assert (second["loaded"], second["already_there"]) == (0, 3)
    (count,) = call_json("sql", "--format", "json", "select count(*) as n from raw.post_snapshots")
    assert count == {"n": 3}
    times = call_json("sql", "--format", "json", "select count(*) as n from marts.optimal_times")
    assert times == [{"n": 168}]


def test_an_import_in_words_names_the_line(history: Path) -> None:
    result = call("import-history", str(history), "--platform", "facebook", "--account", "tea")
    assert result.exit_code == 3
    assert result.stderr.startswith("History file, 3 posts, 2026-01-05 to 2026-01-09, times in UTC\n")
    assert "line 4: published_at" in result.stderr
    assert "5 rows: 3 loaded, 0 already imported, 2 rejected" in result.stderr


def test_an_import_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "none.csv"
    assert_one_sentence(
        call("import-history", str(missing), "--platform", "facebook", "--account", "a"), "none.csv"
    )
    (tmp_path / "headless.csv").write_text("what,ever\n1,2\n")
    result = call(
        "import-history", str(tmp_path / "headless.csv"), "--platform", "facebook", "--account", "a"
    )
    assert_one_sentence(result, "published_at")


def test_sql_speaks_csv_json_and_tables(history: Path) -> None:
    arguments = ("import-history", str(history), "--platform", "facebook", "--account", "tea", "--json")
    call_json(*arguments, exit_code=3)
    question = "select likes, comments from raw.post_snapshots order by likes"
    rows = list(csv.DictReader(io.StringIO(call("sql", "--format", "csv", question).stdout)))
    assert rows[0] == {"likes": "7", "comments": ""}
    assert call_json("sql", "--format", "json", question)[0] == {"likes": 7, "comments": None}
    assert call("sql", question).stdout.splitlines()[:2] == ["likes\tcomments", "7\t"]
    assert_one_sentence(call("sql", "delete from raw.post_snapshots"), "SELECT")
    wrong = call("sql", "select * from nowhere")
    assert wrong.exit_code == 1
    assert "nowhere" in wrong.stderr
    assert "Traceback" not in wrong.output


def test_the_doctor_finds_a_fresh_installation_well_and_a_wrong_key_not() -> None:
    assert call_json("doctor", "--json")["ok"] is True
    call_json("keys", "create", "--name", "ci", "--json")
    assert call_json("doctor", "--json")["ok"] is True
    sick = call("doctor", "--json", SOCIALFLOW_SECRET_KEY="x" * 40)
    assert sick.exit_code == 1
    assert json.loads(sick.stdout)["failed"] == ["store"]


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file" / "home")
    assert_one_sentence(call("keys", "list", SOCIALFLOW_HOME=home), home)
    assert_one_sentence(call("up", SOCIALFLOW_HOME=home), home)


def test_flows_run_without_a_server() -> None:
    assert call_json("run", "ingest", "--json")["due"] == 0
    assert call_json("run", "publish", "--json")["published"] == 0
    assert call_json("run", "backfill", "--json")["accounts"] == 0
    assert call_json("run", "followers", "--json")["accounts"] == 0
    assert call_json("run", "refresh-tokens", "--json")["refreshed"] == 0
    assert call_json("run", "optimal-times", "--json")["accounts"] == 0
    assert isinstance(call_json("run", "maintain", "--json"), dict)


def test_posts_are_imported_from_a_file_all_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    file.write_text("content,status\nfirst,draft\nsecond,later\n")
    refused = call("posts", "import", str(file))
    assert refused.exit_code == 1
    assert "nothing was saved" in refused.stderr
    assert "3\tfailed" in refused.stdout
    assert call_json("posts", "list", "--json") == []
    file.write_text("content,status\nfirst,draft\nsecond,draft\n")
    dry = call_json("posts", "import", str(file), "--dry-run", "--json")
    assert [row["status"] for row in dry["rows"]] == ["valid", "valid"]
    made = call_json("posts", "import", str(file), "--json")
    assert {row["post_id"] for row in made["rows"]} == {
        one["id"] for one in call_json("posts", "list", "--json")
    }
    assert_one_sentence(call("posts", "import", str(tmp_path / "none.csv")), "none.csv")


def test_webhooks_are_made_listed_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = call("webhooks", "create", "--url", "http://127.0.0.1:9/x")
    assert_one_sentence(refused, "https")
    monkeypatch.setenv("SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE", "true")
    made = call_json(
        "webhooks", "create", "--url", "http://127.0.0.1:9/x", "--event", "post.failed", "--json"
    )
    [listed] = call_json("webhooks", "list", "--json")
    assert (listed["id"], listed["events"], listed["status"]) == (made["id"], ["post.failed"], "enabled")
    assert made["secret"] not in json.dumps(listed)
    assert call_json("webhooks", "deliveries", made["id"], "--json") == []
    assert_one_sentence(call("webhooks", "replay", made["id"]), "--since or --delivery")
    replayed = call("webhooks", "replay", made["id"], "--since", "2026-03-01T12:00:00")
    assert "0 deliveries" in replayed.stderr
    assert call_json("run", "webhooks", "--json") == {"attempts": {}, "errors": 0}
