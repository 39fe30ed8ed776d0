"""Two processes, one rotating refresh token: it is used once, and both get a working token."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import uvicorn
from pydantic import SecretStr

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Platform
from flows.serving.ports import Ports
from tests.connectors.harness import account_of
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.store.database import Store

PROCESS = """
import asyncio, pathlib, sys, time
from datetime import UTC, datetime

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from flows.token_refresh import refresh_account
from warehouse.settings import WarehouseSettings
from warehouse.store.accounts.credentials import open_account
from warehouse.store.database import Store
from warehouse.store.models import AccountRow

account_id, name, start = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])


async def main() -> None:
    with Store.open(WarehouseSettings()) as store:
        with store.read() as session:
            seen = open_account(session.get_one(AccountRow, account_id), store.cipher).credentials
        (start / name).touch()
        while len(list(start.iterdir())) < 2:  # off at the same moment
            time.sleep(0.005)
        async with ConnectorPool(ConnectorSettings()) as pool:
            print(await refresh_account(store, pool, account_id, clock=lambda: datetime.now(UTC), seen=seen))


asyncio.run(main())
"""


async def refresh_in_two_processes(account_id: str, environment: dict[str, str], start: Path) -> list[str]:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, account_id, name, str(start),
            env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    said = [await asyncio.wait_for(process.communicate(), 60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return sorted(out.decode().strip() for out, _ in said)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """Where each process says that it is ready."""
    folder = tmp_path / "start"
    folder.mkdir()
    return folder


async def test_two_processes_spend_one_rotating_token_once(store: Store, start: Path) -> None:
    world = SandboxWorld(history_days=1)
    owner = next(item for item in world.accounts if item.platform is Platform.TWITTER)
    # The platform takes its time, so that the second process comes while the first is at it.
    world.faults.add(FaultRule("hang_before", Platform.TWITTER, "refresh", seconds=0.4))
    with Ports() as ports:
        port = ports.take_any()
        server = uvicorn.Server(
            uvicorn.Config(create_sandbox_app(world), port=port, log_level="error", lifespan="off")
        )
        serving = asyncio.create_task(server.serve())
        settings = ConnectorSettings(
            twitter_base_url=f"http://127.0.0.1:{port}",
            twitter_client_id="client-of-the-tests",
            allow_private_instances=True,
        )
        while not server.started:
            await asyncio.sleep(0.01)
        async with ConnectorPool(settings) as pool:
            verified, now = await pool.open(account_of(owner)).verify(), datetime.now(UTC)
            with store.write() as session:
                workspace = ensure_default_workspace(session, now)
                row = connect_account(session, store.cipher, workspace.id, verified, owner.platform, now)
            environment = {
                "SOCIALFLOW_HOME": os.environ["SOCIALFLOW_HOME"],
                "SOCIALFLOW_TWITTER_BASE_URL": settings.twitter_base_url,
                "SOCIALFLOW_TWITTER_CLIENT_ID": "client-of-the-tests",
            }
            results = await refresh_in_two_processes(row.id, environment, start)
            assert results in (["busy", "refreshed"], ["already_new", "refreshed"])
            with store.read() as session:
                kept = session.get_one(AccountRow, row.id)
                account = open_account(kept, store.cipher)
            assert (kept.status, kept.refresh_lease_until) == ("active", None)
            assert account.credentials.access_token != verified.credentials.access_token
            assert account.credentials.refresh_token not in {None, SecretStr(owner.access_token)}
            # The sandbox locks out whoever spends a rotating token twice: the new one works, so nobody did.
            assert (await pool.open(account).fetch_followers()).followers is not None
        server.should_exit = True
        await serving
    assert world.requests["twitter:refresh"] == 1
    assert [key for key, _ in world.spent if key == owner.key] == [owner.key]
