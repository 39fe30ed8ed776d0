from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

B = Platform.BLUESKY
POSTS = "app.bsky.feed.post"
REPO = "/xrpc/com.atproto.repo."
KEY = "3mgabcdefghij"


def record(text: str = "hello", **more: object) -> Json:
    return {"$type": POSTS, "text": text, "createdAt": "2026-03-04T12:00:00.000Z", **more}


@pytest.fixture
def did(account_of: AccountOf) -> str:
    return account_of(B).external_id


async def put(
    client: httpx.AsyncClient, auth: Auth, did: str, value: object, *, rkey: str = KEY, **more: object
) -> httpx.Response:
    body = {"repo": did, "collection": POSTS, "rkey": rkey, "record": value, **more}
    return await client.post(f"{REPO}putRecord", headers=auth(B), json=body)


async def test_a_record_goes_out_once_under_its_key(
    client: httpx.AsyncClient, auth: Auth, did: str, world: SandboxWorld
) -> None:
    first = await put(client, auth, did, record(), swapRecord=None)
    assert first.status_code == 200
    assert first.json()["uri"] == f"at://{did}/{POSTS}/{KEY}"
    assert {"cid", "rev"} == set(first.json()["commit"])
    again = await put(client, auth, did, record(), swapRecord=None)
    assert again.status_code == 200
    assert again.json()["cid"] == first.json()["cid"]
    assert "commit" not in again.json()
    other = await put(client, auth, did, record("other"), swapRecord=None)
    assert (other.status_code, other.json()["error"]) == (400, "InvalidSwap")
    (post,) = world.published(B, via="api")
    assert (post.text, post.idempotency_key) == ("hello", KEY)


async def test_the_cid_depends_on_the_content_and_not_on_the_order(
    client: httpx.AsyncClient, auth: Auth, did: str
) -> None:
    first = (await put(client, auth, did, record(), rkey="a")).json()["cid"]
    turned = dict(reversed(list(record().items())))
    assert (await put(client, auth, did, turned, rkey="b")).json()["cid"] == first
    assert (await put(client, auth, did, record("x"), rkey="c")).json()["cid"] != first


async def test_without_a_swap_a_record_is_overwritten_and_with_a_wrong_one_not(
    client: httpx.AsyncClient, auth: Auth, did: str, world: SandboxWorld
) -> None:
    first = (await put(client, auth, did, record())).json()["cid"]
    assert (await put(client, auth, did, record("two"))).status_code == 200
    wrong = await put(client, auth, did, record("three"), swapRecord=first)
    assert wrong.json()["error"] == "InvalidSwap"
    assert [post.text for post in world.published(B, via="api")] == ["two"]


async def test_create_with_a_used_key_fails_with_a_500(
    client: httpx.AsyncClient, auth: Auth, did: str, world: SandboxWorld
) -> None:
    body = {"repo": did, "collection": POSTS, "rkey": KEY, "record": record()}
    assert (await client.post(f"{REPO}createRecord", headers=auth(B), json=body)).status_code == 200
    again = await client.post(f"{REPO}createRecord", headers=auth(B), json=body)
    assert (again.status_code, again.json()["error"]) == (500, "InternalServerError")
    del body["rkey"]
    free = await client.post(f"{REPO}createRecord", headers=auth(B), json=body)
    assert len(free.json()["uri"].rpartition("/")[2]) == 13
    assert len(world.published(B, via="api")) == 2


async def test_a_record_is_read_by_its_key_or_not_found(
    client: httpx.AsyncClient, auth: Auth, did: str, account_of: AccountOf
) -> None:
    await put(client, auth, did, record())
    params = {"repo": account_of(B).handle, "collection": POSTS, "rkey": KEY}
    found = (await client.get(f"{REPO}getRecord", params=params)).json()
    assert found["value"] == record()
    missing = await client.get(f"{REPO}getRecord", params={**params, "rkey": "nothere"})
    assert (missing.status_code, missing.json()["error"]) == (400, "RecordNotFound")


async def test_records_are_listed_by_key_to_the_end(
    client: httpx.AsyncClient, world: SandboxWorld, did: str, account_of: AccountOf
) -> None:
    seen, cursor = [], None
    while True:
        params = {"repo": did, "collection": POSTS, "limit": "7", **({"cursor": cursor} if cursor else {})}
        body = (await client.get(f"{REPO}listRecords", params=params)).json()
        seen += [item["uri"] for item in body["records"]]
        cursor = body.get("cursor")
        if cursor is None:
            break
    assert seen == [post.external_id for post in reversed(world.timeline(account_of(B)))]


