"""What holds while others write: paging through 10,000 posts, and a hundred equal requests at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from api.settings import ApiSettings
from tests.api.harness import NOON, RunningServer, SettableClock, in_hours, make_tenant
from warehouse.store.database import new_id
from warehouse.store.models import Post

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.harness import Server, Tenant

POSTS = "/api/v1/posts"
MANY = 10_000


@pytest.fixture(params=["sqlite", "postgresql"])
def tenant_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A workspace on each database, that no limit slows down."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    home = tmp_path_factory.mktemp("load")
    limits = ApiSettings(rate_limit=10**6)
    with RunningServer(home, SettableClock(), limits, database_url=url) as server:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        yield tenant
        tenant.client.close()


def insert_posts(server: Server, workspace_id: str, count: int, content: str) -> list[str]:
    """Put drafts straight into the store, as fast as it takes them."""
    rows: list[dict[str, Any]] = [
        {
            "id": new_id("post"),
            "workspace_id": workspace_id,
            "origin": "socialflow",
            "content": content,
            "details": {},
            "status": "draft",
            "version": 1,
            "created_at": NOON,
            "updated_at": NOON,
        }
        for _ in range(count)
    ]
    with server.services.store.write() as session:
        session.execute(insert(Post), rows)
    return [row["id"] for row in rows]


def test_a_list_read_while_others_write_misses_none_and_shows_none_twice(tenant_on: Tenant) -> None:
    server = tenant_on.server
    # PostgreSQL gets a fifth: each of its pages takes longer, and the statement is the same.
    many = MANY if server.services.store.dialect == "sqlite" else MANY // 5
    staying = insert_posts(server, tenant_on.workspace_id, many // 2, "stays")
    leaving = insert_posts(server, tenant_on.workspace_id, 200, "goes")
    more = insert_posts(server, tenant_on.workspace_id, many // 2, "stays")
    turns, over = threading.Semaphore(0), threading.Event()

    def write_meanwhile() -> None:
        # One insertion and one deletion for each page, while the next one is being read.
        for number in range(len(leaving)):
            turns.acquire()
            if over.is_set():
                return
            insert_posts(server, tenant_on.workspace_id, 1, "new")
            with server.services.store.write() as session:
                session.delete(session.get_one(Post, leaving[number * 7 % len(leaving)]))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_meanwhile)
        try:
            seen = list(read_all(tenant_on.client, turns))
        finally:
            over.set()
            turns.release()
        writing.result()
    assert len(seen) == len(set(seen)), "one was shown twice"
    assert {*staying, *more} <= set(seen), "one was missed"
    with server.services.store.read() as session:
        left = session.query(Post).filter_by(content="goes").count()
    assert left < len(leaving) - 10, "nothing was deleted meanwhile"


def read_all(client: httpx.Client, turns: threading.Semaphore) -> Iterator[str]:
    address: str | None = f"{POSTS}?limit=100&status=draft"
    while address is not None:
        turns.release()
        page = client.get(address)
        assert page.status_code == 200, page.text
        yield from (entry["id"] for entry in page.json()["data"])
        address = page.links["next"]["url"] if page.json()["has_more"] else None


def test_a_hundred_equal_requests_at_once_make_one_post(tenant_on: Tenant) -> None:
    body = {"content": "once", "platforms": ["twitter"], "scheduled_at": in_hours(1)}
    ready = threading.Barrier(100)

    def send(_number: int) -> httpx.Response:
        ready.wait(30)
        return tenant_on.client.post(POSTS, json=body, headers={"Idempotency-Key": "one-of-a-hundred"})

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(send, range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(tenant_on.client.get(POSTS).json()["data"]) == 1
