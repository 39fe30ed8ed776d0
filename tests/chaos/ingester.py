"""Process of the ingest chaos test: runs the flows' functions with an injected clock.

Each function is a whole run, as Prefect would start it: it opens the stores, works once, and ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import uvicorn

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.resources import Resources
from flows.settings import FlowSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from flows.run_report import RunReport
    from warehouse.settings import WarehouseSettings

    Run = Callable[[Resources, ConnectorPool], Awaitable[list[RunReport]]]

PRELOAD = [
    "connectors.sandbox.app",
    "flows.ingestion.followers",
    "flows.ingestion.history",
    "flows.ingestion.metrics",
    "uvicorn",
    "warehouse.lake.connect",
    "warehouse.lake.load",
]
"""What every process of a storm needs: imported once, so that many of them can be started and killed."""


def settings_of(url: str) -> ConnectorSettings:
    """Return settings whose platforms are all the sandbox at this address."""
    return ConnectorSettings(
        instagram_base_url=url,
        facebook_base_url=url,
        allow_private_instances=True,
        read_timeout=20,
    )


def serve_sandbox(port: int, clock: Path, seed: int, history_days: int, accounts: int) -> None:
    """Run the simulated platforms by a clock that is kept in a file."""
    world = make_world(seed, history_days, accounts, clock)
    uvicorn.run(create_sandbox_app(world), host="127.0.0.1", port=port, log_level="warning", access_log=False)


def make_world(seed: int, history_days: int, accounts: int, clock: Path) -> SandboxWorld:
    """Return the world of a storm; the same arguments at the same moment make the same one."""
    return SandboxWorld(
        seed,
        now=lambda: datetime.fromisoformat(clock.read_text()),
        history_days=history_days,
        accounts_per_platform=accounts,
    )


def ingest(settings: WarehouseSettings, url: str, now: datetime, log: Path) -> None:
    """Measure what is due, count followers, read histories: what is due at `now`, which stands still."""
    _write_into(log)

    async def run(resources: Resources, pool: ConnectorPool) -> list[RunReport]:
        run_id, clock = f"run_{os.getpid()}", lambda: now
        return [
            await read_due_metrics(resources, pool, run_id=run_id, clock=clock),
            await read_due_followers(resources, pool, run_id=run_id, clock=clock),
            await read_histories(resources, pool, run_id=run_id, clock=clock),
        ]

    asyncio.run(_with_resources(settings, url, now, run))


def read_history(settings: WarehouseSettings, url: str, now: datetime, log: Path) -> None:
    """Read every account's history, from where an earlier process stopped."""
    _write_into(log)

    async def run(resources: Resources, pool: ConnectorPool) -> list[RunReport]:
        return [await read_histories(resources, pool, run_id=f"run_{os.getpid()}", clock=lambda: now)]

    asyncio.run(_with_resources(settings, url, now, run))


async def _with_resources(settings: WarehouseSettings, url: str, now: datetime, run: Run) -> None:
    # A deep history is wanted, whatever the default is.
    flows = FlowSettings(backfill_days=730, followers_interval=timedelta(hours=12))
    with Resources(settings, flows) as resources:
        async with ConnectorPool(settings_of(url), clock=lambda: now) as pool:
            for report in await run(resources, pool):
                report.raise_if_failed()
                print(report.as_dict(), flush=True)


def _write_into(log: Path) -> None:
    """Send what this process says into a file: a kill leaves no time to tell anybody."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    logging.basicConfig(level=logging.WARNING)
