"""Against a real server with Mastodon's API: publish, options, edit, look-up after a lost answer, unpublish.

Run by `make test-mastodon-server`, which needs a running server and a token with the scopes read and write:

    SOCIALFLOW_TEST_MASTODON_URL=http://127.0.0.1:8080 SOCIALFLOW_TEST_MASTODON_TOKEN=... make test-mastodon-server

Skipped without them. Every post is deleted at its end. Use an account of your own on a server of your own.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import PublishRequest
from connectors.errors import GiveUpError, OutcomeUnknownError
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, EditRequest, Platform, PostContent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from connectors.base import Connector

URL, TOKEN = "SOCIALFLOW_TEST_MASTODON_URL", "SOCIALFLOW_TEST_MASTODON_TOKEN"
# Read now: tests run without the variables of the product.
SERVER, SECRET = os.environ.get(URL, ""), os.environ.get(TOKEN, "")
ABSENT = f"needs a running server with Mastodon's API: name it in {URL}, and an account's token in {TOKEN}"
pytestmark = [
    pytest.mark.mastodon_server,
    pytest.mark.skipif(not (SERVER and SECRET), reason=ABSENT),
]


class LosingTransport(httpx.AsyncBaseTransport):
    """Sends every request, and loses the next answers to those that write."""

    def __init__(self) -> None:
        self.to_lose = 0
        self.writes: list[tuple[str, str]] = []
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if request.method != "GET":
            self.writes.append((request.method, request.url.path))
            if self.to_lose:
                self.to_lose -= 1
                await answer.aread()
                raise httpx.ReadError("the answer was lost", request=request)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


class Stage:
    """One connector, and what it saved."""

    def __init__(self, connector: Connector, transport: LosingTransport) -> None:
        self.connector, self.transport = connector, transport
        self.state: dict[str, Any] = {}
        self.external_id = ""

    def request(self, content: PostContent, key: str, at: datetime) -> PublishRequest:
        async def save(state: Mapping[str, Any]) -> None:
            self.state = dict(state)

        return PublishRequest(content, key, at, dict(self.state), save)

    async def publish(self, content: PostContent) -> dict[str, Any]:
        """Publish, and return the status as the server shows it."""
        receipt = await self.connector.publish(self.request(content, uuid4().hex, datetime.now(UTC)))
        self.external_id = receipt.external_id
        return await self.show(receipt.external_id)

    async def show(self, status_id: str) -> dict[str, Any]:
        api: Any = self.connector
        shown: dict[str, Any] = await api._api.read(f"/api/v1/statuses/{status_id}", lambda body: body)
        return shown

    async def edit(self, before: PostContent, after: PostContent) -> dict[str, Any]:
        await self.connector.edit(EditRequest(self.external_id, (before,), after, self.state))
        return await self.show(self.external_id)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    transport = LosingTransport()
    settings = ConnectorSettings(allow_private_instances=True)
    async with ConnectorPool(settings, transport=transport) as pool:
        credentials = Credentials(SecretStr(SECRET))
        account = Account("acct_test", Platform.MASTODON, credentials, instance_url=SERVER)
        made = Stage(pool.open(account), transport)
        yield made
        transport.to_lose = 0
        if made.external_id:
            await made.connector.delete(made.external_id, made.state)
            with pytest.raises(GiveUpError):
                await made.show(made.external_id)


def words(text: str) -> str:
    """A text that no earlier run has published."""
    return f"{text} {uuid4().hex[:8]}"


@pytest.mark.parametrize("visibility", ["public", "unlisted", "private", "direct"])
async def test_the_visibility_is_the_one_that_was_asked_for(stage: Stage, visibility: str) -> None:
    shown = await stage.publish(PostContent(text=words("Five teas"), options={"visibility": visibility}))
    assert shown["visibility"] == visibility


async def test_without_options_a_post_is_public(stage: Stage) -> None:
    assert (await stage.publish(PostContent(text=words("Five teas"))))["visibility"] == "public"


async def test_a_content_warning_and_a_language_are_shown(stage: Stage) -> None:
    options = {"content_warning": "Spoilers", "language": "de"}
    shown = await stage.publish(PostContent(text=words("Fünf Tees"), options=options))
    assert (shown["spoiler_text"], shown["language"], shown["sensitive"]) == ("Spoilers", "de", True)


async def test_a_thread_is_published_in_order_and_deleted_as_a_whole(stage: Stage) -> None:
    shown = await stage.publish(PostContent(text=words("one"), thread=("two", "three")))
    ids = [part["id"] for part in stage.state["sent_parts"]]
    assert ids[0].casefold() == str(shown["id"]).casefold()
    parents = [(await stage.show(part))["in_reply_to_id"] for part in ids[1:]]
    assert [str(parent).casefold() for parent in parents] == [one.casefold() for one in ids[:2]]
    await stage.connector.delete(stage.external_id, stage.state)
    for part in ids:
        with pytest.raises(GiveUpError):
            await stage.show(part)
    await stage.connector.delete(stage.external_id, stage.state)


async def test_a_lost_answer_is_found_and_nothing_is_published_twice(stage: Stage) -> None:
    content, key, at = PostContent(text=words("Five teas & more")), uuid4().hex, datetime.now(UTC)
    stage.transport.to_lose = 1
    with pytest.raises(OutcomeUnknownError):
        await stage.connector.publish(stage.request(content, key, at))
    found = await stage.connector.find_publication(stage.request(content, key, at))
    assert found is not None
    stage.external_id = found.external_id
    page = await stage.connector.list_publications(since=at - timedelta(minutes=1))
    mark = content.text.rpartition(" ")[2]
    assert [post.external_id for post in page.posts if mark in post.text] == [found.external_id]


async def test_an_edit_keeps_the_id_and_is_not_written_twice(stage: Stage) -> None:
    before = PostContent(text=words("Five teas"), options={"content_warning": "Spoilers"})
    first = await stage.publish(before)
    after = PostContent(text=words("Six teas"))
    stage.transport.to_lose = 1
    with pytest.raises(Exception, match="no answer"):
        await stage.edit(before, after)
    stage.transport.writes.clear()
    shown = await stage.edit(before, after)
    assert stage.transport.writes == [], "the post said so already"
    assert str(shown["id"]).casefold() == str(first["id"]).casefold()
    assert "Six teas" in shown["content"]
    assert (shown["spoiler_text"], shown["visibility"]) == ("", "public")
    assert shown["edited_at"] is not None
