from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

X = Platform.TWITTER


async def publish(
    client: httpx.AsyncClient, auth: Auth, text: str = "hello", **body: object
) -> httpx.Response:
    return await client.post("/2/tweets", headers=auth(X), json={"text": text, **body})


async def test_the_user_shows_followers_that_grow(
    client: httpx.AsyncClient, auth: Auth, clock: Clock
) -> None:
    path = "/2/users/me?user.fields=public_metrics"
    first = (await client.get(path, headers=auth(X))).json()["data"]["public_metrics"]
    clock.advance(minutes=90)
    second = (await client.get(path, headers=auth(X))).json()["data"]["public_metrics"]
    assert 0 < first["followers_count"] <= second["followers_count"]
    assert first["post_count"] > 20


async def test_a_post_goes_out_and_is_in_the_record(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    response = await publish(client, auth, "first")
    assert response.status_code == 201
    assert response.json()["data"]["text"] == "first"
    (post,) = world.published(X, via="api")
    assert (post.external_id, post.text) == (response.json()["data"]["id"], "first")


async def test_a_duplicate_is_refused_for_a_while_and_only_for_its_own_account(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, clock: Clock
) -> None:
    assert (await publish(client, auth, "same")).status_code == 201
    again = await publish(client, auth, "same")
    assert again.status_code == 403
    assert again.json() == {
        "title": "Forbidden",
        "detail": "You are not allowed to create a Tweet with duplicate content.",
        "type": "about:blank",
        "status": 403,
    }
    other = await client.post("/2/tweets", headers=auth(X, 1), json={"text": "same"})
    assert other.status_code == 201
    clock.advance(hours=1, seconds=1)
    assert (await publish(client, auth, "same")).status_code == 201
    assert len(world.published(X, via="api")) == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 400),
        ({"text": "x", "colour": "red"}, 400),
        ({"text": "x", "media": {"media_ids": []}, "reply": None}, 400),
        ({"text": "x", "media": {"media_ids": ["1"]}}, 400),
        ({"text": "x", "media": ["1"]}, 400),
        ({"text": "x", "reply": {"in_reply_to_tweet_id": "12"}}, 403),
        ({"text": "x" * 281}, 403),
        ({"text": "語" * 141}, 403),
    ],
)
async def test_a_bad_post_is_refused_and_nothing_goes_out(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, body: Json, status: int
) -> None:
    response = await client.post("/2/tweets", headers=auth(X), json=body)
    assert response.status_code == status
    assert response.json()["title"] in {"Invalid Request", "Forbidden"}
    assert world.published(via="api") == []


@pytest.mark.parametrize("text", ["x" * 280, "語" * 140, "https://example.com/" + "a" * 400])
async def test_a_text_at_the_weighted_limit_goes_out(
    client: httpx.AsyncClient, auth: Auth, text: str
) -> None:
    assert (await publish(client, auth, text)).status_code == 201


async def test_a_body_that_is_no_json_is_a_400(client: httpx.AsyncClient, auth: Auth) -> None:
    response = await client.post("/2/tweets", headers=auth(X), content=b"{")
    assert response.status_code == 400


async def test_addresses_are_wrapped_and_characters_escaped(client: httpx.AsyncClient, auth: Auth) -> None:
    text = "A & B <see> https://shop.example/a?b=1&c=2. Bye #Tea"
    created = (await publish(client, auth, text)).json()["data"]
    found = await client.get(
        f"/2/tweets?ids={created['id']}&post.fields=entities,created_at", headers=auth(X)
    )
    (post,) = found.json()["data"]
    (url,) = post["entities"]["urls"]
    assert post["text"] == f"A &amp; B &lt;see&gt; {url['url']}. Bye #Tea"
    assert post["text"][url["start"] : url["end"]] == url["url"]
    assert len(url["url"]) == 23
    assert url["expanded_url"] == "https://shop.example/a?b=1&c=2"
    (tag,) = post["entities"]["hashtags"]
    assert post["text"][tag["start"] : tag["end"]] == "#Tea"


