"""What people see in a terminal: nothing that is copied is cut, ids may be shortened, times may be words."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import flows.cli as cli_package
from flows.cli import app
from flows.cli.moments import write_time
from warehouse.errors import InvalidInputError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store

SHOW = """
from flows.cli.output import print_records
print_records([{"id": "key_" + "a" * 26, "name": "me", "api_key": "sf_" + "b" * 28, "api_secret": "sfs_" + "c" * 49}],
              ["id", "name", "api_key", "api_secret"])
post = {"id": "post_" + "d" * 26, "status": "scheduled", "account_id": "acct_" + "e" * 26, "content": "words " * 30}
print_records([post], ["id", "status", "account_id", "content"])
"""
WHOLE = ("key_" + "a" * 26, "sf_" + "b" * 28, "sfs_" + "c" * 49, "post_" + "d" * 26, "acct_" + "e" * 26)


def show_in_terminal(columns: int) -> str:
    """Run SHOW in a pseudo-terminal of this width, and return what it printed."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    printed = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        printed += piece
    os.close(leader)
    assert process.wait(timeout=60) == 0, printed
    return printed.decode()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_secret_and_no_id_is_cut(columns: int) -> None:
    printed = show_in_terminal(columns)
    for value in WHOLE:
        assert value in printed, value
    assert re.search(r"words words", printed)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOCIALFLOW_HOME", str(tmp_path))
    return tmp_path


def test_an_id_may_be_shortened_where_it_is_the_only_one(home: Path) -> None:
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings(home=home)) as store, store.write() as session:
        workspace = ensure_default_workspace(session, now)
        made = [
            create_api_key(session, store.cipher, workspace.id, name, ["read"], now).row.id for name in "ab"
        ]
    runner = CliRunner()
    first, second = made
    common = first[: next(n for n in range(30) if first[n] != second[n])]
    for one in made:
        shown = runner.invoke(app, ["keys", "show", one[: len(common) + 1], "--json"])
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.stdout)["id"] == one
    several = runner.invoke(app, ["keys", "show", common])
    assert several.exit_code == 1
    assert f"several ids begin with {common}" in several.output
    assert runner.invoke(app, ["keys", "show", "key_zzz"]).exit_code == 1


def test_the_version_is_said_and_typing_errors_are_answered() -> None:
    runner = CliRunner()
    assert re.fullmatch(r"socialflow \d+\.\d+\S*\n", runner.invoke(app, ["--version"]).stdout)
    for words, meant in (
        (["postss"], "posts"),
        (["posts", "craete"], "create"),
        (["posts", "list", "--statsu", "x"], "--status"),
    ):
        answer = runner.invoke(app, words)
        assert answer.exit_code == 2
        assert meant in answer.output, words
    unknown = runner.invoke(app, ["posts", "list", "--status", "nonsense"])
    assert (unknown.exit_code, "use one of draft" in unknown.output) == (1, True)


def test_a_time_may_be_written_in_words() -> None:
    now = datetime.now(UTC)
    in_two = datetime.fromisoformat(write_time("+2h", None))
    assert abs(in_two - now - timedelta(hours=2)) < timedelta(minutes=1)
    tomorrow = write_time("Tomorrow 9:30", "Europe/Berlin")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT09:30", tomorrow)
    friday = datetime.fromisoformat(write_time("fri 18:00", "UTC")).replace(tzinfo=UTC)
    assert friday.weekday() == 4
    assert timedelta(0) < friday - now <= timedelta(days=7)
    assert write_time("sunday 7", "UTC").endswith("T07:00")
    ago = datetime.fromisoformat(write_time("-7d", None))
    assert abs(now - ago - timedelta(days=7)) < timedelta(minutes=1)
    assert (
        write_time("yesterday 9:30", "UTC")
        < write_time("today 9:30", "UTC")
        < write_time("tomorrow 9:30", "UTC")
    )
    for same in ("2026-04-15T14:30:00Z", "15.4.2026"):
        assert write_time(same, "UTC") == same
    assert write_time("Optimal", "UTC", also=("optimal",)) == "Optimal"
    for wrong in ("tomorrow 25:00", "tomorrow", "soon", "+2 fortnights", "yesterdayy", ""):
        with pytest.raises(InvalidInputError, match="tomorrow 9:30"):
            write_time(wrong, "UTC")


MOMENTS = (
    "posts list --from -1d --to 'tomorrow 9:30'",
    "schedules show --from 'today 0:00' --to +7d",
    "audit-log --from 'yesterday 9:00'",
    "recurrences preview --rule FREQ=DAILY --starts-at 'tomorrow 9:30'",
    "recurrences preview --rule FREQ=DAILY --timezone Asia/Tokyo --starts-at 'fri 18:00'",
    "keys create --name soon --expires-at +30d",
    "analytics overview --from -7d --to 'today 0:00'",
    "analytics overview --as-of -2h",
    "sql 'SELECT 1' --as-of -1m",
)


def test_every_moment_may_be_written_in_words(home: Path) -> None:
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (DuckDB, for this test alone)

    with Lake.open(WarehouseSettings(home=home)):
        pass
    runner = CliRunner()
    for line in MOMENTS:
        answer = runner.invoke(app, shlex.split(line))
        # The lake is younger than a minute: --as-of is understood, and finds none.
        understood = answer.exit_code == 0 or "sql" in line
        assert understood, (line, answer.output)
        assert "not a valid time" not in answer.output, line
        refused = runner.invoke(app, [*shlex.split(line)[:-1], "whenever it suits"])
        assert refused.exit_code == 1, (line, refused.output)
        assert re.search(r"valid time|--as-of", refused.output), (line, refused.output)


def test_times_are_read_in_one_place() -> None:
    folder = Path(cli_package.__file__).parent
    elsewhere = {
        file.name
        for file in folder.rglob("*.py")
        if re.search(r"resolve_time|fromisoformat", file.read_text()) and file.name != "moments.py"
    }
    assert elsewhere == {"arguments.py"}, (
        "--as-of may be a number too; everything else takes words by moments.py"
    )
