from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

M = Platform.MASTODON
STATUSES = "/api/v1/statuses"


async def publish(
    client: httpx.AsyncClient, auth: Auth, text: str = "hello", *, key: str | None = None, **body: object
) -> httpx.Response:
    headers = {**auth(M), **({"idempotency-key": key} if key else {})}
    return await client.post(STATUSES, headers=headers, json={"status": text, **body})


async def test_a_key_answers_the_same_status_for_an_hour(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, clock: Clock
) -> None:
    first = (await publish(client, auth, key="k")).json()
    clock.advance(minutes=59)
    again = (await publish(client, auth, "other text", key="k")).json()
    assert again["id"] == first["id"]
    assert again["content"] == "<p>hello</p>"
    clock.advance(minutes=2)
    late = (await publish(client, auth, key="k")).json()
    assert late["id"] != first["id"]
    assert [post.idempotency_key for post in world.published(M, via="api")] == ["k", "k"]


async def test_a_key_belongs_to_its_account(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    await publish(client, auth, key="k")
    other = await client.post(
        STATUSES, headers={**auth(M, 1), "idempotency-key": "k"}, json={"status": "mine"}
    )
    assert other.json()["content"] == "<p>mine</p>"
    assert len(world.published(M, via="api")) == 2


async def test_a_compatible_server_ignores_the_key_and_has_no_batch_read(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld
) -> None:
    world.settings.update({"mastodon_idempotency": False, "mastodon_batch_read": False})
    first, second = await publish(client, auth, key="k"), await publish(client, auth, key="k")
    assert first.json()["id"] != second.json()["id"]
    answer = await client.get(STATUSES, headers=auth(M), params={"id[]": [first.json()["id"]]})
    assert answer.status_code == 405
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await client.get(f"{STATUSES}/{first.json()['id']}", headers=auth(M))).status_code == 200


async def test_a_form_is_as_good_as_json(client: httpx.AsyncClient, auth: Auth) -> None:
    answer = await client.post(
        STATUSES, headers=auth(M), data={"status": "by form", "visibility": "unlisted"}
    )
    assert answer.json()["visibility"] == "unlisted"


