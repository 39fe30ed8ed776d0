"""Connectors against the sandbox, with all exchanges recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import stamina

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from tests.connectors.harness import SANDBOX, Clock, SavedState
from tests.specs.exchanges import RecordingTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
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
def wire(world: SandboxWorld) -> RecordingTransport:
    return RecordingTransport(httpx.ASGITransport(create_sandbox_app(world)))


@pytest.fixture
async def pool(wire: RecordingTransport, clock: Clock) -> AsyncIterator[ConnectorPool]:
    names = ConnectorSettings.model_fields
    settings = ConnectorSettings.model_validate(
        {
            **{name: SANDBOX for name in names if name.endswith("_base_url")},
            **{
                name: f"{name}-of-the-tests" for name in names if name.endswith(("_client_id", "_client_key"))
            },
            **{name: f"{name}-of-the-tests" for name in names if name.endswith("_client_secret")},
            "allow_private_instances": True,
            "request_timeout": 0.5,
            "poll_interval": 0.01,
            "processing_timeout": 5,
        }
    )
    async with ConnectorPool(settings, clock=clock, transport=wire) as opened:
        yield opened


@pytest.fixture
async def raw(wire: RecordingTransport) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client at the same sandbox, for what no connector asks."""
    async with httpx.AsyncClient(transport=wire, base_url=SANDBOX) as client:
        yield client
