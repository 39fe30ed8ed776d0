"""One server for all tests of the API; each test gets a workspace of its own in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.harness import NOON, RunningServer, SettableClock, make_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.harness import Server, Tenant


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API on a free port, its platforms being the sandbox."""
    with RunningServer(tmp_path_factory.mktemp("api-home"), SettableClock()) as server:
        yield server


@pytest.fixture
def server(running_server: Server) -> Iterator[Server]:
    """The running API, at noon."""
    running_server.clock.at = NOON
    yield running_server
    running_server.clock.at = NOON
    running_server.world.faults.clear()


@pytest.fixture
def tenant(server: Server) -> Iterator[Tenant]:
    """A workspace that no other test uses, with one X and one Mastodon account."""
    made = make_tenant(server)
    made.add_account("twitter")
    made.add_account("mastodon")
    yield made
    made.client.close()
