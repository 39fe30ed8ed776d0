from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Connector
from connectors.capabilities import validate_content
from connectors.content.text import count_threads
from connectors.errors import (
    ContentRejectedError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.parts import SentPart
from connectors.registry import ConnectorPool
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.threads.posts import (
    answers,
    parse_candidate,
    parse_exhausted,
    parse_metrics,
    parse_page,
    read_kind,
)
from connectors.types import Account, Media, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, fits

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PHOTO = PostContent(text="With a photo", media=(PICTURE,))
VIDEO = Media(url=f"{SANDBOX}/_sandbox/media/video.mp4", kind="video")
BROKEN = Media(url=f"{SANDBOX}/_sandbox/media/broken.mp4", kind="video")


class TestThreads(ConnectorContract):
    platform = Platform.THREADS
    account_counters = frozenset({"followers"})

    def absence_of(self, content: PostContent) -> Literal["list", "own", "never"]:
        return "own" if content.media else "list"  # a container says itself whether it was published

    async def test_a_text_takes_one_request(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(self.content, clock()))
        assert world.requests["threads:publish"] == 1
        assert world.requests["threads:prepare"] == 0
        assert saved.saves == 0

    async def test_each_part_of_a_thread_answers_the_one_before(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="one", thread=("two", "two"), first_comment="a comment", media=(PICTURE,))
        receipt = await connector.publish(saved.request(content, clock()))
        one, two, three, comment = self.live(world)
        assert receipt.external_id == one.external_id
        assert one.kind == "photo"
        assert [post.detail("reply_to") for post in (two, three, comment)] == [
            one.external_id,
            two.external_id,
            one.external_id,
        ]
        page = await connector.list_publications(since=clock() - timedelta(minutes=1))
        assert [post.text for post in page.posts] == ["one"], "replies are no posts of the history"

    async def test_equal_parts_of_a_thread_are_told_apart_by_what_they_answer(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = PostContent(text="one", thread=("again", "again")), clock()

        async def fail_last(state: Any) -> None:
            if len(state.get("sent_parts", ())) == 2 and not world.faults.rules:
                self.fail(world, "reset_before")

        saved.on_save = fail_last
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, first))
        saved.state = {}  # all that was known of the parts is lost
        assert await connector.find_publication(saved.request(content, first)) is None
        await connector.publish(saved.request(content, first))
        assert [post.text for post in self.live(world)] == ["one", "again", "again"]

    async def test_the_container_is_saved_before_it_is_published(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(PHOTO, clock()))
        container = saved.state["container_id"]
        receipt = await connector.publish(saved.request(PHOTO, clock()))
        (post,) = self.live(world)
        assert post.idempotency_key == container, "the same container was published"
        assert post.external_id == receipt.external_id

    async def test_a_published_container_is_never_published_again(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(PHOTO, clock()))
        receipt = await connector.publish(saved.request(PHOTO, clock()))
        assert [post.external_id for post in self.live(world)] == [receipt.external_id]
        assert world.requests["threads:publish"] == 1

    async def test_a_published_container_that_is_not_listed_yet_stays_in_doubt(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        receipt = await connector.publish(saved.request(PHOTO, clock()))
        taken = frozenset({receipt.external_id})
        with pytest.raises(UnavailableError, match="does not list it"):
            await connector.find_publication(saved.request(PHOTO, clock(), taken=taken))
        with pytest.raises(OutcomeUnknownError, match="does not list it"):
            await connector.publish(saved.request(PHOTO, clock(), taken=taken))
        assert len(self.live(world)) == 1

    async def test_an_expired_container_is_made_anew(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "rate_limited")
        with pytest.raises(RateLimitedError):
            await connector.publish(saved.request(PHOTO, first))
        old = saved.state["container_id"]
        clock.advance(hours=25)
        assert await connector.find_publication(saved.request(PHOTO, first)) is None
        await connector.publish(saved.request(PHOTO, first))
        assert saved.state["container_id"] != old
        assert len(self.live(world)) == 1

    async def test_a_video_is_waited_for_across_attempts(
        self, account: Account, pool: ConnectorPool, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Pouring", media=(VIDEO,))
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.02})
        connector = pool.open(account)
        with pytest.raises(UnavailableError, match="still processing") as caught:
            await connector.publish(saved.request(content, clock()))
        assert caught.value.retry_at == clock() + timedelta(minutes=1)
        clock.advance(seconds=60)
        await connector.publish(saved.request(content, clock()))
        (post,) = self.live(world)
        assert post.kind == "video"
        assert world.requests["threads:publish"] == 1

    async def test_a_broken_video_is_refused(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.threads_video_delay_s = 0
        content = PostContent(text="Pouring", media=(BROKEN,))
        with pytest.raises(ContentRejectedError, match="another file"):
            await connector.publish(saved.request(content, clock()))
        assert await connector.find_publication(saved.request(content, clock())) is None
        assert self.live(world) == []

    async def test_a_carousel_of_twenty(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Twenty", media=(PICTURE,) * 20)
        assert validate_content(self.platform, content) == []
        await connector.publish(saved.request(content, clock()))
        (post,) = self.live(world)
        assert len(post.detail("children")) == 20

    async def test_a_receipt_that_cannot_be_read_does_not_unsend_the_post(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "error_500_before", "read", count=None)
        receipt = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        assert (receipt.external_id, receipt.permalink) == (post.external_id, None)

    async def test_an_id_that_is_no_post_is_looked_up(
        self, account: Account, saved: SavedState, connector_settings: ConnectorSettings
    ) -> None:
        listed = {"id": "77", "media_type": "TEXT_POST", "text": self.content.text, "permalink": "https://x"}

        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                return httpx.Response(200, json={"id": "5"})
            if request.url.path.endswith("/me/threads"):
                return httpx.Response(200, json={"data": [{**listed, "timestamp": NOW.isoformat()}]})
            return httpx.Response(400, json={"error": {"message": "No.", "code": 100, "error_subcode": 33}})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            connector = pool.open(account)
            with pytest.raises(OutcomeUnknownError, match="accepted the post"):
                await connector.publish(saved.request(self.content, NOW))
            found = await connector.find_publication(saved.request(self.content, NOW))
        assert found is not None
        assert found.external_id == "77"

    async def test_a_retired_metric_costs_only_itself(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:2]
        (whole, _) = (await connector.fetch_metrics(ids)).metrics
        world.settings.retired_insights = ("shares",)
        (left, other) = (await connector.fetch_metrics(ids)).metrics
        assert left.shares == whole.raw["reposts"] + whole.raw["quotes"]
        assert (left.likes, left.comments) == (whole.likes, whole.comments)
        assert other.shares is not None

    async def test_without_insights_one_can_still_connect(
        self, connector: Connector, world: SandboxWorld
    ) -> None:
        self.fail(world, "forbidden", "followers")
        assert (await connector.verify()).followers is None

    async def test_a_token_of_unknown_age_is_renewed_after_a_day(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        unknown = replace(account, credentials=replace(account.credentials, expires_at=None))
        connector = pool.open(unknown)
        planned = (await connector.verify()).credentials.expires_at
        assert planned is not None
        assert connector.capabilities.refresh_before is not None
        assert planned - connector.capabilities.refresh_before == clock() + timedelta(days=1)

    @pytest.mark.parametrize(
        ("status", "error", "expected"),
        [
            (400, {"code": 190}, ReauthenticateError),
            (403, {"code": 10}, PermissionMissingError),
            (400, {"code": 24, "error_subcode": 4279009}, OutcomeUnknownError),
            (400, {"code": 2}, OutcomeUnknownError),
            (400, {"code": 100}, ContentRejectedError),
            (500, {"code": 24}, OutcomeUnknownError),
        ],
    )
    async def test_what_an_error_code_means_at_publishing(
        self,
        *,
        status: int,
        error: dict[str, object],
        expected: type[Exception],
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        transport = refuse_publishing(status, error, quota=1)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected

    @pytest.mark.parametrize(("quota", "retry_at"), [(250, NOW + timedelta(hours=1)), (249, None)])
    async def test_a_used_up_quota_pauses_for_an_hour(
        self,
        *,
        quota: int,
        retry_at: datetime | None,
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        transport = refuse_publishing(403, {"code": 9}, quota=quota)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(RateLimitedError) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert caught.value.retry_at == retry_at


def refuse_publishing(status: int, error: dict[str, object], *, quota: int) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/threads_publishing_limit"):
            config = {"quota_total": 250, "quota_duration": 86_400}
            return httpx.Response(200, json={"data": [{"quota_usage": quota, "config": config}]})
        return httpx.Response(status, json={"error": {"message": "No.", **error}})

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("tea", 3),
        ("茶と本", 3),
        ("مرحبا", 5),
        ("100% #1 *", 9),
        ("👍", 4),
        ("👨‍👩‍👧", 18),
        ("🇩🇪", 8),
        ("1️⃣", 7),
        ("tea 🍵 time", 13),
        ("half \ud83d", 6),
    ],
)
def test_an_emoji_counts_its_bytes(text: str, length: int) -> None:
    assert count_threads(text) == length


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_counts_less_than_its_characters_or_more_than_its_bytes(text: str) -> None:
    assert len(text) <= count_threads(text) <= len(text.encode())


def test_a_text_of_emoji_is_too_long_sooner() -> None:
    assert validate_content(Platform.THREADS, PostContent(text="🍵" * 125)) == []
    (problem,) = validate_content(Platform.THREADS, PostContent(text="🍵" * 126))
    assert problem.code == "text_too_long"
    assert "504" in problem.detail


def test_reposts_of_others_are_no_posts() -> None:
    own = {"id": 1, "media_type": "IMAGE", "timestamp": "2026-11-24T12:00:00+0000"}
    items, cursor = parse_page({"data": [{**own, "id": 2, "media_type": "REPOST_FACADE"}, own]})
    assert [(item["id"], item["text"]) for item in items] == [("1", "")]
    assert cursor is None


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"media_type": "TEXT_POST", "text": "tea"}, "text"),
        ({"media_type": "TEXT_POST", "text": "https://tea.example"}, "link"),
        ({"media_type": "TEXT_POST", "text": "", "link_attachment_url": "https://tea.example"}, "link"),
        ({"media_type": "CAROUSEL_ALBUM", "text": ""}, "photo"),
        ({"media_type": "VIDEO", "text": ""}, "video"),
        ({"media_type": "AUDIO", "text": ""}, "text"),
    ],
)
def test_the_kind_of_a_post(item: dict[str, str], kind: str) -> None:
    assert read_kind(item) == kind


