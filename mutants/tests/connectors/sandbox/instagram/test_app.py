from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

IG = Platform.INSTAGRAM
PICTURE = "https://pictures.example/a.jpg"


@pytest.fixture
def ig(account_of: AccountOf) -> str:
    return account_of(IG).external_id


async def create(client: httpx.AsyncClient, auth: Auth, ig: str, **given: object) -> str:
    body = {"image_url": PICTURE, "caption": "tea", **given}
    response = await client.post(f"/v23.0/{ig}/media", headers=auth(IG), data=body)
    assert response.status_code == 200, response.text
    return response.json()["id"]


async def publish(client: httpx.AsyncClient, auth: Auth, ig: str, container: str) -> httpx.Response:
    return await client.post(f"/{ig}/media_publish", headers=auth(IG), data={"creation_id": container})


async def status_of(client: httpx.AsyncClient, auth: Auth, container: str) -> str:
    answer = await client.get(f"/{container}?fields=status_code", headers=auth(IG))
    return answer.json()["status_code"]


@pytest.mark.parametrize("prefix", ["", "/v23.0"])
async def test_the_user_answers_the_fields_asked_for(
    client: httpx.AsyncClient, auth: Auth, ig: str, prefix: str
) -> None:
    fields = "user_id,username,followers_count"
    me = (await client.get(f"{prefix}/me?fields={fields}", headers=auth(IG))).json()
    same = (await client.get(f"{prefix}/{ig}?fields={fields}", headers=auth(IG))).json()
    assert me == same
    assert me["followers_count"] > 0
    assert set(me) == {"id", "user_id", "username", "followers_count"}
    assert str(me["user_id"]) == ig


async def test_a_container_is_published_once(
    client: httpx.AsyncClient, auth: Auth, ig: str, world: SandboxWorld
) -> None:
    container = await create(client, auth, ig)
    assert await status_of(client, auth, container) == "FINISHED"
    media = (await publish(client, auth, ig, container)).json()["id"]
    assert await status_of(client, auth, container) == "PUBLISHED"
    again = await publish(client, auth, ig, container)
    assert again.status_code == 400
    assert again.json()["error"]["type"] == "OAuthException"
    (post,) = world.published(IG, via="api")
    assert (post.external_id, post.idempotency_key, post.text) == (media, container, "tea")


async def test_a_video_is_processed_first(
    client: httpx.AsyncClient, auth: Auth, ig: str, clock: Clock
) -> None:
    container = await create(client, auth, ig, media_type="REELS", video_url="https://v.example/a.mp4")
    assert await status_of(client, auth, container) == "IN_PROGRESS"
    early = await publish(client, auth, ig, container)
    assert (early.status_code, early.json()["error"]["error_subcode"]) == (400, 2207027)
    clock.advance(seconds=2)
    media = (await publish(client, auth, ig, container)).json()["id"]
    shown = (await client.get(f"/{media}?fields=media_type,media_product_type", headers=auth(IG))).json()
    assert shown == {"id": media, "media_type": "VIDEO", "media_product_type": "REELS"}


async def test_a_container_expires_after_a_day(
    client: httpx.AsyncClient, auth: Auth, ig: str, clock: Clock, world: SandboxWorld
) -> None:
    container = await create(client, auth, ig)
    clock.advance(hours=24)
    assert await status_of(client, auth, container) == "EXPIRED"
    assert (await publish(client, auth, ig, container)).status_code == 400
    assert world.published(IG, via="api") == []


async def test_an_album_is_made_of_items(client: httpx.AsyncClient, auth: Auth, ig: str) -> None:
    items = [await create(client, auth, ig, is_carousel_item="true", caption="") for _ in range(2)]
    alone = await publish(client, auth, ig, items[0])
    assert alone.status_code == 400
    body = {"media_type": "CAROUSEL", "children": ",".join(items), "caption": "two"}
    album = (await client.post(f"/{ig}/media", headers=auth(IG), json=body)).json()["id"]
    media = (await publish(client, auth, ig, album)).json()["id"]
    shown = (await client.get(f"/{media}?fields=media_type,caption", headers=auth(IG))).json()
    assert shown == {"id": media, "media_type": "CAROUSEL_ALBUM", "caption": "two"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"image_url": "ftp://x"},
        {"image_url": PICTURE, "caption": "x" * 2201},
        {"media_type": "CAROUSEL", "children": "1"},
        {"media_type": "CAROUSEL", "children": "1,2"},
        {"media_type": "REELS"},
    ],
)
async def test_a_bad_container_is_refused_in_the_graphs_words(
    client: httpx.AsyncClient, auth: Auth, ig: str, body: Json
) -> None:
    response = await client.post(f"/{ig}/media", headers=auth(IG), data=body)
    error = response.json()["error"]
    assert response.status_code == 400
    assert {"message", "type", "code", "fbtrace_id"} <= set(error)


