"""`socialflow posts cancel|reschedule|retry|resolve`, `pause` and `resume`: as typed, over a real store."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.cli import app
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.models import Post, Publication, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.store.database import Store


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


@pytest.fixture
def post(store: Store) -> dict[str, Any]:
    """A post scheduled for tomorrow."""
    now = datetime.now(UTC)
    with store.write() as session:
        workspace = ensure_default_workspace(session, now)
        verified = VerifiedAccount("1", "someone", "Someone", Credentials(SecretStr("token")))
        connect_account(session, store.cipher, workspace.id, verified, Platform.MASTODON, now)
    at = (now + timedelta(days=1)).isoformat()
    created: dict[str, Any] = run(
        "posts", "create", "--content", "hello", "--platform", "mastodon", "--at", at, "--json"
    )
    return created


def set_status(store: Store, post: dict[str, Any], status: str) -> str:
    with store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.status = status
        return row.id


def test_reschedule_then_cancel(post: dict[str, Any]) -> None:
    shown = run("posts", "reschedule", post["id"], "--at", "2099-01-01T10:00:00+02:00", "--json")
    assert shown["scheduled_at"].startswith("2099-01-01T08:00:00")
    assert run("posts", "cancel", post["id"], "--json")["status"] == "canceled"


def test_a_past_time_is_one_sentence_that_names_the_remedy(post: dict[str, Any]) -> None:
    output = run("posts", "reschedule", post["id"], "--at", "2001-01-01T00:00:00Z", code=1)
    assert "in the past" in output
    assert "Traceback" not in output


def test_retry_takes_failed_ones_only(post: dict[str, Any], store: Store) -> None:
    assert "only failed" in run("posts", "retry", post["id"], code=1)
    set_status(store, post, "failed")
    assert run("posts", "retry", post["id"], "--json")["status"] == "scheduled"


def test_resolve(post: dict[str, Any], store: Store) -> None:
    publication = set_status(store, post, "needs_review")
    wrong = run("posts", "resolve", post["id"], publication, "--decision", "maybe", code=1)
    assert "use published, send or discard" in wrong
    done = run(
        "posts", "resolve", post["id"], publication, "--decision", "published", "--external-id", "9", "--json"
    )
    assert done["status"] == "published"


@pytest.mark.usefixtures("store")
def test_an_unknown_post_is_named() -> None:
    assert "post_none" in run("posts", "cancel", "post_none", code=1)


def test_pause_and_resume_everything(store: Store) -> None:
    assert "publishing is paused" in run("pause")
    with store.read() as session:
        assert session.query(Workspace).one().publishing_paused_at is not None
    assert "is resumed" in run("resume")
    with store.read() as session:
        assert session.query(Workspace).one().publishing_paused_at is None


def test_approve_and_reject(store: Store, post: dict[str, Any]) -> None:
    with store.write() as session:
        session.get_one(Workspace, "ws_default").approval_required = True
    at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    run("posts", "reschedule", post["id"], "--at", at)
    assert "waits for approval" in run("posts", "show", post["id"])
    assert run("posts", "reject", post["id"], "--reason", "not now", "--json")["status"] == "draft"
    run("posts", "reschedule", post["id"], "--at", at)
    assert run("posts", "approve", post["id"], "--json")["status"] == "scheduled"
    run("posts", "approve", post["id"], code=1)


@pytest.fixture
def media_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a picture on a server of this machine."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "a.png").write_bytes(PICTURE)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a.png"
        server.shutdown()
        thread.join()


PICTURE = b"\x89PNG\r\n\x1a\n as approved"


def test_an_approval_on_the_command_line_pins_the_media(
    store: Store, post: dict[str, Any], media_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "private network" in run("posts", "edit", post["id"], "--image", media_url, code=1)
    monkeypatch.setenv("SOCIALFLOW_ALLOW_PRIVATE_INSTANCES", "true")
    with store.write() as session:
        session.get_one(Workspace, "ws_default").approval_required = True
    run("posts", "edit", post["id"], "--image", media_url)
    approved = run("posts", "approve", post["id"], "--json")
    with store.read() as session:
        pinned = session.get_one(Post, post["id"]).approved_media
    assert pinned == {media_url: hashlib.sha256(PICTURE).hexdigest()}
    assert approved["id"] == post["id"]
    run("posts", "edit", post["id"], "--image", f"{media_url}.gone")
    assert "404" in run("posts", "approve", post["id"], code=1)
    assert "waits for approval" in run("posts", "show", post["id"])
