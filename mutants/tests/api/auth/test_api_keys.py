from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.harness import NOON, in_hours, make_tenant, open_anonymous, open_client
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.models import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.harness import Server

KEYS = "/api/v1/api-keys"
WANTED = {"name": "reports", "scopes": ["analytics", "read"]}


@pytest.fixture
def admin(server: Server) -> Iterator[httpx.Client]:
    """A client that holds the scope admin and no other by name."""
    with make_tenant(server).client_with("admin") as client:
        yield client


def sign_in(server: Server, made: dict[str, Any], **fields: str) -> httpx.Client:
    body = {"api_key": made["api_key"], "api_secret": made["api_secret"], **fields}
    with open_anonymous(server) as anonymous:
        answer = anonymous.post("/api/v1/auth/token", json=body)
    assert answer.status_code == 200, answer.text
    client = open_anonymous(server)
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def test_a_key_is_shown_once_and_works(server: Server, admin: httpx.Client) -> None:
    answer = admin.post(KEYS, json=WANTED)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert made["scopes"] == ["read", "analytics"]
    shown = admin.get(answer.headers["location"])
    assert shown.json() == {k: v for k, v in made.items() if k not in ("api_key", "api_secret")}
    listed = admin.get(KEYS)
    assert made["id"] in {entry["id"] for entry in listed.json()["data"]}
    for text in (shown.text, listed.text):
        assert made["api_key"] not in text
        assert made["api_secret"] not in text
    with sign_in(server, made) as client:
        assert client.get("/api/v1/posts").status_code == 200
        assert client.get(KEYS).json()["code"] == "missing_scope"
        revoked = admin.delete(answer.headers["location"])
        assert (revoked.status_code, revoked.json()["status"]) == (200, "revoked")
        assert client.get("/api/v1/posts").json()["code"] == "revoked_key"
    assert admin.delete(answer.headers["location"]).json() == revoked.json()


def test_a_repeated_request_makes_one_key_and_stores_no_secret(server: Server, admin: httpx.Client) -> None:
    headers = {"Idempotency-Key": "one-key"}
    first, second = (admin.post(KEYS, json=WANTED, headers=headers) for _ in range(2))
    assert second.headers["idempotent-replayed"] == "true"
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == {**first.json(), "api_key": None, "api_secret": None}
    with server.services.store.read() as session:
        kept = [row.body or b"" for row in session.query(IdempotencyKey).filter_by(key="one-key")]
    assert kept
    assert not [body for body in kept if first.json()["api_secret"].encode() in body]


def test_a_token_of_an_admin_key_can_hold_less(server: Server, admin: httpx.Client) -> None:
    made = admin.post(KEYS, json={"name": "all", "scopes": ["admin"]}).json()
    with sign_in(server, made, scope="read") as narrow:
        assert narrow.get("/api/v1/posts").status_code == 200
        assert narrow.post(KEYS, json=WANTED).json()["code"] == "missing_scope"


def test_a_key_that_ends_makes_none_that_outlives_it(server: Server) -> None:
    tenant, store = make_tenant(server), server.services.store
    with store.write() as session:
        ending = create_api_key(
            session, store.cipher, tenant.workspace_id, "ending", ["admin"], NOON, NOON + timedelta(hours=2)
        )
    with open_client(server, ending) as client:
        for ends in (None, in_hours(3)):
            refused = client.post(KEYS, json={**WANTED, "expires_at": ends})
            assert (refused.status_code, refused.json()["code"]) == (422, "beyond_own_expiry")
            assert refused.json()["errors"][0]["pointer"] == "/expires_at"
        made = client.post(KEYS, json={**WANTED, "expires_at": in_hours(1)})
        assert (made.status_code, made.json()["expires_at"]) == (201, "2026-03-02T13:00:00Z")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "   "}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"expires_at": "soon"}, "/expires_at"),
        ({"expires_at": in_hours(-1)}, "/expires_at"),
    ],
)
def test_a_wrong_field_is_named_and_makes_nothing(
    admin: httpx.Client, fields: dict[str, object], pointer: str
) -> None:
    before = admin.get(KEYS).json()
    answer = admin.post(KEYS, json={**WANTED, **fields})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert admin.get(KEYS).json() == before


def test_the_list_goes_on_with_its_cursor(admin: httpx.Client) -> None:
    made = [admin.post(KEYS, json={**WANTED, "name": f"key {number}"}).json()["id"] for number in range(5)]
    seen: list[str] = []
    address: str | None = f"{KEYS}?limit=2"
    while address:
        page = admin.get(address)
        seen += [entry["id"] for entry in page.json()["data"]]
        address = page.links["next"]["url"] if page.json()["has_more"] else None
    assert seen[:5] == made[::-1]
    assert len(seen) == len(set(seen)) == 7
