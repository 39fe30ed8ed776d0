"""Flows as Prefect runs them: completed with a result, or visibly failed after all else was done."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import uvicorn
from prefect.testing.utilities import prefect_test_harness

from connectors.platforms.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Platform
from flows.backfill_history import backfill_history
from flows.errors import PartlyFailedError
from flows.ingest_followers import ingest_followers
from flows.ports import Ports
from flows.refresh_optimal_times import refresh_optimal_times
from flows.resources import Resources
from tests.connectors.surroundings import account_of
from warehouse.store.accounts import connect_account
from warehouse.store.workspaces import ensure_default_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=60):
        yield


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SandboxWorld]:
    """Simulated platforms over real HTTP, one account connected on each of two, all by environment variables."""
    world = SandboxWorld(history_days=3)
    with Ports() as ports:
        port = ports.take_any()
        config = uvicorn.Config(create_sandbox_app(world), port=port, log_level="error", lifespan="off")
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
