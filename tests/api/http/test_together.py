"""Requests that arrive at the same time: one commit for their posts, one computation for their lists, one count."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import httpx
import pytest
from sqlalchemy import event, func, select

from api.http.grouped_reads import GroupedReads
from api.http.rate_limits import PostgresRateLimiter, open_rate_limiters
from api.http.renderings import Renderings
from api.http.schemas import Page
from api.http.shared_runs import SharedRuns
from api.posts.rendered import render_pages
from api.posts.responses import answer_saved
from api.posts.schemas import PostCreate, PostOut
from api.posts.views import render_post
from api.settings import ApiSettings
from connectors.types import Platform
from tests.api.harness import RunningServer, SettableClock, in_hours, make_tenant
from warehouse.errors import ConflictError
from warehouse.planning import posts as planned_posts
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import revoke_api_key
from warehouse.store.access.workspaces import update_workspace
from warehouse.store.database import Store
from warehouse.store.models import IdempotencyKey, Post, Publication, PublicationAttempt, Workspace
from warehouse.store.posts.idempotency import GroupedWork, RepeatableRequest, StoredAnswer, answer_together
from warehouse.store.posts.list_rows import PageQuestion
from warehouse.store.posts.reads import PostFilter, list_posts, list_publications
from warehouse.store.publishing.ledger import verify_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.api.harness import Tenant
    from warehouse.store.posts.idempotency import StoreSession

POSTS = "/api/v1/posts"


@pytest.fixture(params=["sqlite", "postgresql"])
def tenant_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A workspace on each database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    home = tmp_path_factory.mktemp("together")
    with RunningServer(home, SettableClock(), ApiSettings(rate_limit=10**6), database_url=url) as server:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        tenant.add_account("mastodon")
        yield tenant
        tenant.client.close()


def post(text: str, key: str | None = None, **fields: Any) -> tuple[dict[str, Any], str | None]:
    return {"content": text, "platforms": ["twitter"], "scheduled_at": in_hours(2), **fields}, key


def send(tenant: Tenant, requests: Sequence[tuple[dict[str, Any], str | None]]) -> list[httpx.Response]:
    """Send all at once."""

    async def run() -> list[httpx.Response]:
        headers = {"Authorization": tenant.client.headers["Authorization"]}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with httpx.AsyncClient(base_url=tenant.server.url, headers=headers, verify=context) as client:
            return await asyncio.gather(
                *(
                    client.post(POSTS, json=body, headers={"Idempotency-Key": key} if key else {})
                    for body, key in requests
                )
            )

    return asyncio.run(run())


def test_posts_that_arrive_together_have_the_outcome_they_would_have_alone(tenant_on: Tenant) -> None:
    upload = tenant_on.upload()
    media = [{"url": upload["url"], "alt_text": "a"}]
    answers = send(
        tenant_on,
        [
            *[post(f"plain {number}", f"plain-{number}") for number in range(6)],
            *[post("twice") for _ in range(3)],
            *[post("same key", "same") for _ in range(3)],
            post("another body", "plain-0"),
            post("no such account", "refused", platforms=["youtube"]),
            post("x" * 400, "too-long"),
            post("with a picture", "picture", media=media),
            post("kept for later", "draft", status="draft"),
            post("on two", "both", platforms=["twitter", "mastodon"]),
            post("again with a picture", "picture-2", media=media, platforms=["mastodon"]),
        ],
    )
    codes = [answer.status_code for answer in answers]
    assert codes[1:6] == [201] * 5
    assert sorted(codes[6:9]) == [201, 409, 409]
    refused = [answer.json() for answer in answers[6:9] if answer.status_code == 409]
    kept = next(answer.json() for answer in answers[6:9] if answer.status_code == 201)
    assert {one["existing_id"] for one in refused} == {kept["id"]}
    assert codes[9:12] == [201] * 3
    assert len({answer.content for answer in answers[9:12]}) == 1
    replayed = [answer for answer in answers[9:12] if answer.headers.get("idempotent-replayed") == "true"]
    assert len(replayed) == 2
    # One of the two that use the key plain-0 came first.
    assert sorted([codes[0], codes[12]]) == [201, 422]
    assert codes[13:] == [422, 422, 201, 201, 201, 201]
    # A refused request gives its key back.
    assert send(tenant_on, [post("now on one", "refused")])[0].status_code == 201
    with tenant_on.server.services.store.read() as session:
        stored = session.scalar(
            select(func.count()).select_from(Post).where(Post.workspace_id == tenant_on.workspace_id)
        )
        assert stored == codes.count(201) - 2 + 1
        ids = session.scalars(select(Publication.id)).all()
        assert [verify_ledger(session, one) for one in ids] == [[]] * len(ids)
        assert session.scalar(select(func.count()).select_from(PublicationAttempt)) == len(ids)
        waiting = select(func.count()).select_from(IdempotencyKey).where(IdempotencyKey.status.is_(None))
        assert session.scalar(waiting) == 0
    listed = {one["id"]: one for one in tenant_on.client.get(POSTS, params={"limit": 100}).json()["data"]}
    for answer in answers:
        if answer.status_code == 201:
            shown = answer.json()
            assert listed[shown["id"]] == shown


def test_duplicates_among_posts_that_arrive_together_are_refused_each_for_itself(tenant_on: Tenant) -> None:
    """One query looks for stored duplicates of all; if it finds some, each post is compared by itself."""
    stored = tenant_on.create_post(content="said before", platforms=["twitter"])["id"]
    media = [{"url": tenant_on.upload()["url"], "alt_text": "a"}]
    pictured = [post("with the same picture", f"media-{number}", media=media) for number in range(2)]
    answers = send(
        tenant_on,
        [
            *[post(f"new {number}", f"new-{number}") for number in range(8)],
            post("said before", "again"),
            post("said before", "elsewhere", platforms=["mastodon"]),
            post("said before", "on-purpose", allow_duplicate=True),
            post("said before", "much-later", scheduled_at=in_hours(72)),
            *pictured,
        ],
    )
    codes = [answer.status_code for answer in answers]
    assert codes[:8] == [201] * 8
    assert codes[9:12] == [201] * 3
    assert sorted(codes[12:]) == [201, 409]
    assert codes[8] == 409
    assert answers[8].json()["existing_id"] == stored or codes[10] == 201
    listed = tenant_on.client.get(POSTS, params={"limit": 100}).json()["data"]
    assert len(listed) == 1 + codes.count(201)


def test_a_group_is_made_once_unless_one_of_it_was_said_before(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "home", SettableClock()) as server:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        media = [{"url": tenant.upload()["url"], "alt_text": "a"}]
        stored = tenant.create_post(content="said before")["id"]
        tried: list[str] = []

        def work(text: str, **fields: Any) -> GroupedWork:
            body = PostCreate.model_validate(post(text, **fields)[0])

            def write(session: StoreSession) -> StoredAnswer:
                tried.append(text)
                planning = server.services.planning(session, tenant.workspace_id)
                return answer_saved(planned_posts.create_post(planning, body), 201)

            return GroupedWork(None, write, server.clock())

        def make(*group: GroupedWork) -> list[str | None]:
            tried.clear()
            outcomes = answer_together(server.services.store, group)
            return [one.existing_id if isinstance(one, ConflictError) else None for one in outcomes]

        # A picture is written directly in between, and what was staged with it; nothing is made twice.
        first = make(work("a"), work("b", media=media), work("c"), work("d", allow_duplicate=True))
        assert (first, tried) == ([None] * 4, ["a", "b", "c", "d"])
        assert make(work("e"), work("f", media=media), work("e"), work("f", media=media))[:2] == [None, None]
        assert tried == ["e", "f", "e", "f"]
        assert make(work("g"), work("said before"), work("g")) == [None, stored, ANY]
        assert tried == ["g", "said before", "g"] * 2


def test_posts_that_wait_for_approval_are_written_together_too(tenant_on: Tenant) -> None:
    with tenant_on.server.services.store.write() as session:
        update_workspace(session, tenant_on.workspace_id, approval_required=True)
    answers = send(
        tenant_on,
        [
            post("one", "a"),
            post("x" * 400, "b"),
            post("kept", "c", status="draft"),
            post("two", "d"),
            post("two", "e"),
        ],
    )
    assert [answer.status_code for answer in answers[:3]] == [201, 422, 201]
    assert sorted(answer.status_code for answer in answers[3:]) == [201, 409]
    approvals = [answer.json()["approval"] for answer in answers if answer.status_code == 201]
    assert [one and one["state"] for one in approvals] == ["pending", None, "pending"]


def test_a_commit_that_fails_is_reported_to_everyone_and_stores_nothing(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "home", SettableClock()) as server:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        store = server.services.store

        def fail(*_arguments: object) -> None:
            raise OSError("the disk is gone")

        event.listen(store._writer, "commit", fail)
        try:
            answers = send(tenant, [post(f"lost {number}", f"lost-{number}") for number in range(5)])
        finally:
            event.remove(store._writer, "commit", fail)
        assert [answer.status_code for answer in answers] == [500] * 5
        assert tenant.client.get(POSTS).json()["data"] == []
        assert [
            one.status_code for one in send(tenant, [post(f"lost {n}", f"lost-{n}") for n in range(5)])
        ] == ([201] * 5)


def test_a_lost_transaction_is_repeated_one_by_one(tmp_path: Path) -> None:
    """An error of the database may have ended the transaction: it takes no other's post with it."""
    with RunningServer(tmp_path / "home", SettableClock()) as server:
        tenant = make_tenant(server)
        store, now, tried = server.services.store, server.clock(), []

        def request(name: str) -> RepeatableRequest:
            return RepeatableRequest(tenant.workspace_id, tenant.key.row.id, "POST /x", name, "hash")

        def work(name: str) -> GroupedWork:
            def write(session: StoreSession) -> StoredAnswer:
                tried.append(name)
                if name == "bad":
                    session.connection().exec_driver_sql("SELECT 1 FROM no_such_table")
                return StoredAnswer(201, {}, name.encode())

            return GroupedWork(request(name), write, now)

        outcomes = answer_together(store, [work("a"), work("bad"), work("b")])
    assert tried == ["a", "bad", "a", "bad", "b"]
    assert [one if isinstance(one, Exception) else one[0].body for one in outcomes][::2] == [b"a", b"b"]
    assert isinstance(outcomes[1], Exception)


