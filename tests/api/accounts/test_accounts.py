from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from api.settings import ApiSettings
from connectors.sandbox.faults import FaultRule
from connectors.types import Platform
from tests.api.harness import RunningServer, SettableClock, in_hours, make_tenant
from warehouse.store.accounts.credentials import mark_revoked, open_account
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from connectors.sandbox.accounts import SandboxAccount
    from tests.api.harness import Server, Tenant

CONNECT = "/api/v1/accounts/connect"
ACCOUNTS = "/api/v1/accounts"
INSTANCE = "http://social.test"


def sandbox_account(server: Server, platform: str) -> SandboxAccount:
    return next(one for one in server.world.accounts if one.platform == Platform(platform))


def connect(tenant: Tenant, platform: str, **fields: Any) -> httpx.Response:
    account = sandbox_account(tenant.server, platform)
    body: dict[str, Any] = {"platform": platform, "access_token": account.access_token}
    if platform in ("mastodon", "bluesky"):
        body |= {"instance_url": INSTANCE, "handle": account.handle}
    return tenant.client.post(CONNECT, json=body | fields)


@pytest.fixture
def empty(server: Server) -> Tenant:
    """A workspace without accounts."""
    return make_tenant(server)


@pytest.mark.parametrize("platform", ["twitter", "instagram", "mastodon", "bluesky"])
def test_connect_asks_the_platform_first(empty: Tenant, platform: str) -> None:
    answer = connect(empty, platform)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    account = sandbox_account(empty.server, platform)
    assert (body["external_id"], body["status"], body["health"]["status"]) == (
        account.external_id,
        "active",
        "ok",
    )
    assert empty.client.get(answer.headers["location"]).json() == body
    listed = empty.client.get(ACCOUNTS).json()
    assert (listed["data"], listed["has_more"], listed["next_cursor"]) == ([body], False, None)


def test_a_bluesky_app_password_is_exchanged(empty: Tenant) -> None:
    account = sandbox_account(empty.server, "bluesky")
    answer = connect(empty, "bluesky", access_token=account.app_password)
    assert answer.status_code == 201, answer.text
    store = empty.server.services.store
    with store.read() as session:
        credentials = open_account(session.get_one(AccountRow, answer.json()["id"]), store.cipher).credentials
    assert credentials.app_password is not None
    assert credentials.access_token.get_secret_value() != account.app_password


def test_no_credential_is_ever_answered(empty: Tenant) -> None:
    texts = []
    for platform in ("twitter", "mastodon"):
        answer = connect(empty, platform, refresh_token="refresh-secret")
        texts += [answer.text, connect(empty, platform, access_token="wrong-secret").text]
    texts.append(empty.client.get(ACCOUNTS).text)
    secrets = [sandbox_account(empty.server, name).access_token for name in ("twitter", "mastodon")]
    for secret in [*secrets, "refresh-secret", "wrong-secret"]:
        assert not [text for text in texts if secret in text], secret


def test_a_refused_token_is_not_saved(empty: Tenant) -> None:
    answer = connect(empty, "twitter", access_token="not-a-token")
    assert (answer.status_code, answer.json()["code"]) == (422, "token_refused")
    assert answer.json()["errors"][0]["pointer"] == "/access_token"
    assert empty.client.get(ACCOUNTS).json()["data"] == []


