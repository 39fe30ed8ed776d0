from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from connectors.sandbox.linkedin.protocol import read_little
from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Auth, Clock, Json

LI = Platform.LINKEDIN


@pytest.fixture
def headers(auth: Auth) -> dict[str, str]:
    return {**auth(LI), "linkedin-version": "202603", "x-restli-protocol-version": "2.0.0"}


@pytest.fixture
def page(account_of: AccountOf) -> str:
    return account_of(LI).external_id


def a_post(author: str, commentary: str = "tea", **more: object) -> Json:
    return {
        "author": author,
        "commentary": commentary,
        "visibility": "PUBLIC",
        "distribution": {"feedDistribution": "MAIN_FEED"},
        "lifecycleState": "PUBLISHED",
        **more,
    }


async def test_pages_and_members_take_turns(account_of: AccountOf) -> None:
    assert account_of(LI, 0).external_id.startswith("urn:li:organization:")
    assert account_of(LI, 1).external_id.startswith("urn:li:person:")


@pytest.mark.parametrize("missing", ["linkedin-version", "x-restli-protocol-version"])
async def test_both_headers_are_needed(
    client: httpx.AsyncClient, headers: dict[str, str], page: str, missing: str
) -> None:
    del headers[missing]
    answer = await client.post("/rest/posts", headers=headers, json=a_post(page))
    assert answer.status_code == 400


async def test_a_post_answers_its_id_in_a_header(
    client: httpx.AsyncClient, headers: dict[str, str], page: str, world: SandboxWorld
) -> None:
    answer = await client.post("/rest/posts", headers=headers, json=a_post(page))
    assert (answer.status_code, answer.content) == (201, b"")
    (post,) = world.published(LI, via="api")
    assert answer.headers["x-restli-id"] == post.external_id
    shown = await client.get(f"/rest/posts/{quote(post.external_id, safe='')}", headers=headers)
    assert shown.json()["commentary"] == "tea"


async def test_the_same_words_are_refused_with_the_post_that_said_them(
    client: httpx.AsyncClient, headers: dict[str, str], page: str, clock: Clock
) -> None:
    first = await client.post("/rest/posts", headers=headers, json=a_post(page))
    again = await client.post("/rest/posts", headers=headers, json=a_post(page))
    assert again.status_code == 422
    assert again.json()["message"].endswith(f"Content is a duplicate of {first.headers['x-restli-id']}")
    assert again.json()["errorDetails"]["inputErrors"][0]["code"] == "DUPLICATE_POST"
    clock.advance(hours=2)
    assert (await client.post("/rest/posts", headers=headers, json=a_post(page))).status_code == 201


async def test_nobody_posts_for_another(
    client: httpx.AsyncClient, headers: dict[str, str], account_of: AccountOf, world: SandboxWorld
) -> None:
    body = a_post(account_of(LI, 1).external_id)
    assert (await client.post("/rest/posts", headers=headers, json=body)).status_code == 403
    assert world.published(LI, via="api") == []


async def test_a_list_of_urns_must_be_encoded_within_plain_brackets(
    client: httpx.AsyncClient, headers: dict[str, str], page: str, world: SandboxWorld, account_of: AccountOf
) -> None:
    (post, *_) = world.timeline(account_of(LI))
    owner = quote(page, safe="")
    start = f"/rest/organizationalEntityShareStatistics?q=organizationalEntity&organizationalEntity={owner}"
    urn = quote(post.external_id, safe="")
    good = await client.get(f"{start}&shares=List({urn})", headers=headers)
    assert good.json()["elements"][0]["totalShareStatistics"]["impressionCount"] > 0
    for bad in (f"&shares=List%28{urn}%29", f"&shares=List({post.external_id})"):
        assert (await client.get(start + bad, headers=headers)).status_code == 400


@pytest.mark.parametrize("action", ["expire", "revoke"])
async def test_a_401_says_why(
    client: httpx.AsyncClient, headers: dict[str, str], page: str, action: str
) -> None:
    body = {"platform": "linkedin", "account": page, "action": action}
    assert (await client.post("/_sandbox/tokens", json=body)).status_code == 200
    answer = await client.get("/rest/posts", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (
        401,
        f"{action.upper().rstrip('E')}ED_ACCESS_TOKEN",
    )


async def test_an_image_must_have_arrived_before_it_is_posted(
    client: httpx.AsyncClient, headers: dict[str, str], page: str
) -> None:
    order = {"initializeUploadRequest": {"owner": page}}
    value = (await client.post("/rest/images?action=initializeUpload", headers=headers, json=order)).json()[
        "value"
    ]
    body = a_post(page, content={"media": {"id": value["image"]}})
    assert (await client.post("/rest/posts", headers=headers, json=body)).status_code == 400
    assert (await client.put(value["uploadUrl"], headers=headers, content=b"bytes")).status_code == 201
    assert (await client.post("/rest/posts", headers=headers, json=body)).status_code == 201


async def test_a_refresh_token_stays_the_same(client: httpx.AsyncClient, account_of: AccountOf) -> None:
    account = account_of(LI)
    old = account.access_token
    form = {
        "grant_type": "refresh_token",
        "refresh_token": account.refresh_token,
        "client_id": "app",
        "client_secret": "secret",
    }
    for _ in range(2):
        answer = (await client.post("/oauth/v2/accessToken", data=form)).json()
        assert answer["refresh_token"] == form["refresh_token"]
        assert answer["access_token"] != old
    assert (
        await client.post("/oauth/v2/accessToken", data={**form, "refresh_token": old})
    ).status_code == 400


def test_what_is_not_escaped_cuts_the_text_off() -> None:
    assert read_little(r"half \(price\) #now") == "half (price) #now"
    assert read_little("half (price)") == "half "