def test_a_list_is_never_older_than_the_request(tenant_on: Tenant) -> None:
    """While others commit, sixteen readers share computations; what was committed before they asked shows."""
    settings = tenant_on.server.services.warehouse
    post_id = tenant_on.create_post()["id"]
    committed = [0]

    async def read(client: httpx.AsyncClient) -> None:
        for _ in range(6):
            before = committed[0]
            shown = (await client.get(POSTS)).json()["data"][0]["client_ref"]
            assert int(shown or 0) >= before

    async def run(store: Store) -> None:
        def write() -> None:
            for number in range(1, 40):
                with store.write() as session:
                    session.get_one(Post, post_id).client_ref = str(number)
                committed[0] = number

        headers = {"Authorization": tenant_on.client.headers["Authorization"]}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with httpx.AsyncClient(
            base_url=tenant_on.server.url, headers=headers, verify=context, timeout=30
        ) as client:
            await asyncio.gather(asyncio.to_thread(write), *(read(client) for _ in range(16)))
            assert (await client.get(POSTS)).json()["data"][0]["client_ref"] == "39"

    with Store.open(settings) as other:
        asyncio.run(run(other))


def test_pages_that_are_read_together_are_what_each_would_be_alone(tenant_on: Tenant) -> None:
    ids = [tenant_on.create_post(content=f"one of many {number}")["id"] for number in range(7)]
    tenant_on.create_post(content="kept", status="draft", scheduled_at=None)
    services, workspace = tenant_on.server.services, tenant_on.workspace_id
    questions = [
        PageQuestion(name, wanted, before, limit)
        for name in (workspace, "ws_other")
        for wanted in (PostFilter(), PostFilter(statuses=("draft",)), PostFilter(text="5"))
        for before in (None, ids[4])
        for limit in (1, 3, 20)
    ]
    together = render_pages(services.store, Renderings(), questions)
    alone = [render_pages(services.store, services.renderings, [one])[0] for one in questions]
    assert together == alone
    assert [len(json.loads(b"[%b]" % page.entries)) for page in together[:6]] == [1, 3, 8, 1, 3, 4]
    assert [page.has_more for page in together[:6]] == [True, True, False, True, True, False]
    assert not any(page.entries for page in together[18:])