async def test_a_reply_names_its_parent(client: httpx.AsyncClient, auth: Auth) -> None:
    parent = (await publish(client, auth, "parent")).json()["data"]["id"]
    reply = (await publish(client, auth, "child", reply={"in_reply_to_tweet_id": parent})).json()["data"][
        "id"
    ]
    found = await client.get(f"/2/tweets?ids={reply}&tweet.fields=referenced_tweets", headers=auth(X))
    assert found.json()["data"][0]["referenced_tweets"] == [{"type": "replied_to", "id": parent}]


async def test_a_lookup_takes_a_hundred_ids_and_names_the_missing(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    ids = [post.external_id for post in world.timeline(account_of(X))][:30]
    asked = [*ids, *(str(n) for n in range(1, 71))]
    body = (await client.get(f"/2/tweets?ids={','.join(asked)}", headers=auth(X))).json()
    assert [post["id"] for post in body["data"]] == ids
    assert [error["value"] for error in body["errors"]] == asked[30:]
    assert {error["type"] for error in body["errors"]} == {"https://api.x.com/2/problems/resource-not-found"}
    too_many = await client.get(f"/2/tweets?ids={','.join([*asked, '71'])}", headers=auth(X))
    assert too_many.status_code == 400


async def test_private_metrics_end_after_thirty_days(
    client: httpx.AsyncClient, auth: Auth, clock: Clock
) -> None:
    post_id = (await publish(client, auth)).json()["data"]["id"]
    path = f"/2/tweets?ids={post_id}&tweet.fields=public_metrics,non_public_metrics"
    clock.advance(minutes=100)
    young = (await client.get(path, headers=auth(X))).json()
    assert young["data"][0]["non_public_metrics"]["impression_count"] > 0
    assert (
        young["data"][0]["public_metrics"]["retweet_count"]
        == young["data"][0]["public_metrics"]["repost_count"]
    )
    assert "errors" not in young
    other = (await client.get(path, headers=auth(X, 1))).json()
    assert "non_public_metrics" not in other["data"][0]
    assert other["errors"][0]["type"].endswith("not-authorized-for-field")
    assert "public_metrics" in other["data"][0]


async def test_paging_gives_every_post_once_newest_first(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    account, seen, token = account_of(X), [], None
    while True:
        params = {"max_results": "7", **({"pagination_token": token} if token else {})}
        response = await client.get(f"/2/users/{account.external_id}/tweets", headers=auth(X), params=params)
        body = response.json()
        seen += [post["id"] for post in body.get("data", [])]
        token = body["meta"].get("next_token")
        if token is None:
            break
    assert seen == [post.external_id for post in reversed(world.timeline(account))]


async def test_a_listing_keeps_to_its_times_and_leaves_out_the_deleted(
    client: httpx.AsyncClient, auth: Auth, clock: Clock, account_of: AccountOf
) -> None:
    start = clock().isoformat()
    first = (await publish(client, auth, "one")).json()["data"]["id"]
    clock.advance(seconds=5)
    second = (await publish(client, auth, "two")).json()["data"]["id"]
    path = f"/2/users/{account_of(X).external_id}/tweets"
    body = (await client.get(path, headers=auth(X), params={"start_time": start})).json()
    assert [post["id"] for post in body["data"]] == [second, first]
    assert (await client.delete(f"/2/tweets/{second}", headers=auth(X))).json() == {"data": {"deleted": True}}
    body = (await client.get(path, headers=auth(X), params={"start_time": start})).json()
    assert [post["id"] for post in body["data"]] == [first]
    assert (await client.get(f"/2/tweets?ids={second}", headers=auth(X))).json()["errors"][0][
        "value"
    ] == second


@pytest.mark.parametrize("params", [{"max_results": "4"}, {"max_results": "101"}, {"pagination_token": "!!"}])
async def test_a_bad_listing_parameter_is_a_400(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, params: dict[str, str]
) -> None:
    path = f"/2/users/{account_of(X).external_id}/tweets"
    response = await client.get(path, headers=auth(X), params=params)
    assert response.status_code == 400
    assert response.json()["title"] == "Invalid Request"


async def test_only_the_author_deletes(client: httpx.AsyncClient, auth: Auth) -> None:
    post_id = (await publish(client, auth)).json()["data"]["id"]
    assert (await client.delete(f"/2/tweets/{post_id}", headers=auth(X, 1))).status_code == 403
    assert (await client.delete("/2/tweets/12", headers=auth(X))).status_code == 404


async def test_media_are_uploaded_in_three_steps_and_attached(client: httpx.AsyncClient, auth: Auth) -> None:
    headers, data = auth(X), b"abcdefgh"
    start = {"media_type": "video/mp4", "media_category": "tweet_video", "total_bytes": len(data)}
    media_id = (await client.post("/2/media/upload/initialize", headers=headers, json=start)).json()["data"][
        "id"
    ]
    path = f"/2/media/upload/{media_id}"
    early = await client.post(
        "/2/tweets", headers=headers, json={"text": "v", "media": {"media_ids": [media_id]}}
    )
    assert early.status_code == 400
    first = await client.post(
        f"{path}/append", headers=headers, data={"segment_index": "0"}, files={"media": data[:4]}
    )
    assert first.status_code == 200
    assert (await client.post(f"{path}/finalize", headers=headers)).status_code == 400
    second = {"segment_index": 1, "media": base64.b64encode(data[4:]).decode()}
    assert (await client.post(f"{path}/append", headers=headers, json=second)).status_code == 200
    final = (await client.post(f"{path}/finalize", headers=headers)).json()["data"]
    assert final["size"] == len(data)
    assert final["processing_info"]["state"] == "pending"


async def test_a_video_can_be_posted_once_it_is_processed(
    client: httpx.AsyncClient, auth: Auth, clock: Clock
) -> None:
    headers = auth(X)
    start = {"media_type": "video/mp4", "media_category": "tweet_video", "total_bytes": 3}
    media_id = (await client.post("/2/media/upload/initialize", headers=headers, json=start)).json()["data"][
        "id"
    ]
    await client.post(
        f"/2/media/upload/{media_id}/append",
        headers=headers,
        data={"segment_index": "0"},
        files={"media": b"abc"},
    )
    await client.post(f"/2/media/upload/{media_id}/finalize", headers=headers)
    clock.advance(seconds=2)
    status = await client.get(f"/2/media/upload?command=STATUS&media_id={media_id}", headers=headers)
    assert status.json()["data"]["processing_info"]["state"] == "succeeded"
    body = {"text": "film", "media": {"media_ids": [media_id]}}
    created = (await client.post("/2/tweets", headers=headers, json=body)).json()["data"]
    assert created["text"].startswith("film https://t.co/")
    found = await client.get(f"/2/tweets?ids={created['id']}&post.fields=attachments", headers=headers)
    assert found.json()["data"][0]["attachments"] == {"media_keys": [f"13_{media_id}"]}
    foreign = await client.post("/2/tweets", headers=auth(X, 1), json=body)
    assert foreign.status_code == 400


async def test_a_refresh_token_works_once(
    client: httpx.AsyncClient, account_of: AccountOf, clock: Clock
) -> None:
    account = account_of(X)
    old = account.refresh_token
    form = {"grant_type": "refresh_token", "refresh_token": old, "client_id": "app"}
    clock.advance(hours=3)
    expired = await client.get("/2/users/me", headers={"authorization": f"Bearer {account.access_token}"})
    assert expired.status_code == 401
    answer = (await client.post("/2/oauth2/token", data=form)).json()
    assert answer["expires_in"] == 7200
    assert answer["refresh_token"] != old
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    assert (await client.get("/2/users/me", headers=headers)).status_code == 200
    again = await client.post("/2/oauth2/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    unnamed = await client.post("/2/oauth2/token", data={**form, "client_id": ""})
    assert unnamed.status_code == 401


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic abc"}])
async def test_without_a_good_token_everything_is_a_401(
    client: httpx.AsyncClient, header: dict[str, str]
) -> None:
    response = await client.get("/2/users/me", headers=header)
    assert response.status_code == 401
    assert response.json()["title"] == "Unauthorized"


async def test_an_access_token_of_another_platform_is_no_token(client: httpx.AsyncClient, auth: Auth) -> None:
    assert (await client.get("/2/users/me", headers=auth(Platform.MASTODON))).status_code == 401
