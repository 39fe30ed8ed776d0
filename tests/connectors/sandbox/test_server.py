"""The sandbox behind a real server: broken connections as seen on the wire."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn

from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


@pytest.fixture
def world() -> SandboxWorld:
    return SandboxWorld(seed=7, history_days=2)


@pytest.fixture
def server(world: SandboxWorld) -> Iterator[str]:
    config = uvicorn.Config(create_sandbox_app(world), port=0, log_level="error", access_log=False)
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not runner.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    port = runner.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    runner.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def client(server: str, world: SandboxWorld) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {world.accounts[0].access_token}"}
    with httpx.Client(base_url=server, headers=headers, timeout=5) as client:
        yield client


@pytest.mark.parametrize(("kind", "is_out"), [("reset_before", False), ("reset_after", True)])
def test_a_reset_drops_the_connection_and_the_server_goes_on(
    *, client: httpx.Client, world: SandboxWorld, kind: str, is_out: bool
) -> None:
    world.faults.add(FaultRule(kind, Platform.TWITTER, "publish"))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.post("/2/tweets", json={"text": "hello"})
    assert bool(world.published(via="api")) is is_out
    assert client.post("/2/tweets", json={"text": "next"}).status_code == 201


def test_a_caller_that_gave_up_before_was_never_heard(client: httpx.Client, world: SandboxWorld) -> None:
    world.faults.add(FaultRule("hang_before", Platform.TWITTER, "publish", seconds=0.6))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/2/tweets", json={"text": "hello"}, timeout=0.2)
    # A second slow request ends after the first one has, so its answer proves that the first is over.
    world.faults.add(FaultRule("hang_before", Platform.TWITTER, "publish", seconds=0.8))
    assert client.post("/2/tweets", json={"text": "patient"}).status_code == 201
    assert [post.text for post in world.published(via="api")] == ["patient"]


def test_a_caller_that_gave_up_after_was_heard(client: httpx.Client, world: SandboxWorld) -> None:
    world.faults.add(FaultRule("hang_after", Platform.TWITTER, "publish", seconds=0.6))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/2/tweets", json={"text": "hello"}, timeout=0.2)
    assert [post.text for post in world.published(via="api")] == ["hello"]


def test_another_process_can_set_faults_and_read_the_record(client: httpx.Client) -> None:
    rule = {"platform": "twitter", "operation": "publish", "kind": "error_500_after"}
    assert client.post("/_sandbox/faults", json=rule).status_code == 201
    assert client.post("/2/tweets", json={"text": "hello"}).status_code == 500
    (post,) = client.get("/_sandbox/posts?via=api").json()
    assert (post["platform"], post["text"], post["via"]) == ("twitter", "hello", "api")
    assert client.get("/_sandbox/faults").json()["fired"] == {"twitter:publish:error_500_after": 1}


def test_the_module_runs_as_a_command() -> None:
    command = [sys.executable, "-m", "connectors.sandbox", "--port", "0", "--history-days", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = next(word for word in line.split() if word.startswith("http"))
        assert httpx.get(f"{address}/_sandbox/health", timeout=10).json()["status"] == "ok"
    finally:
        process.terminate()
        process.wait(timeout=10)