async def test_a_deleted_record_is_gone_and_deleting_again_is_fine(
    client: httpx.AsyncClient, auth: Auth, did: str
) -> None:
    await put(client, auth, did, record())
    body = {"repo": did, "collection": POSTS, "rkey": KEY}
    first = await client.post(f"{REPO}deleteRecord", headers=auth(B), json=body)
    assert "commit" in first.json()
    assert (await client.post(f"{REPO}deleteRecord", headers=auth(B), json=body)).json() == {}
    uri = f"at://{did}/{POSTS}/{KEY}"
    posts = await client.get("/xrpc/app.bsky.feed.getPosts", headers=auth(B), params={"uris": [uri]})
    assert posts.json() == {"posts": []}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"$type": POSTS, "createdAt": "2026-01-01T00:00:00Z"}, "InvalidRecord"),
        ({"$type": POSTS, "text": "x"}, "InvalidRecord"),
        (record("x" * 301), "InvalidRecord"),
        (record("👩‍👩‍👧‍👦" * 200), "InvalidRecord"),
        (record(embed={"$type": "app.bsky.embed.images", "images": [{"alt": ""}] * 5}), "InvalidRecord"),
        ("text", "InvalidRequest"),
    ],
)
async def test_a_record_that_does_not_fit_the_lexicon_is_refused(
    *, client: httpx.AsyncClient, auth: Auth, did: str, world: SandboxWorld, value: object, error: str
) -> None:
    answer = await put(client, auth, did, value)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert world.published(B, via="api") == []


async def test_graphemes_count_not_code_points(client: httpx.AsyncClient, auth: Auth, did: str) -> None:
    assert (await put(client, auth, did, record("e\u0301" * 300))).status_code == 200


async def test_nobody_writes_into_another_repository(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld
) -> None:
    answer = await put(client, auth, account_of(B, 1).external_id, record())
    assert answer.status_code == 401
    assert world.published(B, via="api") == []


async def test_a_picture_is_uploaded_and_embedded(client: httpx.AsyncClient, auth: Auth, did: str) -> None:
    upload = await client.post(
        f"{REPO}uploadBlob", headers={**auth(B), "content-type": "image/png"}, content=b"picture"
    )
    blob = upload.json()["blob"]
    assert (blob["mimeType"], blob["size"]) == ("image/png", 7)
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "a cup", "image": blob}]}
    uri = (await put(client, auth, did, record(embed=embed))).json()["uri"]
    body = (await client.get("/xrpc/app.bsky.feed.getPosts", headers=auth(B), params={"uris": [uri]})).json()
    assert body["posts"][0]["embed"]["images"][0]["alt"] == "a cup"
    unknown = {**blob, "ref": {"$link": "bafkreiunknown"}}
    embed["images"][0]["image"] = unknown
    refused = await put(client, auth, did, record(embed=embed), rkey="other")
    assert refused.json()["error"] == "BlobNotFound"


async def test_a_picture_over_two_megabytes_is_refused_when_used(
    client: httpx.AsyncClient, auth: Auth, did: str
) -> None:
    headers = {**auth(B), "content-type": "image/png"}
    blob = (await client.post(f"{REPO}uploadBlob", headers=headers, content=b"x" * 2_000_001)).json()["blob"]
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
    assert (await put(client, auth, did, record(embed=embed))).json()["error"] == "BlobTooLarge"


