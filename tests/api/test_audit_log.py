"""The audit log: every operation that changes who may do what writes to it, and none writes a secret."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.api.accounts.test_accounts import connect as connect_by_token
from tests.api.accounts.test_connect import Browser
from tests.api.accounts.test_connect import start as start_connection
from tests.api.dashboard.test_pages import form_token
from tests.api.dashboard.test_pages import make_key as make_dashboard_key
from tests.api.dashboard.test_pages import sign_in as sign_in_to_dashboard
from tests.api.harness import NOON, in_hours, make_tenant, open_anonymous
from tests.api.operations import OPERATIONS, Operation
from tests.api.test_every_route import ACCEPTED_SCOPES, make_ids
from warehouse.store.audit.log import describe_entry, list_entries
from warehouse.store.audit.models import AuditEntry

if TYPE_CHECKING:
    from tests.api.harness import Server, Tenant

AUDIT = "/api/v1/audit-log"

NOT_RECORDED = {
    "send_test_event": "It changes nothing; the delivery itself is kept in the list of deliveries.",
    "replay_webhook_delivery": "It sends again what the workspace has already; the deliveries show it.",
    "replay_webhook_deliveries": "The same for several.",
    "connect_account": "Needs a token that the platform accepts: test_connecting_an_account_is_recorded.",
    "start_account_connection": "Needs a platform: test_starting_a_connection_is_recorded.",
    "approve_post": "Needs a post that waits for approval: test_decisions_are_recorded.",
    "reject_post": "The same.",
}
"""State-changing operations that this walk does not see writing an entry, and why."""
GOVERNED = [
    one
    for one in OPERATIONS
    if one.method != "GET"
    and (
        ACCEPTED_SCOPES.get(one.id, set()) & {"admin", "accounts", "approve"}
        or one.path.startswith("/api/v1/workspace")
    )
]


def entries_of(tenant: Tenant) -> list[dict[str, Any]]:
    with tenant.server.services.store.read() as session:
        return [describe_entry(row) for row in list_entries(session, tenant.workspace_id)]


def failures_of(server: Server, address: str | None = None) -> list[AuditEntry]:
    with server.services.store.read() as session:
        rows = session.query(AuditEntry).filter_by(action="sign_in_failed").order_by(AuditEntry.id).all()
    return [row for row in rows if address is None or row.address == address]


def sign_in(server: Server, key: str, secret: str) -> httpx.Response:
    with open_anonymous(server) as client:
        return client.post("/api/v1/auth/token", json={"api_key": key, "api_secret": secret})


def test_the_walk_covers_what_it_should() -> None:
    names = {one.id for one in GOVERNED}
    assert {"create_api_key", "update_workspace", "disconnect_account", "delete_webhook"} <= names
    assert NOT_RECORDED.keys() <= names


@pytest.mark.parametrize("operation", GOVERNED, ids=repr)
def test_every_governing_operation_writes_an_entry(server: Server, operation: Operation) -> None:
    tenant = make_tenant(server)
    ids = make_ids(tenant)
    with tenant.client_with("admin") as admin:
        before = entries_of(tenant)
        answer = operation.call(admin, ids)
        new = entries_of(tenant)[: len(entries_of(tenant)) - len(before)]
    tenant.client.close()
    if operation.id in NOT_RECORDED:
        return
    assert answer.is_success, answer.text
    assert len(new) == 1, f"{operation.id} wrote {len(new)} entries"
    assert new[0]["actor"]["kind"] == "api_key"
    assert new[0]["address"] == "127.0.0.1"
    assert new[0]["at"] == NOON


def test_entries_tell_who_what_and_from_where_without_a_secret(server: Server, tenant: Tenant) -> None:
    with tenant.client_with("admin") as admin:
        made = admin.post("/api/v1/api-keys", json={"name": "reports", "scopes": ["read"]}).json()
        admin.delete(f"/api/v1/api-keys/{made['id']}")
        admin.patch("/api/v1/workspace", json={"timezone": "Asia/Kolkata", "approval_required": True})
        body = admin.get(AUDIT).json()
    changed, revoked, created = body["data"][:3]
    assert changed["detail"] == {
        "timezone": {"before": "UTC", "after": "Asia/Kolkata"},
        "approval_required": {"before": False, "after": True},
    }
    assert (revoked["action"], created["action"]) == ("api_key_revoked", "api_key_created")
    assert created["subject_id"] == made["id"]
    assert created["detail"] == {"name": "reports", "scopes": ["read"], "expires_at": None}
    assert created["actor"]["id"].startswith("key_")
    text = json.dumps(body)
    assert made["api_key"] not in text
    assert made["api_secret"] not in text
    assert server.clock() == NOON


def test_an_entry_falls_with_the_change_that_fails(tenant: Tenant) -> None:
    with tenant.client_with("admin") as admin:
        before = len(entries_of(tenant))
        assert admin.patch("/api/v1/workspace", json={"timezone": "Mars/Base"}).status_code == 422
    assert len(entries_of(tenant)) == before


def test_the_list_is_paged_and_filtered(server: Server, tenant: Tenant) -> None:
    with tenant.client_with("admin") as admin:
        for number in range(5):
            admin.post("/api/v1/api-keys", json={"name": f"k{number}", "scopes": ["read"]})
        server.clock.advance(minutes=30)
        admin.post("/api/v1/workspace/pause")
        names, cursor = [], None
        while True:
            params = {"action": "api_key_created", "limit": "2", **({"cursor": cursor} if cursor else {})}
            page = admin.get(AUDIT, params=params).json()
            names += [one["detail"]["name"] for one in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert names[:5] == ["k4", "k3", "k2", "k1", "k0"]
        assert len(names) == len(set(names))
        late = admin.get(AUDIT, params={"from": in_hours(0.25)}).json()["data"]
        assert [one["action"] for one in late] == ["publishing_paused"]
        early = admin.get(AUDIT, params={"to": in_hours(0.25), "action": "publishing_paused"}).json()["data"]
        assert early == []
        actor = late[0]["actor"]
        for wanted in (actor["id"], actor["name"]):
            params = {"actor": wanted, "action": "publishing_paused"}
            assert len(admin.get(AUDIT, params=params).json()["data"]) == 1
        assert admin.get(AUDIT, params={"actor": "nobody"}).json()["data"] == []
        refused = admin.get(AUDIT, params={"action": "party"})
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_action")


def test_sign_ins_are_recorded(server: Server, tenant: Tenant) -> None:
    before = len(entries_of(tenant))
    assert sign_in(server, tenant.key.api_key, tenant.key.api_secret).status_code == 200
    newest = entries_of(tenant)[: len(entries_of(tenant)) - before]
    assert [(one["action"], one["detail"], one["actor"]["id"]) for one in newest] == [
        ("sign_in", {"via": "token"}, tenant.key.row.id)
    ]


def test_failed_sign_ins_are_counted_and_bounded(server: Server, tenant: Tenant) -> None:
    server.clock.advance(minutes=7)
    before = len(entries_of(tenant))
    for _ in range(25):
        assert sign_in(server, tenant.key.api_key, "wrong").status_code in (401, 429)
    new = entries_of(tenant)[: len(entries_of(tenant)) - before]
    assert [one["detail"]["failures_this_minute"] for one in new] == [10, 1]
    assert {one["subject_id"] for one in new} == {tenant.key.row.id}
    server.clock.advance(minutes=1)
    unknown = len(failures_of(server))
    for number in range(30):
        sign_in(server, f"sf_guess{number}", "wrong")
    rows = failures_of(server)[unknown:]
    assert [row.detail["failures_this_minute"] for row in rows] == [1, 10]
    assert {row.workspace_id for row in rows} == {None}
    assert "guess" not in json.dumps([row.detail for row in rows])


def test_decisions_are_recorded(server: Server, tenant: Tenant) -> None:
    with tenant.client_with("admin") as admin:
        admin.patch("/api/v1/workspace", json={"approval_required": True})
        first, second = (tenant.create_post(content=text)["id"] for text in ("one", "two"))
        assert admin.post(f"/api/v1/posts/{first}/approve").status_code == 200
        refused = admin.post(f"/api/v1/posts/{second}/reject", json={"reason": "confidential words"})
        assert refused.status_code == 200
    newest = entries_of(tenant)[:2]
    assert [(one["action"], one["subject_id"]) for one in newest] == [
        ("post_rejected", second),
        ("post_approved", first),
    ]
    assert "confidential" not in str(newest)
    assert server.clock() == NOON


def test_every_reason_names_a_test_that_exists() -> None:
    named = {name for reason in NOT_RECORDED.values() for name in re.findall(r"test_\w+", reason)}
    assert named
    assert named <= globals().keys()


def test_connecting_an_account_is_recorded(server: Server) -> None:
    tenant = make_tenant(server)
    made = connect_by_token(tenant, "mastodon")
    assert made.status_code == 201, made.text
    newest, *older = entries_of(tenant)
    assert (newest["action"], newest["subject_id"]) == ("account_connected", made.json()["id"])
    assert newest["detail"] == {"platform": "mastodon", "handle": made.json()["handle"]}
    assert (newest["actor"]["id"], newest["address"]) == (tenant.key.row.id, "127.0.0.1")
    assert not [one for one in older if one["action"] == "account_connected"]
    refused = connect_by_token(tenant, "twitter", access_token="wrong")
    assert not refused.is_success
    assert entries_of(tenant)[0] == newest
    tenant.client.close()


def test_starting_a_connection_is_recorded(tenant: Tenant) -> None:
    started = start_connection(tenant, "mastodon")
    newest = entries_of(tenant)[0]
    assert (newest["action"], newest["detail"]) == ("account_connection_started", {"platform": "mastodon"})
    assert newest["actor"]["id"] == tenant.key.row.id
    assert httpx.URL(started["authorization_url"]).params["state"] not in str(newest)


def test_the_end_of_a_connection_is_recorded(tenant: Tenant) -> None:
    browser = Browser(tenant)
    location = browser.consent(start_connection(tenant, "mastodon")["authorization_url"])
    assert browser.come_back(location).status_code == 200
    connected, started = entries_of(tenant)[:2]
    assert (started["action"], connected["action"]) == ("account_connection_started", "account_connected")
    assert connected["actor"]["id"] == tenant.key.row.id
    assert connected["address"] == "127.0.0.1"
    assert location.params["code"] not in str(connected)

    location = browser.consent(start_connection(tenant, "mastodon")["authorization_url"])
    assert browser.come_back(location, code="", error="access_denied").status_code == 403
    failed, started = entries_of(tenant)[:2]
    assert (started["action"], failed["action"]) == (
        "account_connection_started",
        "account_connection_failed",
    )
    assert failed["detail"] == {"platform": "mastodon", "reason": "consent_denied"}
    assert (failed["actor"]["id"], failed["address"]) == (tenant.key.row.id, "127.0.0.1")

    # Anyone can open the callback with a made-up state: that writes nothing.
    before = entries_of(tenant)
    assert browser.come_back(location, state="made-up").status_code == 403
    assert entries_of(tenant) == before


def test_the_dashboard_is_recorded_with_its_session(tenant: Tenant) -> None:
    key = make_dashboard_key(tenant, "read", "admin")
    with sign_in_to_dashboard(tenant.server, key) as browser:
        signed_in = entries_of(tenant)[0]
        assert (signed_in["action"], signed_in["detail"]["via"]) == ("sign_in", "dashboard")
        fields = {"name": "made there", "scope": "read", "days": "30", "form_token": form_token(browser)}
        assert browser.post("/dashboard/keys", data=fields).status_code == 200
        made = entries_of(tenant)[0]
        assert (made["action"], made["detail"]["name"]) == ("api_key_created", "made there")
        assert (made["actor"]["kind"], made["actor"]["id"]) == ("dashboard", key.row.id)
        assert made["actor"]["session_id"]
        assert made["address"] == "127.0.0.1"
        browser.post("/dashboard/logout", data={"form_token": form_token(browser)})
    ended = entries_of(tenant)[0]
    assert (ended["action"], ended["subject_id"]) == ("sign_out", made["actor"]["session_id"])
    assert ended["actor"]["kind"] == "dashboard"


def test_an_export_is_recorded(server: Server, tenant: Tenant) -> None:
    with tenant.client_with("analytics") as analyst:
        assert analyst.get("/api/v1/analytics/export", params={"table": "accounts"}).status_code == 200
    newest = entries_of(tenant)[0]
    assert (newest["action"], newest["detail"]["table"]) == ("data_exported", "accounts")
    assert server.clock() == NOON


def test_only_administrators_see_their_own_workspaces_log(server: Server, tenant: Tenant) -> None:
    other = make_tenant(server)
    with tenant.client_with("admin") as admin, tenant.client_with("read", "write", "accounts") as reader:
        listed = admin.get(AUDIT, params={"limit": "100"}).json()["data"]
        assert reader.get(AUDIT).status_code == 403
    assert listed
    assert other.key.row.id not in json.dumps(listed)
    other.client.close()
