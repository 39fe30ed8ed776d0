from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

TH = Platform.THREADS
PICTURE, VIDEO = "https://pictures.example/a.jpg", "https://videos.example/a.mp4"
TEXT = {"media_type": "TEXT", "text": "tea", "auto_publish_text": "true"}


async def post(client: httpx.AsyncClient, auth: Auth, edge: str = "threads", **given: str) -> Json:
    answer = await client.post(f"/v1.0/me/{edge}", headers=auth(TH), data=given)
    body: Json = answer.json()
    return body


async def get(client: httpx.AsyncClient, auth: Auth, path: str, **params: str) -> Json:
    answer = await client.get(f"/v1.0/{path}", headers=auth(TH), params=params)
    body: Json = answer.json()
    return body


async def status_of(client: httpx.AsyncClient, auth: Auth, container: str) -> str:
    return str((await get(client, auth, container, fields="status"))["status"])


async def test_a_text_goes_out_at_once_and_only_then_counts_as_publishing(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    post_id = (await post(client, auth, **TEXT))["id"]
    (kept,) = world.published(TH, via="api")
    assert (kept.external_id, kept.text, kept.kind) == (post_id, "tea", "text")
    assert (world.requests["threads:publish"], world.requests["threads:prepare"]) == (1, 0)
    container = (await post(client, auth, media_type="TEXT", text="rye"))["id"]
    assert world.requests["threads:prepare"] == 1
    assert len(world.published(TH, via="api")) == 1
    await post(client, auth, "threads_publish", creation_id=container)
    assert [item.text for item in world.published(TH, via="api")] == ["tea", "rye"]


async def test_a_container_is_published_once(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    container = (await post(client, auth, media_type="IMAGE", image_url=PICTURE, text="tea"))["id"]
    assert await status_of(client, auth, container) == "FINISHED"
    post_id = (await post(client, auth, "threads_publish", creation_id=container))["id"]
    assert await status_of(client, auth, container) == "PUBLISHED"
    again = (await post(client, auth, "threads_publish", creation_id=container))["error"]
    assert (again["code"], again["error_subcode"]) == (24, 4279009)
    (kept,) = world.published(TH, via="api")
    assert (kept.external_id, kept.idempotency_key) == (post_id, container)
    shown = await get(client, auth, post_id, fields="media_type,text")
    assert shown == {"id": post_id, "media_type": "IMAGE", "text": "tea"}


async def test_a_video_is_processed_first(client: httpx.AsyncClient, auth: Auth, clock: Clock) -> None:
    container = (await post(client, auth, media_type="VIDEO", video_url=VIDEO))["id"]
    assert await status_of(client, auth, container) == "IN_PROGRESS"
    assert "error" in await post(client, auth, "threads_publish", creation_id=container)
    clock.advance(seconds=2)
    assert "id" in await post(client, auth, "threads_publish", creation_id=container)
    clock.advance(hours=24)
    late = (await post(client, auth, media_type="VIDEO", video_url=VIDEO))["id"]
    clock.advance(hours=24)
    assert await status_of(client, auth, late) == "EXPIRED"


async def test_a_broken_video_ends_in_an_error(client: httpx.AsyncClient, auth: Auth, clock: Clock) -> None:
    container = (await post(client, auth, media_type="VIDEO", video_url="https://v.example/broken.mp4"))["id"]
    clock.advance(seconds=2)
    shown = await get(client, auth, container, fields="status,error_message")
    assert shown == {"id": container, "status": "ERROR", "error_message": "UNKNOWN"}


async def test_a_carousel_is_made_of_items(client: httpx.AsyncClient, auth: Auth) -> None:
    image = {"media_type": "IMAGE", "image_url": PICTURE}
    items = [(await post(client, auth, **image, is_carousel_item="true"))["id"] for _ in range(2)]
    assert "error" in await post(client, auth, "threads_publish", creation_id=items[0])
    album = (await post(client, auth, media_type="CAROUSEL", children=",".join(items), text="two"))["id"]
    post_id = (await post(client, auth, "threads_publish", creation_id=album))["id"]
    shown = await get(client, auth, post_id, fields="media_type,text")
    assert shown == {"id": post_id, "media_type": "CAROUSEL_ALBUM", "text": "two"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"media_type": "TEXT"},
        {"media_type": "TEXT", "text": "x" * 501},
        {"media_type": "TEXT", "text": "🍵" * 126},
        {"media_type": "IMAGE", "image_url": "ftp://x"},
        {"media_type": "VIDEO", "image_url": PICTURE},
        {"media_type": "CAROUSEL", "children": "1"},
        {"media_type": "CAROUSEL", "children": "1,2"},
    ],
)
async def test_a_bad_post_is_refused_in_the_graphs_words(
    client: httpx.AsyncClient, auth: Auth, given: dict[str, str]
) -> None:
    error = (await post(client, auth, **given))["error"]
    assert error["code"] == 100
    assert {"message", "type", "fbtrace_id"} <= set(error)


async def test_posts_and_replies_are_listed_apart(client: httpx.AsyncClient, auth: Auth) -> None:
    root = (await post(client, auth, **TEXT))["id"]
    reply = (await post(client, auth, **{**TEXT, "text": "more"}, reply_to_id=root))["id"]
    posts = (await get(client, auth, "me/threads", fields="text", limit="2"))["data"]
    assert posts == [{"id": root, "text": "tea"}]
    replies = (await get(client, auth, "me/replies", fields="text,replied_to", limit="2"))["data"]
    assert replies == [{"id": reply, "text": "more", "replied_to": {"id": root}}]
    lost = await post(client, auth, **TEXT, reply_to_id="1")
    assert lost["error"]["code"] == 24


async def test_the_posts_page_to_the_end(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    url, seen = "/me/threads?fields=id&limit=7", []
    while url:
        body = (await client.get(url, headers=auth(TH))).json()
        seen += [item["id"] for item in body["data"]]
        url = body.get("paging", {}).get("next")
    assert seen == [item.external_id for item in reversed(world.timeline(account_of(TH)))]


async def test_the_publishing_limit_counts_and_is_enforced_when_told(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    world.settings.enforce_rate_limits = True
    answers = [await post(client, auth, **{**TEXT, "text": f"tea {number}"}) for number in range(251)]
    assert ["id" in answer for answer in answers] == [True] * 250 + [False]
    assert answers[-1]["error"]["code"] == 9
    limit = await get(client, auth, "me/threads_publishing_limit", fields="quota_usage,config")
    assert limit["data"] == [{"quota_usage": 250, "config": {"quota_total": 250, "quota_duration": 86_400}}]


async def test_followers_are_an_insight(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, clock: Clock
) -> None:
    body = await get(client, auth, "me/threads_insights", metric="followers_count")
    assert body["data"][0]["total_value"]["value"] == account_of(TH).followers(clock().timestamp())
    assert "error" in await get(client, auth, "me/threads_insights", metric="views")


async def test_a_deleted_post_is_gone(client: httpx.AsyncClient, auth: Auth) -> None:
    post_id = (await post(client, auth, **TEXT))["id"]
    gone = await client.delete(f"/{post_id}", headers=auth(TH))
    assert gone.json() == {"success": True, "deleted_id": post_id}
    assert (await get(client, auth, post_id))["error"]["error_subcode"] == 33
