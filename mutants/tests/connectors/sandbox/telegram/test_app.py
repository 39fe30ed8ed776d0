from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.harness import AccountOf, Json

T = Platform.TELEGRAM
PICTURE = "https://pictures.example/a.jpg"


@pytest.fixture
def bot(account_of: AccountOf) -> str:
    return f"/bot{account_of(T).access_token}"


@pytest.fixture
def channel(account_of: AccountOf) -> str:
    return f"@{account_of(T).handle}"


async def test_a_message_goes_to_the_bots_own_channel(
    client: httpx.AsyncClient, bot: str, channel: str, account_of: AccountOf, world: SandboxWorld
) -> None:
    sent = (await client.post(f"{bot}/sendMessage", json={"chat_id": channel, "text": "tea"})).json()
    (post,) = world.published(T, via="api")
    assert sent["ok"] is True
    assert str(sent["result"]["message_id"]) == post.external_id
    assert sent["result"]["chat"]["username"] == channel[1:]
    other = {"chat_id": account_of(T, 1).external_id, "text": "tea"}
    assert (await client.post(f"{bot}/sendMessage", json=other)).json()["error_code"] == 400
    body = {"chat_id": channel, "message_id": post.number}
    assert (await client.post(f"{bot}/deleteMessage", json=body)).json()["result"] is True
    assert world.published(T, via="api")[0].deleted is not None


async def test_an_album_is_one_post_of_many_messages(
    client: httpx.AsyncClient, bot: str, channel: str, world: SandboxWorld
) -> None:
    photos = [{"type": "photo", "media": PICTURE, "caption": "tea"}, {"type": "photo", "media": PICTURE}]
    sent = await client.post(f"{bot}/sendMediaGroup", json={"chat_id": channel, "media": photos})
    messages = sent.json()["result"]
    assert len({message["message_id"] for message in messages}) == 2
    (post,) = world.published(T, via="api")
    assert (post.text, post.kind, post.number) == ("tea", "photo", messages[0]["message_id"])


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("sendMessage", {"text": " "}),
        ("sendMessage", {"text": "x" * 4097}),
        ("sendPhoto", {"photo": "no address"}),
        ("sendPhoto", {"photo": PICTURE, "caption": "x" * 1025}),
        ("sendMediaGroup", {"media": [{"type": "photo", "media": PICTURE}]}),
        ("sendMediaGroup", {"media": "no list"}),
    ],
)
async def test_a_bad_message_is_refused_in_words(
    *, client: httpx.AsyncClient, bot: str, channel: str, world: SandboxWorld, method: str, body: Json
) -> None:
    answer = await client.post(f"{bot}/{method}", json={"chat_id": channel, **body})
    assert answer.status_code == 400
    assert answer.json()["ok"] is False
    assert answer.json()["description"].startswith("Bad Request: ")
    assert world.published(T, via="api") == []


async def test_a_token_of_nobody_is_unauthorized(client: httpx.AsyncClient) -> None:
    answer = await client.get("/bot123:abc/getMe")
    assert (answer.status_code, answer.json()["description"]) == (401, "Unauthorized")