async def test_get_posts_takes_25_and_leaves_out_the_unknown(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    uris = [post.external_id for post in world.timeline(account_of(B))[:24]]
    unknown = "at://did:plc:nobody/app.bsky.feed.post/3aaaaaaaaaaaa"
    path = "/xrpc/app.bsky.feed.getPosts"
    body = (await client.get(path, headers=auth(B), params={"uris": [*uris, unknown]})).json()
    assert [post["uri"] for post in body["posts"]] == uris
    assert body["posts"][0]["likeCount"] > 0
    too_many = await client.get(path, headers=auth(B), params={"uris": [*uris, unknown, unknown]})
    assert (too_many.status_code, too_many.json()["error"]) == (400, "InvalidRequest")


async def test_the_authors_feed_pages_to_the_end(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf, did: str
) -> None:
    seen, cursor = [], None
    while True:
        params = {"actor": did, "limit": "9", **({"cursor": cursor} if cursor else {})}
        body = (await client.get("/xrpc/app.bsky.feed.getAuthorFeed", headers=auth(B), params=params)).json()
        seen += [item["post"]["uri"] for item in body["feed"]]
        cursor = body.get("cursor")
        if cursor is None:
            break
    assert seen == [post.external_id for post in reversed(world.timeline(account_of(B)))]


async def test_a_pds_without_an_appview_answers_502(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, did: str
) -> None:
    world.settings.bluesky_appview = False
    for path in (
        "feed.getPosts?uris=at://x/y/z",
        f"feed.getAuthorFeed?actor={did}",
        f"actor.getProfile?actor={did}",
    ):
        assert (await client.get(f"/xrpc/app.bsky.{path}", headers=auth(B))).status_code == 502


async def test_the_profile_shows_followers(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf
) -> None:
    account = account_of(B)
    params = {"actor": account.handle}
    profile = (await client.get("/xrpc/app.bsky.actor.getProfile", headers=auth(B), params=params)).json()
    assert profile["did"] == account.external_id
    assert profile["followersCount"] > 0


async def test_a_session_is_made_with_the_app_password(
    client: httpx.AsyncClient, account_of: AccountOf
) -> None:
    account = account_of(B)
    path = "/xrpc/com.atproto.server.createSession"
    for identifier in (account.handle, account.external_id):
        body = {"identifier": identifier, "password": account.app_password}
        session = (await client.post(path, json=body)).json()
        assert (session["did"], session["handle"]) == (account.external_id, account.handle)
    headers = {"authorization": f"Bearer {session['accessJwt']}"}
    assert (await client.get("/xrpc/com.atproto.server.getSession", headers=headers)).json()["active"] is True
    wrong = await client.post(path, json={"identifier": account.handle, "password": "x"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "AuthenticationRequired")


async def test_a_refresh_token_is_spent_after_its_grace(
    client: httpx.AsyncClient, account_of: AccountOf, clock: Clock
) -> None:
    old = account_of(B).refresh_token
    path, headers = "/xrpc/com.atproto.server.refreshSession", {"authorization": f"Bearer {old}"}
    assert (await client.post(path, headers=headers)).json()["refreshJwt"] != old
    clock.advance(hours=1)
    assert (await client.post(path, headers=headers)).status_code == 200
    clock.advance(hours=1, seconds=1)
    late = await client.post(path, headers=headers)
    assert (late.status_code, late.json()) == (
        400,
        {"error": "ExpiredToken", "message": "Token has been revoked"},
    )


async def test_an_access_token_does_not_refresh_nor_a_refresh_token_read(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf
) -> None:
    path = "/xrpc/com.atproto.server."
    assert (await client.post(f"{path}refreshSession", headers=auth(B))).json()["error"] == "InvalidToken"
    refresh = {"authorization": f"Bearer {account_of(B).refresh_token}"}
    assert (await client.get(f"{path}getSession", headers=refresh)).json()["error"] == "InvalidToken"


async def test_bad_tokens_are_a_400_and_a_missing_one_a_401(
    client: httpx.AsyncClient, auth: Auth, clock: Clock
) -> None:
    headers = auth(B)
    bad = await client.get("/xrpc/com.atproto.server.getSession", headers={"authorization": "Bearer x"})
    assert (bad.status_code, bad.json()["error"]) == (400, "InvalidToken")
    none = await client.get("/xrpc/com.atproto.server.getSession")
    assert (none.status_code, none.json()["error"]) == (401, "AuthMissing")
    clock.advance(hours=2, seconds=1)
    expired = await client.get("/xrpc/com.atproto.server.getSession", headers=headers)
    assert (expired.status_code, expired.json()["error"]) == (400, "ExpiredToken")


async def test_a_handle_is_resolved_without_a_token(client: httpx.AsyncClient, account_of: AccountOf) -> None:
    path = "/xrpc/com.atproto.identity.resolveHandle"
    account = account_of(B)
    assert (await client.get(path, params={"handle": account.handle})).json() == {"did": account.external_id}
    unknown = await client.get(path, params={"handle": "nobody.bsky.test"})
    assert (unknown.status_code, unknown.json()["error"]) == (400, "InvalidRequest")
