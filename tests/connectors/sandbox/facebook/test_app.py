from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.meta.protocol import read_fields
from connectors.sandbox.world import SandboxWorld
from connectors.types import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

FB = Platform.FACEBOOK
PICTURE, VIDEO = "https://pictures.example/a.jpg", "https://videos.example/a.mp4"


@pytest.fixture
def page(account_of: AccountOf) -> str:
    return account_of(FB).external_id


async def post(client: httpx.AsyncClient, auth: Auth, path: str, **given: str) -> Json:
    answer = await client.post(f"/v25.0/{path}", headers=auth(FB), data=given)
    body: Json = answer.json()
    return body


async def get(client: httpx.AsyncClient, auth: Auth, path: str, **params: str) -> Json:
    answer = await client.get(f"/v25.0/{path}", headers=auth(FB), params=params)
    body: Json = answer.json()
    return body


async def test_a_post_goes_by_page_and_number(
    client: httpx.AsyncClient, auth: Auth, page: str, world: SandboxWorld
) -> None:
    post_id = (await post(client, auth, f"{page}/feed", message="tea"))["id"]
    assert post_id.startswith(f"{page}_")
    shown = await get(client, auth, post_id, fields="message,permalink_url,attachments{media_type}")
    assert (shown["id"], shown["message"]) == (post_id, "tea")
    assert "attachments" not in shown
    (kept,) = world.published(FB, via="api")
    assert (kept.external_id, kept.kind) == (post_id, "text")
    gone = await client.delete(f"/{post_id}", headers=auth(FB))
    assert gone.json() == {"success": True}
    assert (await get(client, auth, post_id))["error"]["error_subcode"] == 33


async def test_photos_are_uploaded_first_and_attached_once(
    client: httpx.AsyncClient, auth: Auth, page: str
) -> None:
    photos = [
        (await post(client, auth, f"{page}/photos", url=PICTURE, published="false"))["id"] for _ in range(2)
    ]
    attached = "[" + ",".join(f'{{"media_fbid":"{photo}"}}' for photo in photos) + "]"
    album = (await post(client, auth, f"{page}/feed", attached_media=attached))["id"]
    shown = await get(client, auth, album, fields="message,attachments{media_type}")
    assert shown == {
        "id": album,
        "attachments": {
            "data": [{"media_type": "album", "subattachments": {"data": [{"media_type": "photo"}] * 2}}]
        },
    }
    again = await post(client, auth, f"{page}/feed", attached_media=attached)
    assert again["error"]["code"] == 100


@pytest.mark.parametrize(
    ("edge", "given", "code"),
    [
        ("feed", {}, 100),
        ("feed", {"message": "x" * 63_207}, 100),
        ("feed", {"attached_media": "[1]"}, 100),
        ("feed", {"attached_media": "no json"}, 100),
        ("feed", {"attached_media": '[{"media_fbid":"7"}]'}, 100),
        ("photos", {"published": "false"}, 324),
        ("photos", {"url": PICTURE}, 100),
        ("videos", {"file_url": "ftp://x"}, 389),
    ],
)
async def test_a_bad_post_is_refused_in_the_graphs_words(
    *, client: httpx.AsyncClient, auth: Auth, page: str, edge: str, given: dict[str, str], code: int
) -> None:
    error = (await post(client, auth, f"{page}/{edge}", **given))["error"]
    assert error["code"] == code
    assert {"message", "type", "fbtrace_id"} <= set(error)


async def test_the_same_words_twice_in_a_row_are_refused_for_a_while(
    client: httpx.AsyncClient, auth: Auth, page: str, clock: Clock
) -> None:
    assert "id" in await post(client, auth, f"{page}/feed", message="tea")
    assert (await post(client, auth, f"{page}/feed", message="tea"))["error"]["code"] == 506
    clock.advance(minutes=11)
    assert "id" in await post(client, auth, f"{page}/feed", message="tea")