def test_a_list_that_is_computed_again_checks_what_may_have_changed(tenant_on: Tenant) -> None:
    """The second request for a list skips the route, but neither the key, nor the limit, nor the workspace's zone."""
    at = datetime(2035, 6, 1, 12, tzinfo=UTC)
    tenant_on.create_post(scheduled_at=at.isoformat())
    store, path = tenant_on.server.services.store, f"{POSTS}?from=2035-06-01T12:30:00"

    def ask(**headers: str) -> tuple[int, int]:
        with store.write() as session:  # so that nothing is remembered
            session.get_one(Workspace, tenant_on.workspace_id).name += "."
        shown = tenant_on.client.get(path, headers=headers)
        assert headers or shown.headers["ratelimit-limit"] == str(10**6)
        return shown.status_code, len(shown.json().get("data", ()))

    assert [ask() for _ in range(3)] == [(200, 0)] * 3
    with store.write() as session:
        update_workspace(session, tenant_on.workspace_id, timezone="Europe/Berlin")
    assert ask() == (200, 1)
    assert ask(**{"If-Match": ""}) == (412, 0)
    with store.write() as session:
        revoke_api_key(session, tenant_on.workspace_id, tenant_on.key.row.id, tenant_on.server.clock())
    assert tenant_on.client.get(path).json()["code"] == "revoked_key"


