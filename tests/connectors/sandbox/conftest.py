"""Fixtures: a simulated world with a test clock, and a client that calls it without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from tests.connectors.sandbox.harness import AccountOf, Auth, Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.types import Platform


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> SandboxWorld:
    return SandboxWorld(seed=7, now=clock, history_days=20, accounts_per_platform=2)


@pytest.fixture
async def client(world: SandboxWorld) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as client:
        yield client


@pytest.fixture
def account_of(world: SandboxWorld) -> AccountOf:
    def find(platform: Platform, index: int = 0) -> SandboxAccount:
        account = world.account_of_key(f"{platform}:{index}")
        assert account is not None
        return account

    return find


@pytest.fixture
def auth(account_of: AccountOf) -> Auth:
    def headers(platform: Platform, index: int = 0) -> dict[str, str]:
        return {"authorization": f"Bearer {account_of(platform, index).access_token}"}

    return headers
