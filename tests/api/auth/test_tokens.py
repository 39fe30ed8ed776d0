from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import pytest

from api.auth.sign_in import check_credentials
from api.http.errors import ApiError
from api.settings import ApiSettings
from tests.api.harness import (
    NOON,
    RunningServer,
    SettableClock,
    make_tenant,
    open_anonymous,
    open_client,
)
from warehouse.store.access.api_keys import create_api_key, list_api_keys

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.api.harness import Server, Tenant

TOKEN = "/api/v1/auth/token"


def exchange(server: Server, **body: object) -> httpx.Response:
    with open_anonymous(server) as client:
        return client.post(TOKEN, json=body)


def test_the_answer_is_exactly_the_printed_one_and_is_never_stored(tenant: Tenant) -> None:
    key = tenant.key
    answer = exchange(tenant.server, api_key=key.api_key, api_secret=key.api_secret)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["access_token", "token_type", "expires_in"]
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    assert jwt.get_unverified_header(body["access_token"])["alg"] == "HS256"


def test_wrong_credentials_look_alike(tenant: Tenant) -> None:
    key = tenant.key
    answers = [
        exchange(tenant.server, api_key=key.api_key, api_secret="wrong"),
        exchange(tenant.server, api_key="sf_unknown", api_secret=key.api_secret),
    ]
    assert {answer.status_code for answer in answers} == {401}
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "invalid_credentials"


def test_a_token_ends_after_an_hour(tenant: Tenant) -> None:
    tenant.server.clock.advance(seconds=3599)
    assert tenant.client.get("/api/v1/posts").status_code == 200
    tenant.server.clock.advance(seconds=1)
    assert tenant.client.get("/api/v1/posts").json()["code"] == "invalid_token"


def test_a_token_of_another_signing_key_is_refused(tenant: Tenant) -> None:
    claims = {"iss": "socialflow", "sub": tenant.key.row.id, "scope": "admin", "exp": 4_000_000_000}
    forged = jwt.encode(claims, "x" * 32, algorithm="HS256")
    answer = tenant.client.get("/api/v1/posts", headers={"Authorization": f"Bearer {forged}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_can_hold_less_than_its_key(tenant: Tenant) -> None:
    with open_client(tenant.server, tenant.key, scope="read") as reader:
        assert reader.get("/api/v1/posts").status_code == 200
        assert reader.delete("/api/v1/posts/any").json()["code"] == "missing_scope"
    beyond = exchange(
        tenant.server, api_key=tenant.key.api_key, api_secret=tenant.key.api_secret, scope="read admin"
    )
    assert (beyond.status_code, beyond.json()["errors"][0]["pointer"]) == (422, "/scope")


def test_an_expired_key_gets_no_token_and_its_tokens_stop(server: Server) -> None:
    tenant = make_tenant(server)
    with server.services.store.write() as session:
        key = create_api_key(
            session,
            server.services.store.cipher,
            tenant.workspace_id,
            "short",
            ["read"],
            NOON,
            NOON + timedelta(minutes=5),
        )
    with open_client(server, key) as client:
        server.clock.advance(minutes=5)
        assert client.get("/api/v1/posts").json()["code"] == "revoked_key"
    assert exchange(server, api_key=key.api_key, api_secret=key.api_secret).status_code == 401


def test_use_is_noted(tenant: Tenant) -> None:
    with tenant.server.services.store.read() as session:
        (row,) = list_api_keys(session, tenant.workspace_id)
    assert row.last_used_at == NOON


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"api_key": "a"}, "/api_secret"),
        ({"api_key": 1, "api_secret": "b"}, "/api_key"),
        ({"api_key": "a", "api_secret": "b", "secret": "c"}, "/secret"),
        ([], ""),
    ],
)
def test_a_wrong_body_names_its_field(server: Server, body: object, pointer: str) -> None:
    with open_anonymous(server) as client:
        answer = client.post(TOKEN, content=json.dumps(body))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_guessing_is_slowed_down_and_locks_nobody_out(tmp_path: Path) -> None:
    clock = SettableClock()
    with RunningServer(tmp_path / "home", clock, ApiSettings(auth_failures=3)) as server:
        tenant = make_tenant(server)
        right = {"api_key": tenant.key.api_key, "api_secret": tenant.key.api_secret}
        wrong = {**right, "api_secret": "guess"}
        assert [exchange(server, **wrong).status_code for _ in range(4)] == [401, 401, 401, 429]
        assert [exchange(server, **right).status_code for _ in range(20)] == [200] * 20
        slowed = exchange(server, **wrong)
        assert (slowed.status_code, slowed.json()["retryable"]) == (429, True)
        # Another key from the same address is slowed down too, and right ones of it are not.
        assert exchange(server, api_key="sf_other", api_secret="guess").status_code == 429
        clock.advance(seconds=int(slowed.headers["retry-after"]))
        assert exchange(server, **wrong).status_code == 401


def test_a_key_is_guessed_no_faster_from_many_addresses(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "home", SettableClock(), ApiSettings(auth_failures=3)) as server:
        seen = []
        for number in range(5):
            with pytest.raises(ApiError) as refused:
                check_credentials(server.services, f"192.0.2.{number}", "sf_one", "guess", via="token")
            seen.append(refused.value.status)
        assert seen == [401, 401, 401, 429, 429]


def test_requests_are_limited_per_key(tmp_path: Path) -> None:
    clock = SettableClock()
    with RunningServer(tmp_path / "home", clock, ApiSettings(rate_limit=3)) as server:
        first, second = make_tenant(server), make_tenant(server)
        answers = [first.client.get("/api/v1/accounts") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert answers[0].headers["ratelimit-limit"] == "3"
        assert answers[3].json()["code"] == "rate_limited"
        assert second.client.get("/api/v1/accounts").status_code == 200
        clock.advance(seconds=int(answers[3].headers["retry-after"]))
        assert first.client.get("/api/v1/accounts").status_code == 200
