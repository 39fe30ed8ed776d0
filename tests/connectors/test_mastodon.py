import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.base import Connector
from connectors.errors import ContentRejectedError, GiveUpError, OutcomeUnknownError, ReauthenticateError
from connectors.mastodon_statuses import parse_listed, parse_metrics, says
from connectors.platforms.registry import ConnectorPool
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Media, Platform, PostContent, PostMetrics
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.surroundings import SANDBOX, Clock, SavedState

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class TestMastodon(ConnectorContract):
    platform = Platform.MASTODON
    empty_listing = "[]"

    async def test_the_handle_names_the_instance(self, connector: Connector) -> None:
        assert (await connector.verify()).handle == "harborlight@sandbox.test"

    async def test_every_part_has_a_key_of_its_own(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="one", thread=("two",), first_comment="three")
        await connector.publish(saved.request(content, clock(), key="pub_9"))
        assert [post.idempotency_key for post in self.live(world)] == ["pub_9", "pub_9-1", "pub_9-2"]

    async def test_a_compatible_server_that_ignores_the_key(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.mastodon_idempotency = False
        first = clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        found = await connector.find_publication(saved.request(self.content, first))
        assert found is not None
        assert [post.external_id for post in self.live(world)] == [found.external_id]

    async def test_a_compatible_server_without_the_batch_read(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:5]
        world.settings.mastodon_batch_read = False
        before = world.requests["mastodon:metrics"]
        for _ in range(2):
            result = await connector.fetch_metrics(ids)
            assert {item.external_id for item in result.metrics} == set(ids)
        assert world.requests["mastodon:metrics"] - before == 1 + 5 + 5, "what is not there is asked for once"

    async def test_plain_text_errors(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.mastodon_plain_errors = True
        with pytest.raises(ContentRejectedError, match="Text character limit of 500 exceeded"):
            await connector.publish(saved.request(PostContent(text="x" * 501), clock()))
        self.fail(world, "forbidden")
        with pytest.raises(ReauthenticateError, match="outside the authorized scopes"):
            await connector.publish(saved.request(self.content, clock()))

    async def test_a_server_that_answers_404_to_everything_has_deleted_nothing(
        self, account: Account, connector_settings: ConnectorSettings, clock: Clock
    ) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(404, html="<h1>no such site</h1>"))
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            with pytest.raises(GiveUpError):
                await pool.open(account).fetch_metrics(["1", "2"])

    async def test_a_video_is_waited_for(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        looks = 0
        original = world._now

        def ticking() -> datetime:
            # Each request that the simulation answers takes a moment, so that its processing comes to an end.
            nonlocal looks
            looks += 1
            clock.advance(milliseconds=200)
            return original()

        world._now = ticking
        video = Media(url=f"{SANDBOX}/_sandbox/media/video.mp4", kind="video")
        await connector.publish(saved.request(PostContent(text="Pouring", media=(video,)), clock()))
        (post,) = self.live(world)
        assert post.kind == "video"
        assert looks > 5, "the video was not ready at once"

    async def test_the_words_of_a_picture_arrive(
        self, account: Account, connector_settings: ConnectorSettings, saved: SavedState, clock: Clock
    ) -> None:
        bodies: list[bytes] = []

        def answer(request: httpx.Request) -> httpx.Response:
            bodies.append(request.read())
            if request.url.path.endswith("photo.png"):
                return httpx.Response(200, content=b"\x89PNG\r\n\x1a\nrest")
            if request.url.path == "/api/v2/media":
                return httpx.Response(200, json={"id": "m1", "url": "https://a.example/m1"})
            return httpx.Response(
                200, json={"id": "1", "created_at": "2026-11-24T12:00:00.000Z", "url": "https://a.example/1"}
            )

        async with ConnectorPool(
            connector_settings, clock=clock, transport=httpx.MockTransport(answer)
        ) as pool:
            await pool.open(account).publish(
                saved.request(PostContent(text="Tea", media=(PICTURE,)), clock())
            )
        assert b"a photo" in bodies[1]
        assert b'filename="media.png"' in bodies[1]
        assert json.loads(bodies[2]) == {"status": "Tea", "media_ids": ["m1"]}


STATUS = {
    "id": "115",
    "created_at": "2026-11-24T11:00:00.000Z",
    "content": '<p>Hi <span class="h-card"><a href="https://b.example/@bo">@<span>bo</span></a></span> &amp; all</p>',
    "url": "https://a.example/@me/115",
    "favourites_count": 3,
    "replies_count": 0,
    "reblogs_count": 2,
    "media_attachments": [],
}


def test_a_status_is_recognised_with_its_mentions() -> None:
    assert says(STATUS, "Hi @bo@b.example & all")
    assert not says(STATUS, "Hi @mo@b.example & all")


def test_metrics_of_an_older_server_count_no_quotes() -> None:
    assert replace(parse_metrics(STATUS, NOW), raw={}) == PostMetrics(
        "115", NOW, likes=3, comments=0, shares=2
    )
    newer = {**STATUS, "quotes_count": 4}
    assert parse_metrics(newer, NOW).shares == 6
    assert parse_metrics({"id": "115"}, NOW) == PostMetrics("115", NOW)


def test_a_listed_status() -> None:
    post = parse_listed(STATUS, NOW)
    assert (post.text, post.kind, post.permalink) == ("Hi @bo & all", "text", "https://a.example/@me/115")
    assert post.published_at == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
