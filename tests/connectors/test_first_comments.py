"""A first comment whose response was lost, on a post with many later comments by others."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import PublishRequest
from connectors.errors import UnavailableError
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform, PostContent

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WORDS = "The recipe is in our story."
IDS = {Platform.LINKEDIN: "urn:li:organization:7"}
POSTS = {Platform.FACEBOOK: "11_22", Platform.LINKEDIN: "urn:li:share:7141138937766391808"}


def write_comment(platform: Platform, number: int, text: str, *, own: bool) -> dict[str, Any]:
    """One comment in the platform's own words."""
    moment = "2026-11-24T12:00:05+0000"
    if platform is Platform.INSTAGRAM:
        author = "Harborlight" if own else "stranger"
        return {"id": str(number), "text": text, "timestamp": moment, "username": author}
    if platform is Platform.FACEBOOK:
        author = "11" if own else "12"
        return {"id": f"22_{number}", "message": text, "created_time": moment, "from": {"id": author}}
    author = IDS[platform] if own else "urn:li:person:x"
    return {"id": str(number), "actor": author, "message": {"text": text}}


def write_page(platform: Platform, comments: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    if platform is Platform.LINKEDIN:
        return {"elements": comments}
    paging = {"cursors": {"after": cursor}, "next": "https://next.example"} if cursor else {}
    return {"data": comments, "paging": paging}


def open_account(platform: Platform) -> Account:
    return Account(
        "acc_1",
        platform,
        Credentials(SecretStr("a-token-of-the-tests")),
        external_id=IDS.get(platform, "11"),
        handle="harborlight",
    )


def look_for(platform: Platform) -> PublishRequest:
    """The post is known to be out, its comment is not."""
    post = {"id": POSTS.get(platform, "22"), "permalink": None, "published_at": NOW.isoformat(), "cid": None}
    content = PostContent(text="Rye", first_comment=WORDS)
    return PublishRequest(content=content, key="pub_1", first_attempt_at=NOW, state={"sent_parts": [post]})


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK, Platform.LINKEDIN])
@pytest.mark.parametrize("own", [True, False])
async def test_our_comment_is_found_behind_those_of_others(
    *, platform: Platform, own: bool, connector_settings: ConnectorSettings
) -> None:
    strangers = [write_comment(platform, number, WORDS, own=False) for number in range(100)]

    def answer(request: httpx.Request) -> httpx.Response:
        second = "after" in request.url.params or request.url.params.get("start", "0") != "0"
        if not second:
            return httpx.Response(200, json=write_page(platform, strangers, "c1"))
        return httpx.Response(
            200, json=write_page(platform, [write_comment(platform, 999, WORDS, own=own)], None)
        )

    transport = httpx.MockTransport(answer)
    async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
        found = await pool.open(open_account(platform)).find_publication(look_for(platform))
    assert (found is not None) == own, "a stranger's equal words are not ours"


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK, Platform.LINKEDIN])
async def test_comments_that_do_not_end_prove_nothing(
    platform: Platform, connector_settings: ConnectorSettings
) -> None:
    page = write_page(platform, [write_comment(platform, n, "Hi", own=False) for n in range(100)], "c1")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=page))
    async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
        with pytest.raises(UnavailableError, match="the same page twice"):
            await pool.open(open_account(platform)).find_publication(look_for(platform))
