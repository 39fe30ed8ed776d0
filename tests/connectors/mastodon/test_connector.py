import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.base import Connector
from connectors.errors import (
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    PermissionMissingError,
)
from connectors.mastodon.instance import InstanceLimits, parse_limits
from connectors.mastodon.statuses import parse_candidate, parse_listed, parse_metrics
from connectors.registry import ConnectorPool
from connectors.sandbox.faults import FaultKind
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Media, Platform, PostContent, PostMetrics
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, fits

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
        world.settings.mastodon_plain_errors, world.settings.mastodon_text_limit = True, 300
        with pytest.raises(ContentRejectedError, match="Text character limit of 300 exceeded"):
            await connector.publish(saved.request(PostContent(text="x" * 301), clock()))
        self.fail(world, "forbidden")
        with pytest.raises(PermissionMissingError, match="outside the authorized scopes"):
            await connector.publish(saved.request(self.content, clock()))

    async def test_an_instance_that_takes_more_gets_more(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.mastodon_text_limit = 5000
        content = PostContent(text="x" * 501, thread=("y" * 5000,))
        await connector.publish(saved.request(content, clock()))
        assert [len(post.text) for post in self.live(world)] == [501, 5000]

    async def test_verify_tells_the_instances_own_limit(
        self, connector: Connector, world: SandboxWorld
    ) -> None:
        world.settings.mastodon_text_limit = 5000
        assert (await connector.verify()).text_limit == 5000
        world.settings.mastodon_text_limit = 800
        assert (await connector.verify()).text_limit == 800, "whoever connects again gets today's limit"

    async def test_what_is_over_the_instances_own_limit_is_not_sent(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.mastodon_text_limit = 600
        with pytest.raises(ContentRejectedError, match=r"601 characters .* takes 600: shorten it by 1"):
            await connector.publish(saved.request(PostContent(text="x" * 601), clock()))
        with pytest.raises(ContentRejectedError, match=r"5 media, sandbox.test takes 4: leave out 1"):
            await connector.publish(saved.request(PostContent(text="x", media=(PICTURE,) * 5), clock()))
        wordy = PICTURE.model_copy(update={"alt_text": "a" * 1501})
        with pytest.raises(ContentRejectedError, match=r"alt text is 1501 .* takes 1500"):
            await connector.publish(saved.request(PostContent(text="x", media=(wordy,)), clock()))
        assert world.requests["mastodon:publish"] == 0

    async def test_the_limits_are_asked_for_where_they_matter_and_once_a_day(
        self, pool: ConnectorPool, account: Account, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        async def publish(text: str) -> int:
            # Another connector of the same pool: the instance is the same.
            saved.state = {}
            await pool.open(account).publish(saved.request(PostContent(text=text), clock(), key=text[-9:]))
            return world.requests["mastodon:read"]

        world.settings.mastodon_text_limit = 5000
        assert await publish("x" * 500) == 0
        assert await publish("y" * 501) == 1
        clock.advance(hours=23)
        assert await publish("z" * 502) == 1
        clock.advance(hours=2)
        assert await publish("w" * 503) == 2

    @pytest.mark.parametrize("kind", ["error_500_before", "html_error", "malformed", "unauthorized"])
    async def test_an_instance_that_does_not_tell_its_limits_decides_itself(
        self,
        kind: FaultKind,
        connector: Connector,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        world.settings.mastodon_text_limit = 5000
        self.fail(world, kind, "read")
        await connector.publish(saved.request(PostContent(text="x" * 501), clock()))
        assert len(self.live(world)) == 1

    @pytest.mark.parametrize(("reserved", "taken"), [(23, True), (30, True), (31, False)])
    async def test_a_link_counts_what_the_instance_says(
        self,
        *,
        reserved: int,
        taken: bool,
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        statuses = {"max_characters": 600, "characters_reserved_per_url": reserved}
        sent: list[bytes] = []

        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, json={"configuration": {"statuses": statuses}})
            sent.append(request.content)
            return httpx.Response(200, json={"id": "1", "created_at": "2026-11-24T12:00:00Z"})

        content = PostContent(text="x" * 569 + " https://example.com/" + "a" * 200)
        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            connector = pool.open(account)
            if taken:
                await connector.publish(saved.request(content, clock()))
            else:
                with pytest.raises(
                    ContentRejectedError, match=r"601 characters long, sandbox\.test takes 600"
                ):
                    await connector.publish(saved.request(content, clock()))
        assert len(sent) == taken

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
            if request.url.path == "/api/v2/instance":
                return httpx.Response(404)
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
        assert b"a photo" in bodies[2]
        assert b'filename="media.png"' in bodies[2]
        assert json.loads(bodies[3]) == {"status": "Tea", "visibility": "public", "media_ids": ["m1"]}


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


def test_the_limits_of_an_instance_that_says_little() -> None:
    assert parse_limits({"configuration": {}}) == replace(InstanceLimits(), known=True)
    said = {
        "statuses": {"max_characters": 1000, "characters_reserved_per_url": None},
        "media_attachments": None,
    }
    assert parse_limits({"configuration": said}) == replace(InstanceLimits(), text=1000, known=True)


def test_a_status_is_recognised_with_its_mentions() -> None:
    assert fits(parse_candidate(STATUS), "Hi @bo@b.example & all")
    assert fits(parse_candidate(STATUS), "Hi @bo & all")
    assert not fits(parse_candidate(STATUS), "Hi @mo@b.example & all")


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
