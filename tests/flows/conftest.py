"""The simulated platforms, real stores, one connected account on each platform, and a clock that can be moved."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Platform
from flows.resources import Resources
from flows.settings import FlowSettings
from tests.connectors.harness import SANDBOX, Clock, account_of
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PLATFORMS = ("twitter", "instagram", "mastodon", "bluesky")


class Death(BaseException):
    """The process dies here: nothing catches it."""


@dataclass
class Floor:
    """What a flow's plain function works with."""

    world: SandboxWorld
    resources: Resources
    pool: ConnectorPool
    accounts: dict[str, AccountRow]
    clock: Clock

    def fault(self, kind: Any, platform: str, operation: Any, **more: Any) -> None:
        self.world.faults.add(FaultRule(kind=kind, platform=Platform(platform), operation=operation, **more))

    def account(self, platform: str) -> AccountRow:
        with self.resources.store.read() as session:
            return session.get_one(AccountRow, self.accounts[platform].id)

    def snapshot_keys(self) -> list[tuple[str, datetime]]:
        """Return the natural key of each snapshot in the lake; a doubled row shows as a doubled key."""
        rows = self.resources.lake.query("SELECT publication_id, captured_at FROM raw.post_snapshots")
        return [(row["publication_id"], row["captured_at"]) for row in rows]

    def assert_no_doubles(self) -> None:
        assert [key for key, count in Counter(self.snapshot_keys()).items() if count > 1] == []


@pytest.fixture
def death() -> type[Death]:
    return Death


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture(scope="session")
def fresh_home(migrated_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose store and lake are there and empty: a copy of it takes a tenth of the time."""
    home = tmp_path_factory.mktemp("fresh") / "home"
    shutil.copytree(migrated_home, home)
    with Resources(WarehouseSettings(home=home), FlowSettings()) as opened:
        assert opened.lake.query("FROM raw.post_snapshots") == []
    return home


@pytest.fixture
def resources(warehouse_settings: WarehouseSettings, fresh_home: Path) -> Iterator[Resources]:
    if not (warehouse_settings.home / "socialflow.sqlite").exists():  # another fixture may have filled it
        shutil.copytree(fresh_home, warehouse_settings.home, dirs_exist_ok=True)
    with Resources(warehouse_settings, FlowSettings()) as opened:
        yield opened


@pytest.fixture
def history_days() -> int:
    """Age of the oldest simulated post; a test that needs several pages of history parametrizes it."""
    return 4


@pytest.fixture
async def floor(resources: Resources, clock: Clock, history_days: int) -> AsyncIterator[Floor]:
    async with build_floor(resources, SandboxWorld(now=clock, history_days=history_days), clock) as built:
        yield built


@asynccontextmanager
async def build_floor(resources: Resources, world: SandboxWorld, clock: Clock) -> AsyncIterator[Floor]:
    """Connect an account of each platform in `PLATFORMS`, unless the store holds it already."""
    settings = ConnectorSettings(
        twitter_base_url=SANDBOX,
        instagram_base_url=SANDBOX,
        twitter_client_id="client-of-the-tests",
        allow_private_instances=True,
        read_attempts=1,
        request_timeout=2,
    )
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with ConnectorPool(settings, transport=transport, clock=clock) as pool:
        with resources.store.read() as session:
            accounts = {str(row.platform): row for row in session.query(AccountRow)}
        for item in world.accounts:
            if item.platform not in PLATFORMS or str(item.platform) in accounts:
                continue
            verified = await pool.open(account_of(item)).verify()
            with resources.store.write() as session:
                workspace = ensure_default_workspace(session, clock())
                row = connect_account(
                    session, resources.store.cipher, workspace.id, verified, item.platform, clock()
                )
            accounts[str(item.platform)] = row
        yield Floor(world, resources, pool, accounts, clock)
