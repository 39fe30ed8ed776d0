"""Fixtures of the connector tests: a simulated world, its clock, and connectors that reach it without a network."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stamina
from pydantic import SecretStr

from connectors.base import Connector, PublishRequest
from connectors.platforms.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform, PostContent

pytest.register_assert_rewrite("tests.connectors.contract")

SANDBOX = "http://sandbox.test"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class SavedState:
    """Where a publisher would keep a request's state."""

    state: Mapping[str, Any] = field(default_factory=dict)
    saves: int = 0
    on_save: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None

    async def save(self, state: Mapping[str, Any]) -> None:
        self.state, self.saves = dict(state), self.saves + 1
        if self.on_save is not None:
            await self.on_save(state)

    def request(self, content: PostContent, at: datetime, key: str = "pub_1", **more: Any) -> PublishRequest:
        return PublishRequest(
            content=content, key=key, first_attempt_at=at, state=self.state, save_state=self.save, **more
        )


@pytest.fixture(autouse=True)
def _quick_retries() -> Any:
    """Retries happen, but without their waits."""
    stamina.set_testing(True, attempts=2, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def saved() -> SavedState:
    return SavedState()


@pytest.fixture
def world(clock: Clock) -> SandboxWorld:
    return SandboxWorld(now=clock, history_days=60)


@pytest.fixture
def connector_settings() -> ConnectorSettings:
    return ConnectorSettings(
        twitter_base_url=SANDBOX,
        instagram_base_url=SANDBOX,
        twitter_client_id="client-of-the-tests",
        allow_private_instances=True,
        request_timeout=0.5,
        poll_interval=0.01,
        processing_timeout=5,
    )


@pytest.fixture
async def pool(
    world: SandboxWorld, connector_settings: ConnectorSettings, clock: Clock
) -> AsyncIterator[ConnectorPool]:
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with ConnectorPool(connector_settings, clock=clock, transport=transport) as opened:
        yield opened


def account_of(owner: SandboxAccount, **changes: Any) -> Account:
    """Return the simulated account as a connector takes it."""
    own_server = owner.platform in {Platform.MASTODON, Platform.BLUESKY}
    refresh = SecretStr(owner.refresh_token) if owner.refresh_token else None
    password = SecretStr(owner.app_password) if owner.app_password else None
    values: dict[str, Any] = {
        "id": f"acc_{owner.key}",
        "platform": owner.platform,
        "credentials": Credentials(SecretStr(owner.access_token), refresh, owner.expires_at, password),
        "external_id": owner.external_id,
        "handle": owner.handle,
        "instance_url": SANDBOX if own_server else None,
    }
    return Account(**{**values, **changes})


@pytest.fixture
def owner(request: pytest.FixtureRequest, world: SandboxWorld) -> SandboxAccount:
    """The simulated account of the test class's platform."""
    return next(item for item in world.accounts if item.platform is request.cls.platform)


@pytest.fixture
def account(owner: SandboxAccount) -> Account:
    return account_of(owner)


@pytest.fixture
def connector(pool: ConnectorPool, account: Account) -> Connector:
    return pool.open(account)