async def test_a_video_is_listed_at_once_and_a_post_later(
    client: httpx.AsyncClient, auth: Auth, page: str, clock: Clock
) -> None:
    video = (await post(client, auth, f"{page}/videos", file_url=VIDEO, description="pour"))["id"]
    fields = "description,status,post_id,created_time"
    listed = (await get(client, auth, f"{page}/videos", fields=fields))["data"]
    assert [(item["id"], item["status"]["video_status"]) for item in listed] == [(video, "processing")]
    assert "post_id" not in listed[0]
    newest = (await get(client, auth, f"{page}/published_posts", fields="message", limit="1"))["data"]
    assert "pour" not in [item["message"] for item in newest]
    clock.advance(seconds=2)
    shown = await get(client, auth, video, fields=fields)
    assert shown["status"] == {"video_status": "ready"}
    newest = (await get(client, auth, f"{page}/published_posts", fields="message", limit="1"))["data"]
    assert newest == [{"id": f"{page}_{shown['post_id']}", "message": "pour"}]


async def test_nobody_posts_for_another(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld
) -> None:
    other = account_of(FB, 1).external_id
    for edge in ("feed", "photos", "videos"):
        assert (await post(client, auth, f"{other}/{edge}", message="x", url=PICTURE, file_url=VIDEO))[
            "error"
        ]["error_subcode"] == 33
    assert world.published(FB, via="api") == []


async def test_the_posts_page_to_the_end(
    client: httpx.AsyncClient, auth: Auth, page: str, world: SandboxWorld, account_of: AccountOf
) -> None:
    url, seen = f"/{page}/published_posts?fields=id&limit=7", []
    while url:
        body = (await client.get(url, headers=auth(FB))).json()
        seen += [item["id"] for item in body["data"]]
        url = body.get("paging", {}).get("next")
    assert seen == [post.external_id for post in reversed(world.timeline(account_of(FB)))]


async def test_many_posts_at_once_all_or_none(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    ids = [item.external_id for item in world.timeline(account_of(FB))[:3]]
    fields = "reactions.limit(0).summary(total_count),shares,insights.metric(post_clicks){name,values}"
    found = await get(client, auth, "", ids=",".join(ids), fields=fields)
    assert set(found) == set(ids)
    assert all(item["reactions"]["summary"]["total_count"] > 0 for item in found.values())
    assert all(item["insights"]["data"][0]["name"] == "post_clicks" for item in found.values())
    assert (await get(client, auth, "", ids=f"{ids[0]},1_2", fields=fields))["error"]["error_subcode"] == 33
    bad = fields.replace("post_clicks", "post_impressions")
    assert (await get(client, auth, "", ids=",".join(ids), fields=bad))["error"]["code"] == 100
    assert (await get(client, auth, "", ids=",".join(ids * 17), fields="id"))["error"]["code"] == 100


@pytest.mark.parametrize("path", ["me", "{post}"])
async def test_a_field_that_is_not_there_is_refused(
    *, client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf, path: str
) -> None:
    node = path.format(post=world.timeline(account_of(FB))[0].external_id)
    error = (await get(client, auth, node, fields="id,follows_count"))["error"]
    assert error["code"] == 100
    assert "follows_count" in error["message"]


async def test_a_comment_is_the_pages_own(client: httpx.AsyncClient, auth: Auth, page: str) -> None:
    post_id = (await post(client, auth, f"{page}/feed", message="tea"))["id"]
    comment = (await post(client, auth, f"{post_id}/comments", message="hi"))["id"]
    listed = await get(client, auth, f"{post_id}/comments", fields="message,from")
    (shown,) = listed["data"]
    assert (shown["id"], shown["message"], shown["from"]["id"]) == (comment, "hi", page)


async def test_a_video_outlives_a_restart(tmp_path: Path, clock: Clock) -> None:
    journal = tmp_path / "journal"
    first = SandboxWorld(seed=7, now=clock, history_days=1, journal=journal)
    account = next(item for item in first.accounts if item.platform is FB)
    first.add_post(
        account, text="pour", kind="video", at=first.time(), idempotency_key="5", details={"ready_at": 0.0}
    )
    second = SandboxWorld(seed=7, now=clock, history_days=1, journal=journal)
    headers = {"authorization": f"Bearer {account.access_token}"}

    transport = httpx.ASGITransport(create_sandbox_app(second))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as client:
        shown = await client.get("/5?fields=description", headers=headers)
    assert shown.json() == {"id": "5", "description": "pour"}


def test_fields_with_fields_of_their_own() -> None:
    text = "id, a.limit(0).summary(x,y){b,c{d}} ,e"
    assert read_fields(text) == ("id", "a.limit(0).summary(x,y){b,c{d}}", "e")
    assert read_fields("") == ()
