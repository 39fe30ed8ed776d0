"""Selection of the HTTP client for an account's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from connectors.types import Account, Credentials, Platform

if TYPE_CHECKING:
    import httpx

    from connectors.http.context import ConnectorContext
    from connectors.registry import ConnectorPool


def client_of(pool: ConnectorPool, platform: Platform, account_id: str) -> httpx.AsyncClient:
    account = Account(
        account_id,
        platform,
        Credentials(SecretStr("token")),
        external_id=account_id,
        handle="somebody",
        instance_url="https://social.example",
    )
    context: ConnectorContext = vars(pool.open(account))["_context"]  # no question to a connector tells it
    return context.client


@pytest.mark.parametrize("platform", [Platform.TWITTER, Platform.MASTODON])
def test_many_accounts_of_a_platform_share_a_few_clients(pool: ConnectorPool, platform: Platform) -> None:
    """One for all would make the publisher slow, one for each would never reuse a connection."""
    ids = [f"acct_{number}" for number in range(100)]
    clients = {account_id: client_of(pool, platform, account_id) for account_id in ids}
    assert 4 <= len({id(client) for client in clients.values()}) <= 8
    assert all(client_of(pool, platform, account_id) is client for account_id, client in clients.items())


def test_platforms_share_none(pool: ConnectorPool) -> None:
    found = {
        platform: {id(client_of(pool, platform, f"acct_{number}")) for number in range(50)}
        for platform in (Platform.TWITTER, Platform.INSTAGRAM)
    }
    assert not found[Platform.TWITTER] & found[Platform.INSTAGRAM]