def test_a_platform_that_asks_for_a_pause_is_not_the_callers_fault(empty: Tenant) -> None:
    empty.server.world.faults.add(FaultRule("rate_limited", Platform.TWITTER, count=None))
    answer = connect(empty, "twitter")
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    # A pause of 60 s by the sandbox's clock, as an instant.
    assert answer.headers["retry-after"] == "Mon, 02 Mar 2026 12:01:00 GMT"
    assert empty.client.get(ACCOUNTS).json()["data"] == []
    empty.server.world.faults.clear()
    assert connect(empty, "twitter").status_code == 201


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"platform": "myspace"}, "unknown_platform"),
        ({"timezone": "Mars/Olympus"}, "unknown_timezone"),
        ({"expires_at": "soon"}, "invalid_time"),
        ({"expires_at": in_hours(-1)}, "in_the_past"),
        ({"access_token": ""}, "invalid_request"),
        ({"password": "x"}, "invalid_request"),
    ],
)
def test_a_wrong_field_is_named(empty: Tenant, fields: dict[str, str], code: str) -> None:
    answer = empty.client.post(CONNECT, json={"platform": "twitter", "access_token": "t", **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000", "https://10.0.0.7", "https://[::1]", "https://localhost", "ftp://x.test"],
)
def test_an_instance_in_a_private_network_is_refused(tmp_path: Path, address: str) -> None:
    with RunningServer(tmp_path / "home", SettableClock(), ApiSettings(), allow_private=False) as server:
        tenant = make_tenant(server)
        answer = tenant.client.post(
            CONNECT, json={"platform": "mastodon", "access_token": "t", "instance_url": address}
        )
    assert answer.status_code == 422, answer.text
    assert "instance_url" in answer.json()["detail"]


def test_a_reconnect_keeps_the_account(empty: Tenant) -> None:
    first = connect(empty, "twitter", refresh_token="keep-me").json()
    store = empty.server.services.store
    with store.write() as session:
        mark_revoked(session, first["id"], "the owner withdrew it", empty.server.clock())
    (listed,) = empty.client.get(ACCOUNTS).json()["data"]
    assert (listed["health"]["status"], listed["health"]["reason"]) == ("revoked", "the owner withdrew it")
    refused = empty.client.post("/api/v1/posts", json={"content": "x", "platforms": ["twitter"]})
    assert refused.json()["code"] == "account_revoked"
    again = connect(empty, "twitter").json()
    assert (again["id"], again["health"]["status"]) == (first["id"], "ok")
    with store.read() as session:
        kept = open_account(session.get_one(AccountRow, first["id"]), store.cipher).credentials.refresh_token
    assert kept is not None
    assert kept.get_secret_value() == "keep-me"


def test_a_body_without_a_json_content_type_is_read(empty: Tenant) -> None:
    account = sandbox_account(empty.server, "twitter")
    body = json.dumps({"platform": "x", "access_token": account.access_token})
    for content_type in ("application/x-www-form-urlencoded", "text/plain", None):
        headers = {"Content-Type": content_type} if content_type else {}
        answer = empty.client.post(CONNECT, content=body, headers=headers)
        assert (answer.status_code, answer.json()["platform"]) == (201, "twitter"), content_type


def test_an_idempotent_connect(empty: Tenant) -> None:
    account = sandbox_account(empty.server, "twitter")
    body = {"platform": "twitter", "access_token": account.access_token}

    def send(_number: int) -> httpx.Response:
        return empty.client.post(CONNECT, json=body, headers={"Idempotency-Key": "c1"})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(16)))
    # While the first still asks the platform, the others are told to come back.
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "idempotency_in_flight"
    }
    assert (
        sum(answer.status_code == 201 and "idempotent-replayed" not in answer.headers for answer in answers)
        == 1
    )
    assert send(0).headers["idempotent-replayed"] == "true"
    refused = {"platform": "twitter", "access_token": "wrong"}
    for _ in range(2):
        answer = empty.client.post(CONNECT, json=refused, headers={"Idempotency-Key": "c2"})
        assert answer.json()["code"] == "token_refused"


def test_pause_and_resume(tenant: Tenant) -> None:
    address = f"{ACCOUNTS}/{tenant.accounts['twitter-user']}"
    assert tenant.client.post(f"{address}/pause").json()["paused_at"] == "2026-03-02T12:00:00Z"
    tenant.server.clock.advance(minutes=5)
    assert tenant.client.post(f"{address}/pause").json()["paused_at"] == "2026-03-02T12:00:00Z"
    assert tenant.client.post(f"{address}/resume").json()["paused_at"] is None


def test_disconnect(tenant: Tenant) -> None:
    post = tenant.create_post(platforms=["twitter", "mastodon"])
    publications = {row["platform"]: row["id"] for row in post["publications"]}
    address = f"{ACCOUNTS}/{tenant.accounts['twitter-user']}"
    answer = tenant.client.delete(address)
    assert answer.status_code == 200
    assert answer.json()["canceled_publication_ids"] == [publications["twitter"]]
    assert tenant.client.delete(address).json()["canceled_publication_ids"] == []
    assert [one["platform"] for one in tenant.client.get(ACCOUNTS).json()["data"]] == ["mastodon"]
    shown = tenant.client.get(ACCOUNTS, params={"disconnected": True, "platform": "x"}).json()["data"]
    assert [one["health"]["status"] for one in shown] == ["disconnected"]
    left = tenant.client.get(f"/api/v1/posts/{post['id']}").json()
    assert (left["status"], left["platforms"]) == ("scheduled", ["mastodon"])


def test_a_changed_time_zone_is_in_the_lake_after_the_answer(tenant: Tenant) -> None:
    account_id = tenant.accounts["mastodon-user"]
    address = f"{ACCOUNTS}/{account_id}"

    def wait_for(zone: str) -> None:
        """The lake follows after the answer; the test waits for it, at most 20 s."""
        statement = "SELECT timezone FROM dims.accounts WHERE account_id = $id"
        deadline = time.monotonic() + 20
        rows: list[dict[str, Any]] = []
        while rows != [{"timezone": zone}]:
            assert time.monotonic() < deadline, rows
            time.sleep(0.05)
            rows = tenant.server.services.lake.query(statement, {"id": account_id})

    answer = tenant.client.patch(address, json={"timezone": "Asia/Tokyo"})
    assert (answer.status_code, answer.json()["timezone"]) == (200, "Asia/Tokyo"), answer.text
    wait_for("Asia/Tokyo")
    metrics = tenant.client.get(f"/api/v1/analytics/accounts/{account_id}").json()
    assert metrics["timezone"] == "Asia/Tokyo"
    for body, code in (
        ({"timezone": "Mars/Olympus"}, "unknown_timezone"),
        ({}, "missing"),
        ({"zone": 1}, None),
    ):
        refused = tenant.client.patch(address, json=body)
        assert refused.status_code == 422, refused.text
        assert code is None or refused.json()["errors"][0]["code"] == code
    assert tenant.client.patch(address, json={"timezone": None}).json()["timezone"] is None
    wait_for("UTC")  # the workspace's
    assert make_tenant(tenant.server).client.patch(address, json={"timezone": None}).status_code == 404
