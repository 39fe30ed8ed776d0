"""Connecting by browser, end to end: API, simulated authorization servers, and back; and all that may go wrong."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from api.settings import ApiSettings
from connectors.oauth.flows import FLOWS, WITHOUT_FLOW
from connectors.sandbox.faults import FaultRule
from connectors.types import Platform
from tests.api.harness import (
    APPS,
    PUBLIC_URL,
    RETURN_URL,
    RunningServer,
    SettableClock,
    make_tenant,
    open_anonymous,
)
from warehouse.store.access.api_keys import revoke_api_key
from warehouse.store.accounts.credentials import mark_revoked, open_account
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from connectors.types import Account
    from tests.api.harness import Tenant

CONNECT = "/api/v1/accounts/connect"
INSTANCE = "https://mastodon.example"


@dataclass
class Browser:
    """A person's browser: opens pages of consent, and comes back to the API with what it was given."""

    tenant: Tenant

    def consent(self, authorization_url: str, **changes: str) -> httpx.URL:
        """Open the page of consent, its query changed where asked; return where it leads."""
        url = httpx.URL(authorization_url).copy_merge_params(changes)

        async def open_page() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.tenant.server.sandbox)) as client:
                return await client.get(url)

        answer = asyncio.run(open_page())
        assert answer.status_code == 302, answer.text
        return httpx.URL(answer.headers["location"])

    def come_back(self, location: httpx.URL, **changes: str) -> httpx.Response:
        """Follow the way back, as the public address leads to the server."""
        assert str(location).startswith(PUBLIC_URL)
        path = location.copy_merge_params(changes).raw_path.decode()
        with open_anonymous(self.tenant.server) as anonymous:
            return anonymous.get(path)


@pytest.fixture
def browser(tenant: Tenant) -> Browser:
    return Browser(tenant)


def start(tenant: Tenant, platform: str, **fields: Any) -> dict[str, Any]:
    body = {"instance_url": INSTANCE, **fields} if platform == "mastodon" else fields
    answer = tenant.client.post(f"{CONNECT}/{platform}/start", json=body)
    assert answer.status_code == 200, answer.text
    started: dict[str, Any] = answer.json()
    return started


def connected(tenant: Tenant, platform: str) -> list[Account]:
    """The workspace's accounts of the platform that came by browser, credentials and all."""
    with tenant.server.services.store.read() as session:
        rows = session.query(AccountRow).filter_by(workspace_id=tenant.workspace_id, platform=platform)
        cipher = tenant.server.services.store.cipher
        return [open_account(row, cipher) for row in rows if row.id not in tenant.accounts.values()]


def page_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


@pytest.mark.parametrize("platform", list(FLOWS), ids=str)
def test_an_account_is_connected_from_consent_to_working_token(
    tenant: Tenant, browser: Browser, platform: Platform
) -> None:
    owner = next(one for one in tenant.server.world.accounts if one.platform is platform)
    # LinkedIn's simulated account is an organization's, which its administrator must name.
    meant = {"account": owner.external_id} if platform is Platform.LINKEDIN else {}
    started = start(tenant, platform, timezone="Europe/Berlin", **meant)
    assert started["redirect_uri"] == f"{PUBLIC_URL}{CONNECT}/{platform}/callback"
    query = parse_qs(urlsplit(started["authorization_url"]).query)
    assert query["redirect_uri"] == [started["redirect_uri"]]
    assert ("code_challenge" in query) is FLOWS[platform].pkce
    page = page_of(
        browser.come_back(browser.consent(started["authorization_url"]), hint="of the platform"), 200
    )
    [account] = connected(tenant, platform)
    assert f"@{account.handle}" in page
    assert account.external_id == owner.external_id
    assert account.credentials.access_token.get_secret_value() == owner.access_token
    assert (account.credentials.refresh_token is None) is (owner.refresh_token is None)
    [shown] = [one for one in tenant.client.get("/api/v1/accounts").json()["data"] if one["id"] == account.id]
    assert (shown["health"]["status"], shown["timezone"]) == ("ok", "Europe/Berlin")
    for secret in (owner.access_token, owner.refresh_token, query["state"][0]):
        assert secret is None or secret not in page


def test_a_state_works_once(tenant: Tenant, browser: Browser) -> None:
    location = browser.consent(start(tenant, "twitter")["authorization_url"])
    page_of(browser.come_back(location), 200)
    assert "already used" in page_of(browser.come_back(location), 403)
    assert len(connected(tenant, "twitter")) == 1