async def test_the_text_becomes_html(client: httpx.AsyncClient, auth: Auth) -> None:
    text = "Tea & <cake> #Tea_time\nnow https://shop.example/a-rather-long-path/that-is-cut?x=1&y=2\n\nBye"
    content = (await publish(client, auth, text)).json()["content"]
    assert content.startswith("<p>Tea &amp; &lt;cake&gt; <a href=")
    assert "#<span>Tea_time</span></a><br />now <a href=" in content
    assert 'href="https://shop.example/a-rather-long-path/that-is-cut?x=1&amp;y=2"' in content
    assert content.endswith("</a></p><p>Bye</p>")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "  "}, 422),
        ({"status": "x" * 501}, 422),
        ({"status": "x", "visibility": "secret"}, 422),
        ({"status": "x", "media_ids": ["1"]}, 422),
        ({"status": "x", "in_reply_to_id": "1"}, 404),
    ],
)
async def test_a_bad_status_is_refused_and_nothing_goes_out(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, body: Json, status: int
) -> None:
    answer = await client.post(STATUSES, headers=auth(M), json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert world.published(M, via="api") == []


async def test_an_address_counts_as_23(client: httpx.AsyncClient, auth: Auth) -> None:
    address = "https://shop.example/" + "a" * 300
    assert (await publish(client, auth, f"{'x' * 476} {address}")).status_code == 200
    assert (await publish(client, auth, f"{'x' * 477} {address}")).status_code == 422


async def test_a_batch_of_twenty_leaves_out_the_gone(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    ids = [post.external_id for post in world.timeline(account_of(M))[:19]]
    body = (await client.get(STATUSES, headers=auth(M), params={"id[]": [*ids, "7"]})).json()
    assert [status["id"] for status in body] == ids
    too_many = await client.get(STATUSES, headers=auth(M), params={"id[]": [*ids, "7", "8"]})
    assert too_many.status_code == 422


async def test_link_headers_lead_through_the_whole_history(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    account, seen = account_of(M), []
    url = f"/api/v1/accounts/{account.external_id}/statuses?limit=9&exclude_reblogs=true"
    while url:
        response = await client.get(url, headers=auth(M))
        seen += [status["id"] for status in response.json()]
        url = response.links.get("next", {}).get("url")
    assert seen == [post.external_id for post in reversed(world.timeline(account))]


async def test_min_id_gives_the_page_just_above_and_since_id_the_newest(
    client: httpx.AsyncClient, auth: Auth, world: SandboxWorld, account_of: AccountOf
) -> None:
    account = account_of(M)
    ids = [post.external_id for post in world.timeline(account)]
    path = f"/api/v1/accounts/{account.external_id}/statuses"
    above = await client.get(path, headers=auth(M), params={"min_id": ids[3], "limit": "2"})
    assert [status["id"] for status in above.json()] == [ids[5], ids[4]]
    newest = await client.get(path, headers=auth(M), params={"since_id": ids[3], "limit": "2"})
    assert [status["id"] for status in newest.json()] == [ids[-1], ids[-2]]


async def test_replies_can_be_left_out(client: httpx.AsyncClient, auth: Auth, account_of: AccountOf) -> None:
    parent = (await publish(client, auth, "parent")).json()["id"]
    child = (await publish(client, auth, "child", in_reply_to_id=parent)).json()
    assert child["in_reply_to_id"] == parent
    path = f"/api/v1/accounts/{account_of(M).external_id}/statuses?limit=1"
    assert (await client.get(path, headers=auth(M))).json()[0]["id"] == child["id"]
    assert (await client.get(f"{path}&exclude_replies=true", headers=auth(M))).json()[0]["id"] == parent


async def test_a_deleted_status_is_gone_and_its_author_gets_the_source_back(
    client: httpx.AsyncClient, auth: Auth
) -> None:
    status = (await publish(client, auth, "oops & <b>")).json()["id"]
    assert (await client.delete(f"{STATUSES}/{status}", headers=auth(M, 1))).status_code == 404
    assert (await client.delete(f"{STATUSES}/{status}", headers=auth(M))).json()["text"] == "oops & <b>"
    gone = await client.get(f"{STATUSES}/{status}", headers=auth(M))
    assert (gone.status_code, gone.json()) == (404, {"error": "Record not found"})


async def test_media_are_attached_with_their_alt_text(client: httpx.AsyncClient, auth: Auth) -> None:
    answer = await client.post(
        "/api/v2/media",
        headers=auth(M),
        files={"file": ("a.png", b"x", "image/png")},
        data={"description": "a cup"},
    )
    assert answer.status_code == 200
    media = answer.json()["id"]
    status = (await publish(client, auth, "", media_ids=[media])).json()
    assert [(item["id"], item["description"]) for item in status["media_attachments"]] == [(media, "a cup")]


async def test_a_video_is_processed_first(client: httpx.AsyncClient, auth: Auth, clock: Clock) -> None:
    answer = await client.post("/api/v2/media", headers=auth(M), files={"file": ("a.mp4", b"x", "video/mp4")})
    media = answer.json()["id"]
    assert (answer.status_code, answer.json()["url"]) == (202, None)
    assert (await client.get(f"/api/v1/media/{media}", headers=auth(M))).status_code == 206
    assert (await publish(client, auth, "v", media_ids=[media])).status_code == 422
    clock.advance(seconds=2)
    assert (await client.get(f"/api/v1/media/{media}", headers=auth(M))).status_code == 200
    assert (await publish(client, auth, "v", media_ids=[media])).status_code == 200


async def test_the_account_is_the_tokens_own(
    client: httpx.AsyncClient, auth: Auth, account_of: AccountOf
) -> None:
    me = (await client.get("/api/v1/accounts/verify_credentials", headers=auth(M))).json()
    account = account_of(M)
    assert (me["id"], me["username"]) == (account.external_id, account.handle)
    assert me["followers_count"] > 0
    assert me["source"]["privacy"] == "public"


async def test_the_instance_says_its_limits_to_anyone(client: httpx.AsyncClient) -> None:
    limits = (await client.get("/api/v2/instance")).json()["configuration"]["statuses"]
    assert (limits["max_characters"], limits["characters_reserved_per_url"]) == (500, 23)


async def test_limits_are_told_by_iso_time(client: httpx.AsyncClient, auth: Auth) -> None:
    headers = (await publish(client, auth)).headers
    assert headers["x-ratelimit-reset"] == "2026-03-04T15:00:00.000Z" or headers[
        "x-ratelimit-reset"
    ].endswith("Z")
    assert int(headers["x-ratelimit-remaining"]) == int(headers["x-ratelimit-limit"]) - 1


@pytest.mark.parametrize("plain", [False, True])
async def test_a_bad_token_is_a_401_in_json_or_plain_text(
    *, client: httpx.AsyncClient, world: SandboxWorld, plain: bool
) -> None:
    world.settings.mastodon_plain_errors = plain
    answer = await client.get("/api/v1/accounts/verify_credentials", headers={"authorization": "Bearer x"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/plain" if plain else "application/json")
    assert "The access token is invalid" in answer.text