async def test_nobody_publishes_for_another(
    client: httpx.AsyncClient, auth: Auth, ig: str, account_of: AccountOf, world: SandboxWorld
) -> None:
    container = await create(client, auth, ig)
    foreign = await client.post(
        f"/{account_of(IG, 1).external_id}/media_publish",
        headers=auth(IG, 1),
        data={"creation_id": container},
    )
    assert foreign.status_code == 400
    through = await client.post(f"/{ig}/media_publish", headers=auth(IG, 1), data={"creation_id": container})
    assert through.status_code == 400
    assert world.published(IG, via="api") == []


async def test_the_media_list_pages_to_the_end(
    client: httpx.AsyncClient, auth: Auth, ig: str, world: SandboxWorld, account_of: AccountOf
) -> None:
    url, seen = f"/{ig}/media?fields=id,caption&limit=7", []
    while url:
        body = (await client.get(url, headers=auth(IG))).json()
        seen += [item["id"] for item in body["data"]]
        url = body["paging"].get("next")
    assert seen == [post.external_id for post in reversed(world.timeline(account_of(IG)))]


async def test_the_media_list_keeps_to_since(
    client: httpx.AsyncClient, auth: Auth, ig: str, clock: Clock
) -> None:
    since = int(clock().timestamp())
    media = (await publish(client, auth, ig, await create(client, auth, ig))).json()["id"]
    body = (await client.get(f"/{ig}/media?since={since}", headers=auth(IG))).json()
    assert [item["id"] for item in body["data"]] == [media]


async def test_insights_fail_as_a_whole_for_one_bad_name(
    client: httpx.AsyncClient, auth: Auth, ig: str, clock: Clock
) -> None:
    media = (await publish(client, auth, ig, await create(client, auth, ig))).json()["id"]
    clock.advance(hours=5)
    good = "views,reach,likes,comments,shares,saved,total_interactions"
    body = (await client.get(f"/{media}/insights?metric={good}", headers=auth(IG))).json()
    values = {item["name"]: item["values"][0]["value"] for item in body["data"]}
    assert values["views"] > values["reach"] > values["total_interactions"] > 0
    parts = ("likes", "comments", "shares", "saved")
    assert values["total_interactions"] == sum(values[name] for name in parts)
    for bad in ("impressions", "love"):
        response = await client.get(f"/{media}/insights?metric=views,{bad}", headers=auth(IG))
        assert response.status_code == 400
        assert response.json()["error"]["code"] == 100


async def test_a_first_comment_is_kept(client: httpx.AsyncClient, auth: Auth, ig: str) -> None:
    media = (await publish(client, auth, ig, await create(client, auth, ig))).json()["id"]
    comment = (await client.post(f"/{media}/comments", headers=auth(IG), data={"message": "hi"})).json()["id"]
    body = (await client.get(f"/{media}/comments?fields=text", headers=auth(IG))).json()
    assert body == {"data": [{"text": "hi", "id": comment}]}


async def test_the_publishing_limit_counts_and_is_enforced_when_told(
    client: httpx.AsyncClient, auth: Auth, ig: str, world: SandboxWorld
) -> None:
    world.settings.enforce_rate_limits = True
    containers = [await create(client, auth, ig) for _ in range(101)]
    answers = [await publish(client, auth, ig, container) for container in containers]
    assert [answer.status_code for answer in answers] == [200] * 100 + [403]
    body = (await client.get(f"/{ig}/content_publishing_limit?fields=quota_usage", headers=auth(IG))).json()
    assert body == {"data": [{"quota_usage": 100}]}


async def test_a_refresh_gives_sixty_more_days(
    client: httpx.AsyncClient, account_of: AccountOf, clock: Clock
) -> None:
    account = account_of(IG)
    clock.advance(days=59)
    params = {"grant_type": "ig_refresh_token", "access_token": account.access_token}
    answer = (await client.get("/refresh_access_token", params=params)).json()
    assert answer["expires_in"] == 60 * 86_400
    clock.advance(days=2)
    old = await client.get("/me", params={"access_token": params["access_token"]})
    assert (old.status_code, old.json()["error"]["code"], old.json()["error"]["error_subcode"]) == (
        400,
        190,
        463,
    )
    assert (await client.get("/me", params={"access_token": answer["access_token"]})).status_code == 200


@pytest.mark.parametrize(("params", "code"), [({}, 104), ({"access_token": "x"}, 190)])
async def test_a_bad_token_is_an_oauth_exception(
    client: httpx.AsyncClient, params: dict[str, str], code: int | str | None
) -> None:
    response = await client.get("/v23.0/me", params=params)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


async def test_an_unknown_id_is_said_to_be_unknown(client: httpx.AsyncClient, auth: Auth) -> None:
    response = await client.get("/18000000000000001?fields=id", headers=auth(IG))
    assert (response.status_code, response.json()["error"]["error_subcode"]) == (400, 33)
