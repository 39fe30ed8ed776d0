"""One server for all tests of the API; each test gets a workspace of its own in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from api.http.rate_limits import RateLimiter
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
    """The running API, at noon, with no failed sign-ins yet.

    All tests sign in from one address and their clock stands still, so the failures of some would use up the
    address's attempts for the others.
    """
    running_server.clock.at = NOON
    services = running_server.services
    fresh = RateLimiter(services.settings.auth_failures)
    running_server.app.state.services = replace(services, auth_limiter=fresh)
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
