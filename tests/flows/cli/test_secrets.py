"""`socialflow secrets rotate`, `audit-log` and `sessions`, as a person runs them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.serving.launcher import hold_home
from warehouse.settings import WarehouseSettings
from warehouse.store.access.sessions import open_session
from warehouse.store.crypto import load_secret, new_secret
from warehouse.store.database import Store
from warehouse.store.models import ApiKey

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOCIALFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*words: str, expect: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == expect, result.output
    return result.stdout


@pytest.mark.usefixtures("home")
def test_the_key_in_the_home_is_rotated_and_the_log_tells_it() -> None:
    made = json.loads(run("keys", "create", "--name", "reports", "--scope", "read", "--json"))
    before = load_secret(WarehouseSettings())
    assert json.loads(run("secrets", "rotate", "--yes", "--json")) == {"state": "rotated"}
    after = load_secret(WarehouseSettings())
    assert after != before
    text = run("audit-log", "--json")
    entries = json.loads(text)
    assert [one["action"] for one in entries] == [
        "secret_rotated",
        "secret_rotation_started",
        "api_key_created",
    ]
    assert {one["actor"]["kind"] for one in entries} == {"command_line"}
    assert entries[-1]["actor"]["name"]
    for secret in (before, after, made["api_secret"], made["api_key"]):
        assert secret not in text
    assert (
        json.loads(run("audit-log", "--json", "--action", "api_key_created"))[0]["subject_id"] == made["id"]
    )


def test_it_refuses_while_socialflow_runs(home: Path) -> None:
    run("keys", "list")
    before = load_secret(WarehouseSettings())
    with hold_home(home):
        run("secrets", "rotate", "--yes", expect=1)
    assert load_secret(WarehouseSettings()) == before


def test_a_given_key_takes_two_runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old.key", tmp_path / "new.key"
    for path in (old, new):
        path.write_text(new_secret())
    monkeypatch.setenv("SOCIALFLOW_SECRET_KEY_FILE", str(old))
    run("keys", "list")
    run("secrets", "rotate", "--yes", expect=1)
    rotate = ("secrets", "rotate", "--yes", "--json", "--new-key-file", str(new))
    assert json.loads(run(*rotate)) == {"state": "waits_for_new_key"}
    run("keys", "list", expect=1)
    monkeypatch.setenv("SOCIALFLOW_SECRET_KEY_FILE", str(new))
    assert json.loads(run(*rotate)) == {"state": "rotated"}
    run("keys", "list")
    assert not (home / "secret.key.new").exists()


@pytest.mark.usefixtures("home")
def test_a_dashboard_session_is_listed_and_ended() -> None:
    key_id = json.loads(run("keys", "create", "--name", "me", "--json"))["id"]
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        key = session.get_one(ApiKey, key_id)
        open_session(
            session, store.cipher, key, datetime.now(UTC), address="192.0.2.7", browser="a\x1b[2J browser"
        )
    (shown,) = json.loads(run("sessions", "list", "--json"))
    assert (shown["key_name"], shown["address"]) == ("me", "192.0.2.7")
    assert "\x1b" not in run("sessions", "list")
    assert json.loads(run("sessions", "end", shown["id"], "--yes", "--json"))["ended"]
    assert json.loads(run("sessions", "list", "--json")) == []
    run("sessions", "end", shown["id"], "--yes", expect=1)
    (entry,) = json.loads(run("audit-log", "--action", "session_ended", "--json"))
    assert (entry["subject_id"], entry["actor"]["kind"]) == (shown["id"], "command_line")
