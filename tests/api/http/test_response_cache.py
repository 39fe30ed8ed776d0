"""Answers given again: the same bytes while nothing changed, and never a moment longer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from api.settings import ApiSettings
from tests.api.harness import (
    RunningServer,
    SettableClock,
    in_hours,
    make_tenant,
    open_anonymous,
    open_client,
)
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import revoke_api_key
from warehouse.store.database import Store
from warehouse.store.models import Post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.harness import Server, Tenant

POSTS = "/api/v1/posts"
OVERVIEW = "/api/v1/analytics/overview"


@contextmanager
def statements(server: Server) -> Iterator[list[str]]:
    """Collect what the API asks its store meanwhile."""
    seen: list[str] = []
    engine = server.services.store._engine

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_an_unchanged_list_is_given_again_without_asking_the_store(tenant: Tenant) -> None:
    tenant.create_post()
    first = tenant.client.get(POSTS)
    with statements(tenant.server) as seen:
        again = tenant.client.get(POSTS)
    assert seen == []
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    # It counts like any other request.
    assert int(again.headers["ratelimit-remaining"]) == int(first.headers["ratelimit-remaining"]) - 1
    assert again.headers["x-content-type-options"] == "nosniff"


def test_a_change_shows_at_once(tenant: Tenant) -> None:
    ids: list[str] = []
    for number in range(3):
        ids.insert(0, tenant.create_post(content=f"post {number}")["id"])
        for _ in range(2):
            assert [entry["id"] for entry in tenant.client.get(POSTS).json()["data"]] == ids
    tenant.client.delete(f"{POSTS}/{ids[0]}")
    assert tenant.client.get(POSTS).json()["data"][0]["status"] == "canceled"


def test_a_change_by_another_process_shows_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with RunningServer(home, SettableClock()) as server, Store.open(WarehouseSettings(home=home)) as other:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        post_id = tenant.create_post()["id"]
        assert tenant.client.get(POSTS).json()["data"][0]["client_ref"] is None
        with other.write() as session:
            session.get_one(Post, post_id).client_ref = "from elsewhere"
        assert tenant.client.get(POSTS).json()["data"][0]["client_ref"] == "from elsewhere"


def test_a_revoked_or_ended_token_gets_nothing_remembered(tenant: Tenant) -> None:
    assert [tenant.client.get(POSTS).status_code for _ in range(2)] == [200, 200]
    tenant.server.clock.advance(hours=1)
    assert tenant.client.get(POSTS).json()["code"] == "invalid_token"
    tenant.server.clock.advance(hours=-1)
    assert [tenant.client.get(POSTS).status_code for _ in range(2)] == [200, 200]
    with tenant.server.services.store.write() as session:
        revoke_api_key(session, tenant.workspace_id, tenant.key.row.id, tenant.server.clock())
    assert tenant.client.get(POSTS).json()["code"] == "revoked_key"


def test_nobody_gets_what_another_was_given(tenant: Tenant) -> None:
    tenant.create_post()
    assert len(tenant.client.get(POSTS).json()["data"]) == 1
    assert len(tenant.client.get(POSTS).json()["data"]) == 1
    assert make_tenant(tenant.server).client.get(POSTS).json()["data"] == []
    with tenant.client_with("analytics") as narrow:
        assert narrow.get(POSTS).status_code == 403
    anonymous = tenant.client.get(POSTS, headers={"Authorization": ""})
    assert anonymous.status_code == 401


def test_the_overview_is_remembered_until_the_minute_ends(tenant: Tenant) -> None:
    first = tenant.client.get(OVERVIEW)
    # The first answers may come too soon after the lake was made for its files to prove anything.
    for _ in range(100):
        with statements(tenant.server) as seen:
            again = tenant.client.get(OVERVIEW)
        if not seen:
            break
    assert seen == []
    assert again.content == first.content
    unchanged = tenant.client.get(OVERVIEW, headers={"If-None-Match": first.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    tenant.server.clock.advance(minutes=1)
    later = tenant.client.get(OVERVIEW)
    assert later.json()["period"]["to"] != first.json()["period"]["to"]


def test_remembered_answers_are_limited_too(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "home", SettableClock(), ApiSettings(rate_limit=3)) as server:
        tenant = make_tenant(server)
        answers = [tenant.client.get(POSTS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_mark_tells_every_commit_or_there_is_none(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    with RunningServer(tmp_path / "home", SettableClock(), database_url=url) as server:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        mark = server.services.store.change_mark()
        assert (mark is None) == (database == "postgresql")
        for number in range(3):
            tenant.create_post(content=f"post {number}", scheduled_at=in_hours(number + 1))
            assert len(tenant.client.get(POSTS).json()["data"]) == number + 1
            changed = server.services.store.change_mark()
            assert changed is None or changed != mark
            mark = changed


def test_a_remembered_answer_is_only_for_whom_the_check_lets_in(tenant: Tenant) -> None:
    """Two Authorization headers: the memory took the last, the check the first."""
    good, path = tenant.client.headers["Authorization"], POSTS
    tenant.create_post(content="secret plan")
    garbage = "Bearer garbage"
    with open_anonymous(tenant.server) as client:
        for pair in ((good, garbage), (garbage, good)):
            answer = client.get(path, headers=[("Authorization", value) for value in pair])
            assert (answer.status_code, answer.json()["code"]) == (400, "repeated_header")
            assert client.get(path, headers={"Authorization": garbage}).status_code == 401


def test_a_token_with_fewer_rights_gets_nothing_remembered_for_one_with_more(tenant: Tenant) -> None:
    with tenant.client_with("analytics") as analyst, tenant.client_with("read") as reader:
        assert [analyst.get(OVERVIEW).status_code for _ in range(2)] == [200, 200]
        both = [
            ("Authorization", analyst.headers["Authorization"]),
            ("Authorization", reader.headers["Authorization"]),
        ]
        with open_anonymous(tenant.server) as client:
            assert client.get(OVERVIEW, headers=both).status_code == 400
        assert reader.get(OVERVIEW).status_code == 403


def test_two_tokens_of_one_key_share_an_answer_and_other_spellings_are_understood(tenant: Tenant) -> None:
    tenant.create_post()
    first = tenant.client.get(POSTS)
    with open_client(tenant.server, tenant.key) as other:
        other.get(POSTS)  # signing in has changed the store
        with statements(tenant.server) as seen:
            token = other.headers["Authorization"].removeprefix("Bearer ")
            again = other.get(POSTS, headers={"Authorization": f"bearer {token}"})
        assert seen == []
    assert again.content == first.content
