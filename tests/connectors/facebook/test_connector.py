from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import Connector
from connectors.errors import (
    ContentRejectedError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.facebook.connector import FacebookConnector
from connectors.facebook.metrics import parse_counters
from connectors.facebook.posts import parse_candidate, read_kind
from connectors.facebook.videos import VideoFailedError, parse_video
from connectors.registry import ConnectorPool
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Media, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, fits

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VIDEO = Media(url=f"{SANDBOX}/_sandbox/media/video.mp4", kind="video")
BROKEN = Media(url=f"{SANDBOX}/_sandbox/media/broken.mp4", kind="video")


class TestFacebook(ConnectorContract):
    platform = Platform.FACEBOOK
    account_counters = frozenset({"followers"})

    async def list_comments(self, connector: Connector, _world: SandboxWorld, post_id: str) -> list[str]:
        assert isinstance(connector, FacebookConnector)
        path, params = f"/v25.0/{post_id}/comments", {"fields": "message"}
        return await connector._api.read(
            path, lambda body: [item["message"] for item in body["data"]], params=params
        )

    async def test_a_promoted_post_is_told_in_the_list_and_with_its_metrics(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:3]
        for post in world.published(Platform.FACEBOOK):
            if post.external_id == ids[1]:
                post.details = {**(post.details or {}), "promoted": True}
        batch = await connector.fetch_metrics(ids)
        assert {item.external_id: item.promoted for item in batch.metrics} == {
            ids[0]: None,
            ids[1]: True,
            ids[2]: None,
        }
        page = await connector.list_publications(since=clock() - timedelta(days=60))
        assert [post.external_id for post in page.posts if post.promoted] == [ids[1]]

    async def test_where_promotion_is_not_shown_everything_else_is_read(
        self, connector: Connector, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connectors.facebook.connector.PROMOTION", "promotion_statuses")
        monkeypatch.setattr("connectors.facebook.metrics.PROMOTION", "promotion_statuses")
        page = await connector.list_publications(since=clock() - timedelta(days=60))
        ids = [post.external_id for post in page.posts][:3]
        batch = await connector.fetch_metrics(ids)
        assert len(batch.metrics) == 3
        assert all(item.promoted is None and item.likes is not None for item in batch.metrics)

    async def test_several_photos_are_one_post(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(PostContent(text="Three", media=(PICTURE,) * 3), clock()))
        (post,) = self.live(world)
        assert len(post.detail("photos")) == 3
        assert world.requests["facebook:prepare"] == 3
        assert world.requests["facebook:publish"] == 1

    async def test_a_photo_that_fails_leaves_nothing_in_doubt(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_after", "prepare")
        with pytest.raises(UnavailableError):
            await connector.publish(saved.request(PostContent(text="A photo", media=(PICTURE,)), clock()))
        assert world.requests["facebook:publish"] == 0

    async def test_a_link_stands_in_the_text_and_on_its_card(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Our shop", link="https://shop.example/tea")
        await connector.publish(saved.request(content, clock()))
        (post,) = self.live(world)
        assert post.text == "Our shop\n\nhttps://shop.example/tea"
        assert post.detail("link") == "https://shop.example/tea"

    async def test_a_video_becomes_a_post_when_it_is_processed(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.facebook_video_delay_s = 0
        content = PostContent(text="Pouring", media=(VIDEO,))
        receipt = await connector.publish(saved.request(content, clock()))
        (post,) = self.live(world)
        assert post.external_id == receipt.external_id
        assert post.kind == "video"

    async def test_an_accepted_video_is_never_sent_again(
        self, account: Account, pool: ConnectorPool, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = PostContent(text="Pouring", media=(VIDEO,)), clock()
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.02})
        connector = pool.open(account)
        with pytest.raises(OutcomeUnknownError, match="still processing"):
            await connector.publish(saved.request(content, first))
        with pytest.raises(UnavailableError, match="still processing"):
            await connector.find_publication(saved.request(content, first))
        clock.advance(seconds=5)
        found = await connector.find_publication(saved.request(content, first))
        assert found is not None
        assert (await connector.publish(saved.request(content, first))).external_id == found.external_id
        assert [post.external_id for post in self.live(world)] == [found.external_id]
        assert world.requests["facebook:publish"] == 1

    async def test_a_video_in_doubt_is_found_while_it_is_processed(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = PostContent(text="Pouring", media=(VIDEO,)), clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, first))
        with pytest.raises(UnavailableError, match="still processing"):
            await connector.find_publication(saved.request(content, first))
        clock.advance(seconds=5)
        found = await connector.find_publication(saved.request(content, first))
        assert found is not None
        (post,) = self.live(world)
        assert post.external_id == found.external_id
        taken = frozenset({found.external_id})
        assert await connector.find_publication(saved.request(content, first, taken=taken)) is None

    async def test_what_became_of_a_video_may_be_out_of_sight(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "unauthorized", "read")
        with pytest.raises(OutcomeUnknownError, match="accepted the video"):
            await connector.publish(saved.request(PostContent(text="Pouring", media=(VIDEO,)), clock()))
        assert saved.state["video_id"]

    async def test_a_broken_video_is_refused_and_may_be_replaced(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = PostContent(text="Pouring", media=(BROKEN,)), clock()
        with pytest.raises(ContentRejectedError, match="another file"):
            await connector.publish(saved.request(content, first))
        assert saved.state["video_id"] is None
        assert await connector.find_publication(saved.request(content, first)) is None
        assert self.live(world) == []

    async def test_a_duplicate_of_another_post_is_left_to_a_person(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        other = await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        saved.state = {}
        first = clock()
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        taken = frozenset({other.external_id})
        with pytest.raises(UnavailableError, match="duplicate"):
            await connector.find_publication(saved.request(self.content, first, taken=taken))
        assert len(self.live(world)) == 1

    async def test_a_retired_metric_costs_only_itself(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:3]
        world.settings.retired_insights = ("post_clicks",)
        before = world.requests["facebook:metrics"]
        result = await connector.fetch_metrics(ids)
        assert len(result.metrics) == 3
        assert all(item.clicks is None and item.reach is not None for item in result.metrics)
        assert all(item.likes is not None and item.comments is not None for item in result.metrics)
        # Refused as a batch; then counters of each, and insights: refused, three alone; two without it.
        assert world.requests["facebook:metrics"] - before == 1 + 3 + (1 + 3) + 2
        again = world.requests["facebook:metrics"]
        assert len((await connector.fetch_metrics(ids)).metrics) == 3
        assert world.requests["facebook:metrics"] - again == 1, "the refused name is not asked for again"

    async def test_a_post_without_insights_keeps_its_counters(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:1]
        world.settings.retired_insights = (
            "post_media_view", "post_total_media_view_unique", "post_clicks",
        )  # fmt: skip
        (metrics,) = (await connector.fetch_metrics(ids)).metrics
        assert (metrics.reach, metrics.clicks) == (None, None)
        assert metrics.likes is not None

    async def test_deleted_is_believed_only_of_a_page_that_can_be_read(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        gone = await connector.publish(saved.request(self.content, clock()))
        world.delete_post(self.live(world)[0], clock().timestamp())
        self.fail(world, "forbidden", "followers", count=None)
        with pytest.raises(PermissionMissingError):
            await connector.fetch_metrics([gone.external_id])

    @pytest.mark.parametrize(
        ("status", "error", "expected"),
        [
            (400, {"code": 190, "error_subcode": 463}, ReauthenticateError),
            (403, {"code": 200}, PermissionMissingError),
            (400, {"code": 32}, RateLimitedError),
            (400, {"code": 80001}, RateLimitedError),
            (400, {"code": 368}, RateLimitedError),
            (400, {"code": 506}, OutcomeUnknownError),
            (400, {"code": 1}, OutcomeUnknownError),
            (400, {"code": 100}, ContentRejectedError),
            (500, {"code": 100}, OutcomeUnknownError),
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
        answer = httpx.MockTransport(
            lambda _: httpx.Response(status, json={"error": {"message": "No.", **error}})
        )
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=answer) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected


def person_of(*pages: dict[str, Any]) -> httpx.MockTransport:
    """A person's token, and those of the Pages that the person manages."""

    def answer(request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if request.url.path.endswith("/me/accounts"):
            return httpx.Response(200, json={"data": list(pages)})
        for page in pages:
            if token == page["access_token"]:
                return httpx.Response(200, json={**page, "access_token": None, "followers_count": 12})
        message = "(#100) Tried accessing nonexisting field (followers_count) on node type (User)"
        return httpx.Response(400, json={"error": {"message": message, "code": 100}})

    return httpx.MockTransport(answer)


TEA = {"id": "11", "name": "Tea", "username": "tea", "access_token": "token-of-the-page-tea"}
RYE = {"id": "12", "name": "Rye", "access_token": "token-of-the-page-rye"}


def person(handle: str | None = None) -> Account:
    token = Credentials(SecretStr("token-of-a-person"))
    return replace(Account("acc_1", Platform.FACEBOOK, token), handle=handle)


@pytest.mark.parametrize(
    ("handle", "pages", "page_id", "token"),
    [
        (None, [TEA], "11", "token-of-the-page-tea"),
        ("tea", [TEA, RYE], "11", "token-of-the-page-tea"),
        ("Rye", [TEA, RYE], "12", "token-of-the-page-rye"),
        ("12", [TEA, RYE], "12", "token-of-the-page-rye"),
    ],
)
async def test_a_persons_token_gives_that_of_the_page(
    *,
    handle: str | None,
    pages: list[dict[str, Any]],
    page_id: str,
    token: str,
    connector_settings: ConnectorSettings,
) -> None:
    async with ConnectorPool(connector_settings, transport=person_of(*pages)) as pool:
        verified = await pool.open(person(handle)).verify()
    assert verified.external_id == page_id
    assert verified.credentials.access_token.get_secret_value() == token
    assert verified.followers == 12


@pytest.mark.parametrize(("handle", "pages"), [(None, [TEA, RYE]), ("other", [TEA, RYE]), (None, [])])
async def test_a_persons_token_that_names_no_one_page(
    handle: str | None, pages: list[dict[str, Any]], connector_settings: ConnectorSettings
) -> None:
    async with ConnectorPool(connector_settings, transport=person_of(*pages)) as pool:
        with pytest.raises(ReauthenticateError, match="tea, 12" if pages else "none") as caught:
            await pool.open(person(handle)).verify()
    assert "token-of" not in str(caught.value)


@pytest.mark.parametrize(
    ("attachments", "kind"),
    [
        (None, "text"),
        ({"data": []}, "text"),
        ({"data": [{"media_type": "album"}]}, "photo"),
        ({"data": [{"media_type": "reel"}]}, "video"),
        ({"data": [{"media_type": "link"}]}, "link"),
        ({"data": [{"media_type": "event"}]}, "text"),
        ({"data": [{}]}, "text"),
    ],
)
def test_the_kind_of_a_post(attachments: dict[str, Any] | None, kind: str) -> None:
    assert read_kind({} if attachments is None else {"attachments": attachments}) == kind


def test_a_photo_is_not_recognised_as_a_text() -> None:
    plain = {"id": "1_2", "message": "Tea  & rye", "created_time": "2026-11-24T12:00:00+0000"}
    photo = {**plain, "attachments": {"data": [{"media_type": "photo"}]}}
    assert fits(parse_candidate(photo), "Tea & rye", PICTURE)
    assert not fits(parse_candidate(photo), "Tea & rye")
    assert not fits(parse_candidate(plain), "Tea & rye", PICTURE)
    assert not fits(parse_candidate(photo), "Tea & rye", VIDEO)


def test_shares_that_are_left_out_are_not_zero() -> None:
    counts = {"id": "1_2", "reactions": {"summary": {"total_count": 3}}}
    assert parse_counters(counts) == {"reactions": 3}
    assert parse_counters({**counts, "shares": {"count": 2}}) == {"reactions": 3, "shares": 2}


def test_the_post_of_a_video_in_both_forms_of_its_id() -> None:
    video = {"created_time": "2026-11-24T12:00:00+0000", "status": {"video_status": "ready"}}
    assert parse_video(video, "11") is None, "ready, yet without a post"
    for post_id in ("22", "11_22"):
        sent = parse_video({**video, "post_id": post_id}, "11")
        assert sent is not None
        assert sent.id == "11_22"
    with pytest.raises(VideoFailedError):
        parse_video({**video, "status": {"video_status": "error"}}, "11")
