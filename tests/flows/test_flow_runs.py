"""Flows as Prefect runs them: completed with a result, or visibly failed after all else was done."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH
from prefect.states import Pending, Running
from prefect.testing.utilities import prefect_test_harness

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Platform
from flows.errors import PartlyFailedError
from flows.exclusive_runs import run_exclusively
from flows.ingestion.backfill_history import backfill_history
from flows.ingestion.ingest_followers import ingest_followers
from flows.ingestion.ingest_metrics import ingest_metrics
from flows.resources import Resources
from flows.serving.dead_runs import mark_dead_runs
from flows.serving.ports import Ports
from flows.timing.refresh_optimal_times import refresh_optimal_times
from flows.tokens.refresh_tokens import refresh_tokens
from tests.connectors.harness import account_of
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from prefect import Flow
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=60):
        yield


class Nosy:
    """A platform that quotes the caller's token back in whatever it refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        words = f"You sent {token}, and that will not do."
        body = json.dumps({"detail": words, "error": {"message": words, "code": 10, "type": "No"}}).encode()
        refused = False

        async def quote(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refused = True
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
                message = {**message, "headers": headers}
            elif refused:
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, quote)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SandboxWorld]:
    """Simulated platforms over real HTTP, one account connected on each of two, all by environment variables."""
    world = SandboxWorld(history_days=3)
    with Ports() as ports:
        port = ports.take_any()
        config = uvicorn.Config(Nosy(create_sandbox_app(world)), port=port, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        address = f"http://127.0.0.1:{port}"
        for platform in ("TWITTER", "INSTAGRAM"):
            monkeypatch.setenv(f"SOCIALFLOW_{platform}_BASE_URL", address)
        monkeypatch.setenv("SOCIALFLOW_ALLOW_PRIVATE_INSTANCES", "true")
        monkeypatch.setenv("SOCIALFLOW_READ_ATTEMPTS", "1")
        while not server.started:
            await asyncio.sleep(0.01)
        with Resources.open() as resources:
            async with ConnectorPool(ConnectorSettings()) as pool:
                for item in world.accounts:
                    if item.platform not in {"twitter", "instagram"}:
                        continue
                    verified = await pool.open(account_of(item)).verify()
                    now = datetime.now(UTC)
                    with resources.store.write() as session:
                        workspace = ensure_default_workspace(session, now)
                        connect_account(
                            session, resources.store.cipher, workspace.id, verified, item.platform, now
                        )
        yield world
        server.should_exit = True
        await serving


@pytest.mark.usefixtures("prefect_server")
async def test_a_run_completes_with_what_it_did(world: SandboxWorld) -> None:
    state = await backfill_history(return_state=True)
    assert state.is_completed()
    result = await state.result()
    assert result["accounts"] == 2
    assert result["new_posts"] == sum(
        len(world.published(Platform(name))) for name in ("twitter", "instagram")
    )
    times = await refresh_optimal_times(return_state=True)
    assert (await times.result())["accounts"] == 2
    with Resources.open() as resources:
        (runs,) = resources.lake.query("SELECT list(DISTINCT run_id) AS ids FROM raw.post_snapshots")
    # Every row tells which run brought it.
    assert runs["ids"] == [str(state.state_details.flow_run_id)]


@pytest.mark.usefixtures("prefect_server")
async def test_a_run_with_a_failing_account_does_the_others_and_ends_failed(world: SandboxWorld) -> None:
    world.faults.add(FaultRule(kind="forbidden", platform=Platform.TWITTER, operation="any", count=None))
    state = await ingest_followers(return_state=True)
    assert state.is_failed()
    assert state.message is not None
    assert "1 of 2 accounts" in state.message
    with pytest.raises(PartlyFailedError):
        await state.result()
    with Resources.open() as resources:
        (counted,) = resources.lake.query("SELECT count(*) AS n FROM raw.account_snapshots")
    assert counted["n"] == 1


@pytest.mark.usefixtures("prefect_server", "world")
@pytest.mark.parametrize(
    ("name", "flow"),
    [("ingest-metrics", ingest_metrics), ("refresh-optimal-times", refresh_optimal_times)],
)
async def test_a_second_run_ends_at_once_completed_and_says_who_works(name: str, flow: Flow[[], Any]) -> None:
    with Resources.open() as resources, run_exclusively(resources.store, name):
        state = await flow(return_state=True)
        assert state.is_completed()
        assert f"{name} is already running: {socket.gethostname()}:{os.getpid()}:" in (state.message or "")
    assert (await flow(return_state=True)).is_completed()


@pytest.mark.usefixtures("prefect_server")
async def test_runs_of_dead_processes_are_marked_as_crashed() -> None:
    async with get_client() as client:
        old = await client.create_flow_run(refresh_optimal_times, state=Pending())
        await client.set_flow_run_state(old.id, Running(), force=True)
        waiting = await client.create_flow_run(refresh_optimal_times, state=Pending())
        up_since = datetime.now(UTC)
        young = await client.create_flow_run(refresh_optimal_times, state=Pending())
        assert await mark_dead_runs(up_since) == 2
        names = [(await client.read_flow_run(run.id)).state_name for run in (old, waiting, young)]
    assert names == ["Crashed", "Crashed", "Pending"]
    assert await mark_dead_runs(up_since) == 0


@pytest.mark.usefixtures("prefect_server")
async def test_prefect_keeps_no_secret(world: SandboxWorld) -> None:
    """Neither a run's parameters nor its states, results and logs, though the platforms quote what they refuse."""
    states = [await backfill_history(return_state=True)]
    for platform in (Platform.TWITTER, Platform.INSTAGRAM):
        world.faults.add(FaultRule(kind="forbidden", platform=platform, operation="any", count=None))
    states += [
        await flow(return_state=True)
        for flow in (ingest_followers, ingest_metrics, backfill_history, refresh_tokens)
    ]
    written = "".join(f"{state!r} {state.message} {state.data!r}" for state in states)
    async with get_client() as client:
        for run in await client.read_flow_runs():
            written += run.model_dump_json()
        written += "".join(log.model_dump_json() for log in await client.read_logs())
    written += await asyncio.to_thread(_read_files)
    assert "2 of 2 accounts" in written, "the search looks where Prefect writes"
    assert "You sent [redacted]" in written, "nothing was at stake"
    owners = [item for item in world.accounts if item.platform in {Platform.TWITTER, Platform.INSTAGRAM}]
    tokens = {token for item in owners for token in (item.access_token, item.refresh_token) if token}
    assert len(tokens) >= 2
    assert [token for token in tokens if token in written] == []


def _read_files() -> str:
    """Every byte that Prefect keeps: its database, the results that runs left."""
    database = Path(PREFECT_API_DATABASE_CONNECTION_URL.value().partition("///")[2])
    folders = {database.parent, PREFECT_HOME.value(), PREFECT_LOCAL_STORAGE_PATH.value()}
    files = {file for folder in folders for file in folder.rglob("*") if file.is_file()}
    assert database in files
    return "".join(file.read_bytes().decode("latin-1") for file in files)