def test_a_list_has_the_bytes_of_its_models_whatever_became_of_its_posts(tenant_on: Tenant) -> None:
    """Lists are put together from rows and kept renderings; the models say what they have to be."""
    ids = [
        tenant_on.create_post(content=f'{number} \u2028 "quoted" \U0001f30a', platforms=list(platforms))["id"]
        for number, platforms in enumerate([("twitter",), ("mastodon", "twitter"), ("twitter",)])
    ]
    tenant_on.create_post(content="kept", status="draft", scheduled_at=None)
    tenant_on.create_post(
        content="thread",
        thread=[{"text": "second", "after": 60}],
        variants={"mastodon": {"content": "else"}},
        options={"mastodon": {"visibility": "unlisted"}},
        platforms=["mastodon"],
        client_ref="mine",
    )
    store, now = tenant_on.server.services.store, tenant_on.server.clock()
    changes: list[dict[str, Any]] = [
        {},
        {
            "status": "published",
            "published_at": now,
            "due_at": None,
            "external_id": "1",
            "permalink": "https://a/1",
        },
        {"rest": "waiting", "rest_at": now, "send_state": {"sent_parts": [{"id": "1"}]}},
        {"edit": {"state": "failed", "requested_at": now.isoformat(), "code": "c", "message": "m"}},
        {"edit": None, "edited_at": now, "platform_deleted_at": now, "reason": "why", "reason_code": "code"},
    ]
    for change in changes:
        with store.write() as session:
            for publication in session.scalars(select(Publication).where(Publication.post_id == ids[1])):
                for name, value in change.items():
                    setattr(publication, name, value)
            kept = session.get_one(Post, ids[0])
            kept.approval_state, kept.approval_at, kept.approved_media = (
                "approved",
                now,
                {"https://a/b.png": "ab"},
            )
        for query in ("", "?limit=2", "?status=draft", "?platform=mastodon&origin=any"):
            shown = tenant_on.client.get(f"{POSTS}{query}")
            with store.read() as session:
                wanted = PostFilter(
                    statuses=("draft",) if "status" in query else (),
                    platform=Platform.MASTODON if "platform" in query else None,
                    origin=None if "any" in query else "socialflow",
                )
                limit = 2 if "limit" in query else 20
                rows, has_more = list_posts(session, tenant_on.workspace_id, wanted, limit=limit)
                publications = list_publications(session, [row.id for row in rows])
                page = Page[PostOut](
                    data=[render_post(row, publications[row.id]) for row in rows],
                    has_more=has_more,
                    next_cursor=shown.json()["next_cursor"],
                )
            assert shown.content == page.model_dump_json().encode()
    kept = Renderings(most_bytes=4000)
    question = PageQuestion(tenant_on.workspace_id, PostFilter(), None, 5)
    assert len({page for _ in range(2) for page in render_pages(store, kept, [question])}) == 1
    assert 0 < sum(map(len, kept._kept.values())) == kept.bytes_kept <= 4000


