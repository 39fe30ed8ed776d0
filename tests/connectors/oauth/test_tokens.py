"""A rejected refresh: the account owner's fault for a dead token, the operator's for a misconfigured app."""

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from connectors.errors import GiveUpError, ReauthenticateError
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
APPS = [Platform.TWITTER, Platform.LINKEDIN, Platform.TIKTOK, Platform.YOUTUBE, Platform.PINTEREST]


def account(platform: Platform) -> Account:
    tokens = Credentials(SecretStr("an-access-token"), SecretStr("a-refresh-token"))
    return replace(Account("acc_1", platform, tokens), external_id="7")


@pytest.mark.parametrize("platform", APPS)
@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("word", ["invalid_client", "unauthorized_client"])
async def test_an_app_that_is_set_up_wrong_revokes_nobody(
    *, platform: Platform, status: int, word: str, connector_settings: ConnectorSettings
) -> None:
    body = {"error": word, "error_description": "Client authentication failed"}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
        with pytest.raises(GiveUpError, match=f"SOCIALFLOW_{platform.upper()}_CLIENT_SECRET"):
            await pool.open(account(platform)).refresh_token()


@pytest.mark.parametrize("platform", APPS)
@pytest.mark.parametrize(("status", "word"), [(400, "invalid_grant"), (401, "invalid_grant"), (400, "no")])
async def test_a_refused_refresh_token_asks_for_its_owner(
    *, platform: Platform, status: int, word: str, connector_settings: ConnectorSettings
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"error": word}))
    async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
        with pytest.raises(ReauthenticateError, match="connect the account again") as caught:
            await pool.open(account(platform)).refresh_token()
    assert not caught.value.expired