@pytest.mark.parametrize("state", ["", "invented", "x" * 200])
def test_a_state_that_was_never_made_is_refused(browser: Browser, state: str) -> None:
    location = httpx.URL(f"{PUBLIC_URL}{CONNECT}/twitter/callback?{urlencode({'state': state, 'code': 'c'})}")
    page_of(browser.come_back(location), 403)


def test_a_state_is_of_one_platform(tenant: Tenant, browser: Browser) -> None:
    location = browser.consent(start(tenant, "twitter")["authorization_url"])
    other = httpx.URL(str(location).replace("/twitter/", "/youtube/"))
    page_of(browser.come_back(other), 403)


def test_whoever_comes_back_late_begins_anew(tenant: Tenant, browser: Browser) -> None:
    location = browser.consent(start(tenant, "youtube")["authorization_url"])
    tenant.server.clock.advance(minutes=10)
    page_of(browser.come_back(location), 403)
    assert connected(tenant, "youtube") == []


def test_a_code_that_is_too_old_for_the_platform_is_refused_in_its_words(
    tenant: Tenant, browser: Browser
) -> None:
    location = browser.consent(start(tenant, "youtube")["authorization_url"])
    tenant.server.clock.advance(minutes=5)
    assert "expired" in page_of(browser.come_back(location), 403)


def test_a_denied_consent_says_so_and_uses_the_state_up(tenant: Tenant, browser: Browser) -> None:
    location = browser.consent(start(tenant, "linkedin")["authorization_url"], decision="deny")
    assert "not allowed" in page_of(browser.come_back(location, error_description="<script>x</script>"), 403)
    page_of(browser.come_back(location), 403)
    assert connected(tenant, "linkedin") == []


@pytest.mark.parametrize("platform", ["twitter", "tiktok", "instagram", "pinterest"])
def test_a_code_works_once(tenant: Tenant, browser: Browser, platform: str) -> None:
    used = browser.consent(start(tenant, platform)["authorization_url"])
    page_of(browser.come_back(used), 200)
    again = browser.consent(start(tenant, platform)["authorization_url"])
    assert "used before" in page_of(browser.come_back(again, code=used.params["code"]), 403)


@pytest.mark.parametrize("platform", [one for one, flow in FLOWS.items() if flow.pkce], ids=str)
def test_a_stolen_code_does_not_fit_another_verifier(
    tenant: Tenant, browser: Browser, platform: Platform
) -> None:
    victim = make_tenant(tenant.server)
    stolen = browser.consent(start(victim, platform)["authorization_url"]).params["code"]
    mine = browser.consent(start(tenant, platform)["authorization_url"])
    page_of(browser.come_back(mine, code=stolen), 403)
    assert connected(tenant, platform) == connected(victim, platform) == []
    victim.client.close()


def test_a_code_made_for_another_redirect_address_is_refused(tenant: Tenant, browser: Browser) -> None:
    started = start(tenant, "linkedin")
    elsewhere = f"{started['redirect_uri']}?x=1"
    location = browser.consent(started["authorization_url"], redirect_uri=elsewhere)
    assert "redirect address" in page_of(browser.come_back(location), 403)


def test_an_account_goes_to_the_workspace_that_began(tenant: Tenant, browser: Browser) -> None:
    neighbour = make_tenant(tenant.server)
    location = browser.consent(start(neighbour, "pinterest")["authorization_url"])
    page_of(browser.come_back(location), 200)
    assert connected(tenant, "pinterest") == []
    assert len(connected(neighbour, "pinterest")) == 1
    neighbour.client.close()


def test_what_a_revoked_key_began_is_not_ended(tenant: Tenant, browser: Browser) -> None:
    location = browser.consent(start(tenant, "twitter")["authorization_url"])
    with tenant.server.services.store.write() as session:
        revoke_api_key(session, tenant.workspace_id, tenant.key.row.id, tenant.server.clock())
    page_of(browser.come_back(location), 403)
    assert connected(tenant, "twitter") == []


def test_a_revoked_account_works_again_under_its_id_and_keeps_its_refresh_token(
    tenant: Tenant, browser: Browser
) -> None:
    page_of(browser.come_back(browser.consent(start(tenant, "youtube")["authorization_url"])), 200)
    [before] = connected(tenant, "youtube")
    with tenant.server.services.store.write() as session:
        mark_revoked(session, before.id, "withdrawn", tenant.server.clock())
    page_of(browser.come_back(browser.consent(start(tenant, "youtube")["authorization_url"])), 200)
    [after] = connected(tenant, "youtube")
    assert after.id == before.id
    assert after.credentials.access_token != before.credentials.access_token
    shown = tenant.client.get(f"/api/v1/accounts/{after.id}").json()
    assert (shown["status"], shown["health"]["reason"]) == ("active", None)


