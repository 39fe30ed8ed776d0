from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

TT = Platform.TIKTOK
START = "/v2/post/publish"


async def ask(client: httpx.AsyncClient, auth: Auth, path: str, body: Json | None = None) -> Json:
    answer = await client.post(path, headers=auth(TT), json=body or {})
    content: Json = answer.json()
    assert content["error"]["code"] == "ok", content
    return content["data"]


async def open_video(client: httpx.AsyncClient, auth: Auth, *, size: int = 10, chunk: int = 10) -> Json:
    info = {"title": "tea", "privacy_level": "PUBLIC_TO_EVERYONE"}
    source = {
        "source": "FILE_UPLOAD",
        "video_size": size,
        "chunk_size": chunk,
        "total_chunk_count": max(1, size // chunk),
    }
    return await ask(client, auth, f"{START}/video/init/", {"post_info": info, "source_info": source})


async def put(client: httpx.AsyncClient, url: str, start: int, end: int, total: int) -> int:
    headers = {"content-range": f"bytes {start}-{end - 1}/{total}", "content-type": "video/mp4"}
    return (await client.put(url, headers=headers, content=b"x" * (end - start))).status_code


async def test_a_video_is_out_with_its_last_byte(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    opened = await open_video(client, auth, size=10_000_005, chunk=5_000_000)
    url = opened["upload_url"]
    assert await put(client, url, 5_000_000, 10_000_005, 10_000_005) == 416, "pieces come in order"
    assert await put(client, url, 0, 5_000_000, 10_000_005) == 206
    status = await ask(client, auth, f"{START}/status/fetch/", {"publish_id": opened["publish_id"]})
    assert status == {"status": "PROCESSING_UPLOAD", "uploaded_bytes": 5_000_000}
    assert world.published(TT, via="api") == []
    assert await put(client, url, 5_000_000, 10_000_005, 10_000_005) == 201
    (post,) = world.published(TT, via="api")
    assert (post.text, post.kind, post.idempotency_key) == ("tea", "video", opened["publish_id"])
    assert await put(client, url, 5_000_000, 10_000_005, 10_000_005) == 416
    status = await ask(client, auth, f"{START}/status/fetch/", {"publish_id": opened["publish_id"]})
    assert status["publicaly_available_post_id"] == [int(post.external_id)]


async def test_an_upload_address_ends_after_an_hour(
    client: httpx.AsyncClient, auth: Auth, clock: Clock
) -> None:
    opened = await open_video(client, auth)
    clock.advance(hours=1)
    assert await put(client, opened["upload_url"], 0, 10, 10) == 403
    assert await put(client, "/video/?upload_id=none&upload_token=none", 0, 10, 10) == 404


async def test_chunks_must_make_up_the_video(client: httpx.AsyncClient, auth: Auth) -> None:
    info = {"title": "", "privacy_level": "SELF_ONLY"}
    for size, chunk, count in ((100, 10, 10), (70_000_000, 70_000_000, 1), (20_000_000, 10_000_000, 3)):
        source = {
            "source": "FILE_UPLOAD",
            "video_size": size,
            "chunk_size": chunk,
            "total_chunk_count": count,
        }
        body = {"post_info": info, "source_info": source}
        answer = await client.post(f"{START}/video/init/", headers=auth(TT), json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_params")


async def test_videos_come_in_pages_by_time(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    seen: list[str] = []
    cursor, more = 0, True
    while more:
        path = "/v2/video/list/?fields=id,create_time"
        page = await ask(client, auth, path, {"max_count": 20, "cursor": cursor})
        seen += [video["id"] for video in page["videos"]]
        cursor, more = page["cursor"], page["has_more"]
    assert seen == [post.external_id for post in reversed(world.timeline(account_of(TT)))]


async def test_what_is_not_there_is_left_out(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    (first, second, *_) = world.timeline(account_of(TT))
    (other, *_) = world.timeline(account_of(TT, 1))
    world.delete_post(second, world.time())
    ids = [first.external_id, second.external_id, other.external_id, "1"]
    found = await ask(client, auth, "/v2/video/query/?fields=id,view_count", {"filters": {"video_ids": ids}})
    assert [video["id"] for video in found["videos"]] == [first.external_id]
    assert found["videos"][0]["view_count"] > 0


@pytest.mark.parametrize("count", [0, 21])
async def test_a_query_names_up_to_twenty(client: httpx.AsyncClient, auth: Auth, count: int) -> None:
    body = {"filters": {"video_ids": ["1"] * count}}
    answer = await client.post("/v2/video/query/?fields=id", headers=auth(TT), json=body)
    assert answer.json()["error"]["code"] == "invalid_params"


async def test_errors_come_with_200_where_asked_for(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    world.settings.tiktok_errors_in_200 = True
    answer = await client.post("/v2/video/query/", headers=auth(TT), json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, "invalid_params")


async def test_a_refresh_token_works_once(client: httpx.AsyncClient, account_of: AccountOf) -> None:
    form = {
        "client_key": "key",
        "client_secret": "secret",
        "grant_type": "refresh_token",
        "refresh_token": account_of(TT).refresh_token,
    }
    first = await client.post("/v2/oauth/token/", data=form)
    assert first.json()["refresh_token"] != form["refresh_token"]
    again = await client.post("/v2/oauth/token/", data=form)
    assert (again.status_code, again.json()["error"]) == (200, "invalid_grant")
