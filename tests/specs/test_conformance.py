"""Every request of every connector, and every answer of the sandbox, against the platform's own specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.platforms.registry import CONNECTORS
from tests.connectors.surroundings import account_of
from tests.specs.contracts import ABSENT, SPECS, UNSPECIFIED, check_all, contract_of
from tests.specs.scenarios import SCENARIOS, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.platforms.registry import ConnectorPool
    from connectors.sandbox.world import SandboxWorld
    from connectors.types import Platform
    from tests.connectors.surroundings import Clock, SavedState
    from tests.specs.exchanges import RecordingTransport

pytestmark = [pytest.mark.specs, pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)]


@pytest.fixture
def stage(
    platform: Platform, pool: ConnectorPool, world: SandboxWorld, clock: Clock, saved: SavedState
) -> Stage:
    owner = next(item for item in world.accounts if item.platform is platform)
    return Stage(pool.open(account_of(owner)), world, clock, saved)


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


@pytest.mark.parametrize("platform", CONNECTORS)
def test_a_platform_has_a_specification_or_is_known_to_have_none(platform: Platform) -> None:
    assert (platform in UNSPECIFIED) or contract_of(platform)