def test_of_several_pages_one_may_be_meant(tenant: Tenant, browser: Browser) -> None:
    owner = next(one for one in tenant.server.world.accounts if one.platform == "facebook")
    wrong = browser.consent(start(tenant, "facebook", account="1")["authorization_url"])
    assert owner.external_id in page_of(browser.come_back(wrong), 403)
    right = browser.consent(start(tenant, "facebook", account=owner.external_id)["authorization_url"])
    page_of(browser.come_back(right), 200)
    assert [one.external_id for one in connected(tenant, "facebook")] == [owner.external_id]


def test_the_browser_is_led_on_to_an_allowed_address_only(tenant: Tenant, browser: Browser) -> None:
    refused = tenant.client.post(f"{CONNECT}/twitter/start", json={"return_url": "https://app.example/other"})
    assert refused.json()["code"] == "return_url_refused"
    url = start(tenant, "twitter", return_url=RETURN_URL)["authorization_url"]
    answer = browser.come_back(browser.consent(url))
    [account] = connected(tenant, "twitter")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{RETURN_URL}&status=connected&account_id={account.id}"
    url = start(tenant, "twitter", return_url=RETURN_URL)["authorization_url"]
    answer = browser.come_back(browser.consent(url, decision="deny"))
    assert answer.headers["location"] == f"{RETURN_URL}&status=failed&code=consent_denied"


def test_a_platform_that_does_not_answer_is_not_the_persons_fault(tenant: Tenant, browser: Browser) -> None:
    tenant.server.world.faults.add(
        FaultRule(kind="error_500_before", platform=Platform.TWITTER, operation="followers", count=None)
    )
    location = browser.consent(start(tenant, "twitter")["authorization_url"])
    page_of(browser.come_back(location), 502)
    assert connected(tenant, "twitter") == []


@pytest.mark.parametrize("platform", list(WITHOUT_FLOW), ids=str)
def test_where_there_is_no_such_flow_the_answer_says_what_to_do(tenant: Tenant, platform: Platform) -> None:
    answer = tenant.client.post(f"{CONNECT}/{platform}/start")
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported")
    assert re.search("app password|BotFather", answer.json()["detail"])


def test_a_repeated_start_gets_the_same_address(tenant: Tenant) -> None:
    answers = [
        tenant.client.post(f"{CONNECT}/twitter/start", headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    settings = ApiSettings()
    with RunningServer(tmp_path, SettableClock(), settings, apps={}) as server:
        tenant = make_tenant(server)
        answer = tenant.client.post(f"{CONNECT}/twitter/start")
        assert (answer.status_code, answer.json()["code"]) == (422, "public_url_missing")
        assert "SOCIALFLOW_API_PUBLIC_URL" in answer.json()["detail"]
        settings.public_url = PUBLIC_URL
        for platform, flow in FLOWS.items():
            if flow.client_id:
                answer = tenant.client.post(f"{CONNECT}/{platform}/start")
                assert (answer.status_code, answer.json()["code"]) == (422, "app_not_configured")
                assert f"SOCIALFLOW_{flow.client_id.upper()}" in answer.json()["detail"]
        answer = tenant.client.post(f"{CONNECT}/mastodon/start")
        assert "instance_url" in answer.json()["detail"]
        tenant.client.close()


def test_every_flow_names_settings_that_there_are() -> None:
    assert set(FLOWS) | set(WITHOUT_FLOW) == set(Platform)
    named = {flow.client_id for flow in FLOWS.values()} | {flow.client_secret for flow in FLOWS.values()}
    assert named - {"", "twitter_client_secret"} == set(APPS)


def test_the_state_is_kept_nowhere_in_plain(tenant: Tenant) -> None:
    headers = {"Idempotency-Key": "state-once"}
    path = "/api/v1/accounts/connect/twitter/start"
    first = tenant.client.post(path, json={}, headers=headers)
    again = tenant.client.post(path, json={}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    (state,) = parse_qs(urlsplit(first.json()["authorization_url"]).query)["state"]
    home = Path(str(tenant.server.services.store._engine.url.database)).parent
    for file in home.glob("socialflow.sqlite*"):
        assert state.encode() not in file.read_bytes(), file
