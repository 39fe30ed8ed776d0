"""The publisher as a separate process, and the Prefect flow that reports on it or replaces it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from flows.errors import PublishingBehindError
from flows.publishing import publish_posts
from flows.publishing.publish_posts import publish_due_posts
from flows.publishing.publisher import LIVES
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
