from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.connectors.sandbox.harness import Clock, Json

PICTURE = "https://pictures.example/a.jpg"


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Callable[[], SandboxWorld]:
    """Start the world, or start it again after a crash."""
    return lambda: SandboxWorld(7, clock, 5, journal=tmp_path / "sandbox" / "journal.jsonl")


def sign_in(world: SandboxWorld, index: int) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_sandbox_app(world))
    headers = {"authorization": f"Bearer {world.accounts[index].access_token}"}
    return httpx.AsyncClient(transport=transport, base_url="http://sandbox.test", headers=headers)


def describe(world: SandboxWorld) -> list[tuple[object, ...]]:
    return [
        (post.external_id, post.created, post.text, post.kind, post.idempotency_key, post.deleted, post.via)
        for post in world.published()
    ]


def test_a_world_started_again_has_the_same_posts(start: Callable[[], SandboxWorld], clock: Clock) -> None:
    world = start()
    account = world.accounts[0]
    kept = world.add_post(account, text="kept", kind="text", at=world.time(), details={"reply_to": "1"})
    gone = world.add_post(account, text="gone", kind="text", at=world.time(), idempotency_key="k")
    world.edit_post(kept, text="edited", details={"cid": "c"})
    clock.advance(minutes=5)
    world.delete_post(gone, world.time())
    world.delete_post(world.timeline(account)[0], world.time())
    before = describe(world)
    clock.advance(hours=8)
    again = start()
    assert describe(again) == before
    restored = next(post for post in again.published(via="api") if post.text == "edited")
    assert restored.details == {"reply_to": "1", "cid": "c"}
    assert again.count_posts(again.accounts[0]) == world.count_posts(account)


def test_ids_go_on_where_they_were(start: Callable[[], SandboxWorld]) -> None:
    world = start()
    first = [world.add_post(world.accounts[0], text=str(n), kind="text", at=world.time()) for n in range(3)]
    again = start()
    later = again.add_post(again.accounts[0], text="later", kind="text", at=again.time())
    assert later.number > max(post.number for post in first)


def test_a_line_cut_short_by_a_crash_costs_no_other(
    start: Callable[[], SandboxWorld], tmp_path: Path
) -> None:
    world = start()
    world.add_post(world.accounts[0], text="whole", kind="text", at=world.time())
    with (tmp_path / "sandbox" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"event":"post","acc')
    second = start()
    second.add_post(second.accounts[0], text="after", kind="text", at=second.time())
    assert [post.text for post in start().published(via="api")] == ["whole", "after"]


async def test_mastodon_still_knows_its_keys(start: Callable[[], SandboxWorld]) -> None:
    answers: list[Json] = []
    for _ in range(2):
        async with sign_in(start(), 2) as client:
            media = await client.post("/api/v2/media", files={"file": ("a.png", b"x", "image/png")})
            body = {"status": "once", "media_ids": [media.json()["id"]]}
            answer = await client.post("/api/v1/statuses", json=body, headers={"idempotency-key": "k"})
            answers.append(answer.json())
    assert answers[0]["id"] == answers[1]["id"]
    assert len(start().published(Platform.MASTODON, via="api")) == 1


async def test_instagram_still_knows_what_was_published_from_a_container(
    start: Callable[[], SandboxWorld],
) -> None:
    world = start()
    path = f"/{world.accounts[1].external_id}/media"
    async with sign_in(world, 1) as client:
        container = (await client.post(path, data={"image_url": PICTURE})).json()["id"]
        await client.post(f"{path}_publish", data={"creation_id": container})
    async with sign_in(start(), 1) as client:
        status = (await client.get(f"/{container}?fields=status_code")).json()["status_code"]
        again = await client.post(f"{path}_publish", data={"creation_id": container})
    assert (status, again.status_code) == ("PUBLISHED", 400)


async def test_x_still_refuses_a_duplicate_and_bluesky_finds_its_record(
    start: Callable[[], SandboxWorld],
) -> None:
    record = {"$type": "app.bsky.feed.post", "text": "once", "createdAt": "2026-03-04T12:00:00Z"}
    codes = []
    for _ in range(2):
        world = start()
        async with sign_in(world, 0) as client:
            codes.append((await client.post("/2/tweets", json={"text": "once"})).status_code)
        async with sign_in(world, 3) as client:
            body = {"repo": world.accounts[3].external_id, "collection": "app.bsky.feed.post", "rkey": "3k"}
            answer = await client.post(
                "/xrpc/com.atproto.repo.putRecord", json={**body, "record": record, "swapRecord": None}
            )
            codes.append("commit" in answer.json())
    assert codes == [201, True, 403, False]