def test_a_key_that_is_revoked_while_its_requests_wait_is_refused(tenant_on: Tenant) -> None:
    """Requests that are sent after the revocation get 401, whatever others wait for."""
    tenant_on.create_post()
    headers = {"Authorization": tenant_on.client.headers["Authorization"]}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    store, revoked = tenant_on.server.services.store, asyncio.Event()

    async def run() -> None:
        async with httpx.AsyncClient(
            base_url=tenant_on.server.url, headers=headers, verify=context
        ) as client:

            async def read() -> None:
                for _ in range(12):
                    was_revoked = revoked.is_set()
                    status = (await client.get(POSTS)).status_code
                    assert status in {200, 401}
                    assert not was_revoked or status == 401

            def revoke() -> None:
                with store.write() as session:
                    revoke_api_key(
                        session, tenant_on.workspace_id, tenant_on.key.row.id, tenant_on.server.clock()
                    )

            async def end() -> None:
                await client.get(POSTS)
                await asyncio.to_thread(revoke)
                revoked.set()

            await asyncio.gather(end(), *(read() for _ in range(8)))
            assert (await client.get(POSTS)).json()["code"] == "revoked_key"

    asyncio.run(run())


async def test_who_waits_shares_only_what_began_after_it_came() -> None:
    runs: SharedRuns[str, int] = SharedRuns()
    gates: list[asyncio.Event] = []

    async def work() -> int:
        gates.append(asyncio.Event())
        number = len(gates)
        await gates[-1].wait()
        return number

    async def step() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    first = asyncio.create_task(runs.share("a", work))
    await step()
    later = [asyncio.create_task(runs.share("a", work)) for _ in range(3)]
    await step()
    later[1].cancel()
    gates[0].set()
    await step()
    assert (first.result(), len(gates)) == (1, 2)
    gates[1].set()
    await step()
    assert [task.result() for task in (later[0], later[2])] == [2, 2]


async def test_who_comes_while_others_are_read_is_the_next_group_and_waits_for_a_slow_one_no_longer() -> None:
    groups: list[list[int]] = []
    gate = threading.Event()

    def read(questions: Sequence[int]) -> list[int]:
        groups.append(list(questions))
        if 0 in questions:
            gate.wait(10)
        if 7 in questions:
            raise ValueError("seven")
        return [number * 10 for number in questions]

    reads = GroupedReads()
    slow = asyncio.create_task(reads.ask("kind", read, 0))
    await asyncio.sleep(0)
    later = [asyncio.create_task(reads.ask("kind", read, number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    later[2].cancel()
    assert await asyncio.gather(*later, return_exceptions=True) == [10, 20, ANY, 40, 50]
    assert groups[0] == [0]
    assert len(groups) == 2
    assert not slow.done()
    with pytest.raises(ValueError, match="seven"):
        await reads.ask("kind", read, 7)
    gate.set()
    assert await slow == 0
    await reads.finish()
    assert reads._queues == {}


async def test_requests_that_wait_are_counted_with_one_statement_and_none_too_many(
    postgres_url: str, tmp_path: Path
) -> None:
    settings = WarehouseSettings(home=tmp_path / "home", database_url=postgres_url)
    Store.open(settings).close()
    clock = SettableClock()
    with open_rate_limiters(ApiSettings(rate_limit=20), settings) as limiters:
        limiter = limiters.keys
        assert isinstance(limiter, PostgresRateLimiter)
        states = await asyncio.gather(*(limiter.take_async("key", clock()) for _ in range(16)))
        assert sorted(state.remaining for state in states) == list(range(4, 20))
        assert all(state.allowed for state in states)
        more = await asyncio.gather(*(limiter.take_async("key", clock()) for _ in range(12)))
        # The database's clock goes on: at this rate a token comes back every three seconds.
        assert 4 <= sum(state.allowed for state in more) <= 6
        assert limiter._gathering == limiter._counting == {}
