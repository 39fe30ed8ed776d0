"""Fixtures of the connector tests: a simulated world, its clock, and connectors that reach it without a network."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import stamina
from pydantic import SecretStr

from connectors.base import Connector
from connectors.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account
from tests.connectors.harness import SANDBOX, Clock, SavedState, account_of

pytest.register_assert_rewrite("tests.connectors.contract")


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
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
        facebook_base_url=SANDBOX,
        threads_base_url=SANDBOX,
        pinterest_base_url=SANDBOX,
        telegram_base_url=SANDBOX,
        youtube_base_url=SANDBOX,
        youtube_oauth_base_url=SANDBOX,
        youtube_client_id="client-of-the-tests",
        youtube_client_secret=SecretStr("secret-of-the-test-client"),
        pinterest_client_id="client-of-the-tests",
        pinterest_client_secret=SecretStr("secret-of-the-test-client"),
        tiktok_base_url=SANDBOX,
        tiktok_client_key="client-of-the-tests",
        tiktok_client_secret=SecretStr("secret-of-the-test-client"),
        linkedin_base_url=SANDBOX,
        linkedin_oauth_base_url=SANDBOX,
        linkedin_client_id="client-of-the-tests",
        linkedin_client_secret=SecretStr("secret-of-the-test-client"),
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
