"""Every connector request and every sandbox response, validated against the platform's specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from connectors.errors import RateLimitedError
from connectors.registry import CONNECTORS, ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform, PostContent
from tests.connectors.facebook.test_connector import RYE, TEA, person, person_of
from tests.connectors.harness import account_of
from tests.connectors.threads.test_connector import refuse_publishing
from tests.specs.contracts import ABSENT, SPECS, UNSPECIFIED, check_all, contract_of
from tests.specs.exchanges import RecordingTransport
from tests.specs.meta import MetaContract
from tests.specs.scenarios import SCENARIOS, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.harness import Clock, SavedState

pytestmark = [pytest.mark.specs, pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)]


@pytest.fixture
def stage(
    platform: Platform, pool: ConnectorPool, world: SandboxWorld, clock: Clock, saved: SavedState
) -> Stage:
    owner = next(item for item in world.accounts if item.platform is platform)
    return Stage(pool.open(account_of(owner)), pool, world, clock, saved)


CASES = [
    pytest.param(platform, scenario, id=f"{platform}-{scenario.__name__}")
    for platform, connector in CONNECTORS.items()
    for scenario, is_offered in SCENARIOS.items()
    if platform not in UNSPECIFIED and is_offered(connector.capabilities)
]


@pytest.mark.parametrize(("platform", "scenario"), CASES)
async def test_conformance(
    platform: Platform,
    scenario: Callable[[Stage], Awaitable[None]],
    stage: Stage,
    wire: RecordingTransport,
) -> None:
    await scenario(stage)
    assert wire.exchanges, "nothing was asked, so nothing was checked"
    check_all(platform, wire)


async def test_the_pages_of_a_person_on_facebook() -> None:
    """Not simulated, for the sandbox knows no persons: a Page's token is taken from its owner's."""
    wire = RecordingTransport(person_of(TEA, RYE))
    async with ConnectorPool(ConnectorSettings(), transport=wire) as pool:
        await pool.open(person("tea")).verify()
    (asked,) = [exchange for exchange in wire.exchanges if exchange.name == "GET /v25.0/me/accounts"]
    assert MetaContract(SPECS / "meta", account="User", objects=()).check(asked) == []


async def test_the_quota_of_threads(saved: SavedState, clock: Clock) -> None:
    """Asked for only where Threads refuses a post without saying until when, which the sandbox always does."""
    wire = RecordingTransport(refuse_publishing(403, {"code": 9, "type": "OAuthException"}, quota=250))
    account = Account("acc_1", Platform.THREADS, Credentials(SecretStr("a-token-of-the-tests")))
    async with ConnectorPool(ConnectorSettings(), clock=clock, transport=wire) as pool:
        with pytest.raises(RateLimitedError):
            await pool.open(account).publish(saved.request(PostContent(text="Tea"), clock()))
    assert "GET /v1.0/me/threads_publishing_limit" in {exchange.name for exchange in wire.exchanges}
    check_all(Platform.THREADS, wire)


@pytest.mark.parametrize("platform", CONNECTORS)
def test_a_platform_has_a_specification_or_is_known_to_have_none(platform: Platform) -> None:
    assert (platform in UNSPECIFIED) or contract_of(platform)
