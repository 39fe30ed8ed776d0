"""The publisher as a separate process, and the Prefect flow that reports on it or replaces it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pydantic import SecretStr

from connectors.types import Credentials, Platform, PostContent, VerifiedAccount
from flows.errors import PublishingBehindError
from flows.publishing import publish_posts
from flows.publishing.publish_posts import publish_due_posts
from flows.publishing.publisher import LIVES
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.leases.flow_leases import FlowState, list_flow_states
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.heartbeats import (
    beat,
    begin_beating,
    get_publishers_state,
    list_running,
    mark_ended,
)

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Store


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_publisher_process_says_when_it_is_awake_and_ends_in_order(
    store: Store, warehouse_settings: WarehouseSettings, tmp_path: Path, number: int
) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.publishing", "--ready-file", str(ready)],
        env={**os.environ, "SOCIALFLOW_HOME": str(warehouse_settings.home)},
    )
    try:
        deadline = time.monotonic() + 60
        while not ready.exists() or not ready.read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ready.read_text() == str(process.pid)
        assert any("publish" in part for part in psutil.Process(process.pid).cmdline())
        with store.read() as session:
            assert get_publishers_state(session, utc_now()).awake == 1
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
    with store.read() as session:
        assert list_running(session) == []
    assert list((warehouse_settings.home / LIVES).iterdir()) == []


def test_a_publisher_without_a_store_ends_with_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.publishing"],
        env={**os.environ, "SOCIALFLOW_DATABASE_URL": "mysql://somewhere/else"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == "SOCIALFLOW_DATABASE_URL names mysql: use sqlite or postgresql"


def begin(store: Store, owner: str, **report: Any) -> None:
    now = utc_now()
    with store.write() as session:
        begin_beating(session, owner, now)
        beat(session, owner, now, clock_skew=now - now, report=report)


async def test_a_run_that_finds_two_publishers_awake_shows_what_they_did_and_ends(store: Store) -> None:
    begin(store, "host:1:a", published=3)
    begin(store, "host:2:b", published=4)
    result = await publish_due_posts.fn()
    assert result["published"] == 7
    assert set(result["publishers"]) == {"host:1:a", "host:2:b"}
    assert result["publishers"]["host:1:a"]["until"] is None
    with store.read() as session:
        assert list_running(session) == ["host:1:a", "host:2:b"]
    flow = flow_state(store)
    assert flow.last_started_at is not None
    assert flow.last_succeeded_at is not None
    assert flow.last_succeeded_at >= flow.last_started_at
    assert (flow.lease_owner, flow.last_failed_at) == (None, None)


def flow_state(store: Store) -> FlowState:
    with store.read() as session:
        (state,) = list_flow_states(session)
    assert state.name == "publish-due-posts"
    return state


def schedule_late(store: Store) -> None:
    """Schedule a post that was due ten minutes ago, and that nobody has sent."""
    now = utc_now()
    with store.write() as session:
        workspace = ensure_default_workspace(session, now)
        who = VerifiedAccount("1", "ada", "Ada", Credentials(SecretStr("token")))
        account = connect_account(session, store.cipher, workspace.id, who, Platform.MASTODON, now)
        draft = PostDraft("late", [Target(account, PostContent(text="late"))], now - timedelta(minutes=10))
        create_post(session, workspace.id, draft, now - timedelta(minutes=20))


async def test_a_run_of_hours_records_in_between_whether_posts_leave_in_time(store: Store) -> None:
    publish_posts.check_publishing(store, utc_now)
    succeeded = flow_state(store).last_succeeded_at
    assert succeeded is not None
    schedule_late(store)
    publish_posts.check_publishing(store, utc_now)
    flow = flow_state(store)
    assert flow.last_succeeded_at == succeeded
    assert flow.last_failed_at is not None
    assert "1 late" in (flow.last_failure or "")


async def test_a_run_that_fails_is_recorded_with_its_reason(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr(publish_posts, "_count_awake", fail)
    with pytest.raises(ValueError, match="disk"):
        await publish_due_posts.fn()
    flow = flow_state(store)
    assert (flow.last_failure, flow.last_finished_at) == ("ValueError: the disk is full", None)


@pytest.mark.usefixtures("store")
async def test_a_run_that_publishes_watches_itself_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = asyncio.Event()

    def check(*_arguments: object) -> None:
        loop.call_soon_threadsafe(checked.set)

    async def publish(*_arguments: object) -> publish_posts.PublishReport:
        await asyncio.wait_for(checked.wait(), 10)
        return publish_posts.PublishReport()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(publish_posts, "WATCH", timedelta(0))
    monkeypatch.setattr(publish_posts, "check_publishing", check)
    monkeypatch.setattr(publish_posts, "publish_for", publish)
    await publish_due_posts.fn()
    assert [
        task for task in asyncio.all_tasks() if task.get_name() == "watch" and not task.cancelling()
    ] == []


def test_prefect_starts_a_run_that_publishes_under_a_telling_command_line() -> None:
    command = [sys.executable, "-m", "flows.publishing.flow_run"]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT__FLOW_RUN_ID"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    # Prefect's engine has the word, and misses the run that a worker would name.
    assert (done.returncode, "Invalid flow run id" in done.stdout + done.stderr) == (1, True)


async def test_a_run_that_finds_one_publisher_awake_publishes_beside_it(store: Store) -> None:
    begin(store, "host:1:a", published=3)
    begin(store, "host:2:dead")
    with store.write() as session:
        mark_ended(session, ["host:2:dead"], utc_now())
    result = await publish_due_posts.fn(horizon_seconds=0)
    assert result["published"] == 0
    assert "outcomes" in result


async def test_a_run_fails_where_posts_are_late_whoever_publishes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(store, "host:1:a")
    begin(store, "host:2:b")

    def complain(*_arguments: object) -> None:
        raise PublishingBehindError("1 late")

    monkeypatch.setattr(publish_posts, "raise_if_behind", complain)
    with pytest.raises(PublishingBehindError):
        await publish_due_posts.fn()
