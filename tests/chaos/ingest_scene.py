"""Setup of an ingest chaos test: a home with connected accounts, a sandbox with a clock, worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from connectors.registry import ConnectorPool
from connectors.types import Account, Credentials, Platform
from tests.chaos import ingester
from tests.chaos.storm import free_port, wait_for
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
# Tokens of these last as long as the storm's clock runs: refreshing them is another test's matter.
PLATFORMS = (Platform.INSTAGRAM, Platform.MASTODON, Platform.FACEBOOK)


class Scene:
    """The home folder, the sandbox and its clock; starts and kills the processes that ingest."""

    def __init__(
        self, folder: Path, settings: WarehouseSettings, *, seed: int, history_days: int, accounts: int
    ) -> None:
        self.settings = settings
        self.log = folder / "ingest.log"
        self.clock = folder / "clock"
        self.world = (seed, history_days, accounts)
        self.now = START
        self.set_clock(START)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(ingester.PRELOAD)
        self._sandbox = self._context.Process(
            target=ingester.serve_sandbox, args=(port, self.clock, *self.world)
        )
        self._sandbox.start()
        self._started: list[ForkServerProcess] = []

    def set_clock(self, now: datetime) -> None:
        """Move the sandbox's clock."""
        moved = self.clock.with_suffix(".new")
        moved.write_text(now.isoformat())
        moved.replace(self.clock)
        self.now = now

    def start(self, now: datetime | None = None, *, histories_only: bool = False) -> ForkServerProcess:
        """Start one ingest run at this moment (default: the sandbox's)."""
        target = ingester.read_history if histories_only else ingester.ingest
        arguments = (self.settings, self.url, now or self.now, self.log)
        process = self._context.Process(target=target, args=arguments)
        process.start()
        self._started.append(process)
        return process

    def close(self) -> None:
        """End everything that was started here."""
        for process in (*self._started, self._sandbox):
            process.kill()
            process.join()


@contextlib.contextmanager
def scene(
    folder: Path,
    *,
    seed: int,
    history_days: int,
    accounts: int,
    platforms: tuple[Platform, ...] = PLATFORMS,
    settings: WarehouseSettings | None = None,
) -> Iterator[Scene]:
    """Set up the home with every account connected, and the sandbox; end them with the block."""
    settings = settings or WarehouseSettings(home=folder / "home")
    made = Scene(folder, settings, seed=seed, history_days=history_days, accounts=accounts)
    try:
        wait_for(f"{made.url}/_sandbox/health")
        Lake.open(made.settings).close()
        asyncio.run(connect_accounts(made, platforms))
        yield made
    finally:
        made.close()


async def connect_accounts(made: Scene, platforms: tuple[Platform, ...]) -> None:
    """Connect the sandbox's accounts through the real connectors."""
    offered = await asyncio.to_thread(lambda: httpx.get(f"{made.url}/_sandbox/accounts").json())
    async with ConnectorPool(ingester.settings_of(made.url), clock=lambda: made.now) as pool:
        with Store.open(made.settings) as store:
            for item in offered:
                platform = Platform(item["platform"])
                if platform not in platforms:
                    continue
                account = Account(
                    id="new",
                    platform=platform,
                    credentials=Credentials(SecretStr(item["access_token"])),
                    handle=item["handle"],
                    instance_url=item["instance_url"],
                )
                verified = await pool.open(account).verify()
                with store.write() as session:
                    workspace = ensure_default_workspace(session, made.now)
                    connect_account(session, store.cipher, workspace.id, verified, platform, made.now)
