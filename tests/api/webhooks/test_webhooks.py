"""Webhooks by API: the secret shown once, addresses checked, the log, replays; and the whole way of one event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, get_args

import pytest

from api.webhooks.schemas import EventType
from connectors.errors import GiveUpError
from connectors.http.private_networks import check_instance_url
from connectors.webhooks.sender import check_webhook_url
from connectors.webhooks.settings import WebhookSettings
from flows.publishing.webhook_deliverer import WebhookDeliverer
from tests.api.harness import RunningServer, SettableClock, make_tenant
from tests.flows.publishing.webhook_receiver import Receiver, Reply
from warehouse.store.accounts.credentials import mark_revoked
from warehouse.store.webhooks.outbox import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.api.harness import Tenant

WEBHOOKS = "/api/v1/webhooks"
BODY = {"url": "http://127.0.0.1:9/x", "events": ["account.revoked"]}


@pytest.fixture
def admin(tenant: Tenant) -> Iterator[httpx.Client]:
    with tenant.client_with("admin") as client:
        yield client


def create(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = admin.post(WEBHOOKS, json={**BODY, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def deliver(tenant: Tenant) -> None:
    """Deliver what is due, other tests' leftovers in the same store included."""
    store, clock = tenant.server.services.store, tenant.server.clock
    settings = WebhookSettings(allow_private=True)
    asyncio.run(WebhookDeliverer(store, settings, clock=clock).deliver_due())


def revoke(tenant: Tenant, account: str = "twitter-user") -> None:
    with tenant.server.services.store.write() as session:
        mark_revoked(session, tenant.accounts[account], "its owner withdrew it", tenant.server.clock())


def test_a_secret_is_shown_in_the_first_answer_alone(admin: httpx.Client) -> None:
    first = admin.post(WEBHOOKS, json=BODY, headers={"Idempotency-Key": "once"})
    made = first.json()
    assert first.headers["location"] == f"{WEBHOOKS}/{made['id']}"
    assert first.headers["cache-control"] == "no-store"
    assert made["secret"].startswith("whsec_")
    again = admin.post(WEBHOOKS, json=BODY, headers={"Idempotency-Key": "once"})
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.json()["id"], again.json()["secret"]) == (made["id"], None)
    for text in (admin.get(WEBHOOKS).text, admin.get(f"{WEBHOOKS}/{made['id']}").text, again.text):
        assert made["secret"] not in text
    rotated = admin.post(f"{WEBHOOKS}/{made['id']}/rotate").json()
    assert rotated["secret"] not in (made["secret"], None)
    assert rotated["old_secret_until"] == "2026-03-03T12:00:00Z"


def test_change_disable_enable_delete(admin: httpx.Client) -> None:
    address = f"{WEBHOOKS}/{create(admin)['id']}"
    changed = admin.patch(
        address, json={"events": ["post.failed", "post.published"], "enabled": False}
    ).json()
    assert changed["events"] == ["post.published", "post.failed"]
    assert (changed["status"], changed["disabled_reason"]) == ("disabled", "disabled by its owner")
    assert admin.post(f"{address}/test").json()["code"] == "webhook_disabled"
    assert admin.patch(address, json={"enabled": True}).json()["status"] == "enabled"
    assert admin.delete(address).status_code == 204
    assert admin.get(address).status_code == 404


def test_a_change_may_be_conditional(admin: httpx.Client) -> None:
    made = admin.post(WEBHOOKS, json=BODY)
    address, first = f"{WEBHOOKS}/{made.json()['id']}", made.headers["etag"]
    assert admin.get(address).headers["etag"] == first
    changed = admin.patch(address, json={"description": "second"}, headers={"If-Match": first})
    assert (changed.status_code, changed.json()["description"]) == (200, "second")
    second = changed.headers["etag"]
    assert second == admin.get(address).headers["etag"] != first
    for stale in (
        admin.patch(address, json={"description": "third"}, headers={"If-Match": first}),
        admin.patch(address, json={"description": "third"}, headers={"If-Match": '"nonsense"'}),
        admin.patch(address, json={"description": "third"}, headers={"If-Match": ""}),
        admin.delete(address, headers={"If-Match": first}),
    ):
        assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert admin.get(address).json()["description"] == "second"
    # A new secret is a change too: whoever read before knows of an older one.
    rotated = admin.post(f"{address}/rotate")
    assert rotated.headers["etag"] == admin.get(address).headers["etag"] != second
    assert admin.patch(address, json={"enabled": False}, headers={"If-Match": second}).status_code == 412
    assert admin.patch(address, json={"enabled": False}, headers={"If-Match": "*"}).status_code == 200
    assert admin.delete(address, headers={"If-Match": admin.get(address).headers["etag"]}).status_code == 204