def test_a_photo_is_not_recognised_as_a_text() -> None:
    item = {"id": "1", "media_type": "IMAGE", "text": "Tea", "timestamp": "2026-11-24T12:00:00+0000"}
    photo = parse_candidate(item)
    assert fits(photo, "Tea", PICTURE)
    assert not fits(photo, "Tea")
    assert not fits(photo, "Tea", VIDEO)
    assert not fits(photo, "Tea", PICTURE, PICTURE)
    assert not fits(photo, "Rye", PICTURE)


def test_a_reply_is_told_from_those_to_other_posts() -> None:
    parent = SentPart("7", None, NOW)
    assert answers({"replied_to": {"id": "7"}}, parent)
    assert answers({}, parent), "to what is not told: it may be ours"
    assert not answers({"replied_to": {"id": "8"}}, parent)


def test_shares_are_what_passed_the_post_on() -> None:
    values = {"likes": 4, "replies": 3, "reposts": 2, "quotes": 1, "shares": 5, "views": 900}
    metrics = parse_metrics("1", values, NOW)
    assert (metrics.likes, metrics.comments, metrics.shares) == (4, 3, 8)
    assert (metrics.impressions, metrics.video_views, metrics.raw["views"]) == (None, None, 900)
    assert parse_metrics("1", {"likes": 4}, NOW).shares is None


@pytest.mark.parametrize(
    ("quota", "exhausted"),
    [
        ({"quota_usage": 249, "config": {"quota_total": 250}}, False),
        ({"quota_usage": 250, "config": {"quota_total": 250}}, True),
        ({"reply_quota_usage": 1000, "reply_config": {"quota_total": 1000}}, True),
        ({}, False),
    ],
)
def test_one_quota_used_up_is_enough(*, quota: dict[str, Any], exhausted: bool) -> None:
    assert parse_exhausted({"data": [quota]}) is exhausted
