"""What people see in a terminal: nothing that is copied is cut, ids may be shortened, times may be words."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.cli.posts.wishes import write_time
from warehouse.errors import InvalidInputError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store

if TYPE_CHECKING:
    from pathlib import Path

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
    for same in ("2026-04-15T14:30:00Z", "optimal", "queue", "15.4.2026"):
        assert write_time(same, "UTC") == same
    for wrong in ("tomorrow 25:00", "tomorrow", "soon", "+2 fortnights", "yesterdayy", ""):
        with pytest.raises(InvalidInputError, match="tomorrow 9:30"):
            write_time(wrong, "UTC")