def test_a_receiver_that_disables_itself_is_a_change(tenant: Tenant, admin: httpx.Client) -> None:
    with Receiver(Reply(410)) as receiver:
        made = create(admin, url=receiver.url)
        address = f"{WEBHOOKS}/{made['id']}"
        before = admin.get(address).headers["etag"]
        revoke(tenant)
        deliver(tenant)
    assert admin.get(address).json()["status"] == "disabled"
    assert admin.patch(address, json={"description": "x"}, headers={"If-Match": before}).status_code == 412


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "ftp://x.example"}, "/url"),
        ({"url": "https://user:pw@x.example"}, "/url"),
        ({"events": ["post.unheard"]}, "/events/0"),
        ({"events": []}, "/events"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
def test_what_makes_no_webhook_names_the_field(
    admin: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    answer = admin.post(WEBHOOKS, json={**BODY, **fields})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert admin.get(WEBHOOKS).json()["data"] == []


def test_private_addresses_are_refused_by_default_when_made_and_when_changed(tmp_path: Path) -> None:
    with RunningServer(tmp_path, SettableClock(), allow_private=False) as server:
        tenant = make_tenant(server)
        with tenant.client_with("admin") as admin:
            refused = admin.post(WEBHOOKS, json={**BODY, "url": "https://169.254.169.254/x"})
            assert refused.json()["code"] == "webhook_url_refused"
            assert "SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE" in refused.json()["detail"]
            # A literal public address: no name is asked for, and nothing is sent.
            made = create(admin, url="https://93.184.216.34/x")
            changed = admin.patch(f"{WEBHOOKS}/{made['id']}", json={"url": "https://localhost/x"})
            assert changed.status_code == 422
            assert admin.get(f"{WEBHOOKS}/{made['id']}").json()["url"] == "https://93.184.216.34/x"
        tenant.client.close()


def test_an_event_goes_all_the_way_and_the_log_tells_it(tenant: Tenant, admin: httpx.Client) -> None:
    with Receiver(Reply(200, b"thanks")) as receiver:
        made = create(admin, url=receiver.url)
        address = f"{WEBHOOKS}/{made['id']}/deliveries"
        revoke(tenant)
        [waiting] = admin.get(address, params={"status": "pending"}).json()["data"]
        assert waiting["last_attempt"] is None
        deliver(tenant)
        [entry] = admin.get(address).json()["data"]
        assert (entry["status"], entry["type"], entry["attempts"]) == ("delivered", "account.revoked", 1)
        assert entry["last_attempt"]["status"] == 200
        detail = admin.get(f"{address}/{entry['id']}").json()
        assert detail["response"] == "thanks"
        assert detail["payload"]["data"]["account"]["handle"] == "twitter-user"
        replayed = admin.post(f"{address}/{entry['id']}/replay")
        assert (replayed.status_code, replayed.json()["status"]) == (202, "pending")
        deliver(tenant)
        assert {request.id for request in receiver.requests} == {entry["event_id"]}
        assert len(receiver.requests) == 2


def test_a_test_event_arrives_like_any_other(tenant: Tenant, admin: httpx.Client) -> None:
    with Receiver() as receiver:
        made = create(admin, url=receiver.url)
        sent = admin.post(f"{WEBHOOKS}/{made['id']}/test")
        assert (sent.status_code, sent.json()["type"]) == (202, "webhook.test")
        deliver(tenant)
    message = receiver.requests[0].body
    assert made["id"] in message
    assert made["secret"] not in message


def test_all_since_a_time_are_sent_again(tenant: Tenant, admin: httpx.Client) -> None:
    with Receiver(Reply(410)) as receiver:
        made = create(admin, url=receiver.url)
        address = f"{WEBHOOKS}/{made['id']}"
        revoke(tenant)
        deliver(tenant)
        assert admin.get(address).json()["disabled_reason"].startswith("it answered 410 Gone")
        request = {"since": "2026-03-02T12:00:00Z", "only_undelivered": True}
        assert admin.post(f"{address}/replay", json=request).status_code == 409
        admin.patch(address, json={"enabled": True})
        assert admin.post(f"{address}/replay", json={"since": "2026-03-02T12:00:01Z"}).json() == {
            "replayed": 0
        }
        assert admin.post(f"{address}/replay", json=request).json() == {"replayed": 1}
        deliver(tenant)
        assert len(receiver.requests) == 2


def test_the_log_pages(admin: httpx.Client) -> None:
    made = create(admin)
    address = f"{WEBHOOKS}/{made['id']}/deliveries"
    for _ in range(3):
        admin.post(f"{WEBHOOKS}/{made['id']}/test")
    first = admin.get(address, params={"limit": 2}).json()
    assert first["has_more"]
    rest = admin.get(address, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert len({one["id"] for one in first["data"] + rest["data"]}) == 3
    wrong = admin.get(address, params={"status": "exhausted", "cursor": first["next_cursor"]})
    assert wrong.json()["code"] == "cursor_of_another_filter"


def test_monitoring_sees_the_backlog(tenant: Tenant, admin: httpx.Client) -> None:
    create(admin)
    revoke(tenant)
    text = admin.get("/metrics").text
    backlog = next(line for line in text.splitlines() if line.startswith("socialflow_webhook_backlog "))
    assert float(backlog.split()[1]) >= 1


def test_the_document_names_the_events_that_there_are() -> None:
    assert get_args(EventType) == EVENT_TYPES


@pytest.mark.parametrize(
    "url",
    [
        "https://0177.0.0.1/",
        "https://0x7f.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://\u2488/",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://[::1/",
        "https://[1::2::3]/",
        "https://a..example/",
        "https://" + "a" * 64 + ".example/",
        "https://xn--/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://%30x7f.1/",
    ],
)
def test_a_host_of_no_usual_spelling_names_the_field(url: str) -> None:
    with pytest.raises(GiveUpError, match="url"):
        asyncio.run(check_webhook_url(url, WebhookSettings()))
    with pytest.raises(GiveUpError):
        check_instance_url(url, field="instance_url", allow_private=False)


def test_such_a_host_is_a_422(admin: httpx.Client) -> None:
    for url in ("https://0177.0.0.1/", "https://\u2488/"):
        answer = admin.post(WEBHOOKS, json={"url": url, "events": ["post.published"]})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")
