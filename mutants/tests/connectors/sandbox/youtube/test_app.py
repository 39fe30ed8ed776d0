from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Json

Y = Platform.YOUTUBE
QUANTUM = 256 * 1024
UPLOADS = "/upload/youtube/v3/videos"


async def open_upload(client: httpx.AsyncClient, auth: Auth, size: int, **snippet: object) -> httpx.Response:
    body = {"snippet": {"title": "Tea", "description": "Tea\nfirst harvest", **snippet}}
    headers = {**auth(Y), "x-upload-content-length": str(size), "x-upload-content-type": "video/mp4"}
    return await client.post(f"{UPLOADS}?uploadType=resumable&part=snippet", headers=headers, json=body)


async def put(
    client: httpx.AsyncClient, auth: Auth, session: str, content_range: str, size: int = 0
) -> httpx.Response:
    headers = {**auth(Y), "content-range": content_range}
    return await client.put(session, headers=headers, content=b"v" * size)


async def test_a_session_takes_the_bytes_in_order_and_ends_with_the_video(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    total = QUANTUM + 10
    session = (await open_upload(client, auth, total)).headers["location"]
    nothing = await put(client, auth, session, f"bytes */{total}")
    assert (nothing.status_code, "range" in nothing.headers) == (308, False)
    first = await put(client, auth, session, f"bytes 0-{QUANTUM - 1}/{total}", QUANTUM)
    assert (first.status_code, first.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    again = await put(client, auth, session, f"bytes 0-{QUANTUM - 1}/{total}", QUANTUM)
    assert again.status_code == 400, "the bytes must go on where the session is"
    assert world.published(Y, via="api") == []
    last = await put(client, auth, session, f"bytes {QUANTUM}-{total - 1}/{total}", 10)
    (video,) = world.published(Y, via="api")
    assert (last.status_code, last.json()["id"]) == (200, video.external_id)
    assert (await put(client, auth, session, f"bytes */{total}")).json()["id"] == video.external_id
    assert world.requests["youtube:publish"] == 1


@pytest.mark.parametrize("content_range", ["", "bytes 0-8/10", "bytes 0-9/11", "bytes 0-9/*"])
async def test_a_range_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, content_range: str
) -> None:
    session = (await open_upload(client, auth, 10)).headers["location"]
    assert (await put(client, auth, session, content_range, 10)).status_code == 400
    assert world.published(Y, via="api") == []


async def test_small_chunks_are_refused(client: httpx.AsyncClient, auth: Auth) -> None:
    session = (await open_upload(client, auth, 20)).headers["location"]
    assert (await put(client, auth, session, "bytes 0-9/20", 10)).status_code == 400


async def test_a_session_is_its_owners(client: httpx.AsyncClient, auth: Auth) -> None:
    session = (await open_upload(client, auth, 10)).headers["location"]
    other = await client.put(session, headers={**auth(Y, 1), "content-range": "bytes */10"})
    assert other.status_code == 404
    assert (await put(client, auth, session, "bytes */10")).status_code == 308


@pytest.mark.parametrize(
    ("snippet", "reason"),
    [
        ({"title": ""}, "invalidTitle"),
        ({"title": "x" * 101}, "invalidTitle"),
        ({"title": "a <b>"}, "invalidTitle"),
        ({"description": "é" * 2501}, "invalidDescription"),
    ],
)
async def test_a_bad_snippet_is_refused_with_its_reason(
    client: httpx.AsyncClient, auth: Auth, snippet: Json, reason: str
) -> None:
    answer = await open_upload(client, auth, 10, **snippet)
    assert answer.status_code == 400
    assert answer.json()["error"]["errors"][0]["reason"] == reason


async def test_numbers_are_strings_and_what_is_gone_is_left_out(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld
) -> None:
    first, second = world.timeline(account_of(Y))[:2]
    world.delete_post(first, world.time())
    ids = f"{first.external_id},{second.external_id}"
    (video,) = (await client.get(f"/youtube/v3/videos?part=statistics&id={ids}", headers=auth(Y))).json()[
        "items"
    ]
    assert video["id"] == second.external_id
    assert all(isinstance(value, str) and value.isdigit() for value in video["statistics"].values())
    many = ",".join(str(number) for number in range(51))
    assert (await client.get(f"/youtube/v3/videos?id={many}", headers=auth(Y))).status_code == 400


async def test_the_uploads_page_to_the_end(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld
) -> None:
    account, token, seen = account_of(Y), "", []
    while token is not None:
        query = f"playlistId=UU{account.external_id[2:]}&maxResults=7" + (
            f"&pageToken={token}" if token else ""
        )
        page = (await client.get(f"/youtube/v3/playlistItems?{query}", headers=auth(Y))).json()
        seen += [item["contentDetails"]["videoId"] for item in page["items"]]
        token = page.get("nextPageToken")
    assert seen == [post.external_id for post in reversed(world.timeline(account))]


async def test_a_refresh_leaves_the_refresh_token_as_it_is(
    client: httpx.AsyncClient, account_of: AccountOf
) -> None:
    app = {"client_id": "app", "client_secret": "secret", "grant_type": "refresh_token"}
    form = {**app, "refresh_token": account_of(Y).refresh_token}
    for _ in range(2):
        answer = (await client.post("/token", data=form)).json()
        assert set(answer) == {"access_token", "expires_in", "scope", "token_type"}
    assert (await client.post("/token", data={**form, "refresh_token": "x"})).json()[
        "error"
    ] == "invalid_grant"
