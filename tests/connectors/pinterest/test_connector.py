from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.base import Connector
from connectors.capabilities import validate_content
from connectors.errors import (
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.pinterest.pins import default_board, parse_candidate, parse_metrics, parse_time, write_pin
from connectors.registry import ConnectorPool
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Media, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, fits

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VIDEO = Media(url=f"{SANDBOX}/_sandbox/media/video.mp4", kind="video", alt_text="a kettle")


class TestPinterest(ConnectorContract):
    platform = Platform.PINTEREST
    content = PostContent(
        text="Opening at nine & closing <late> https://example.com/a?b=1&c=2", media=(PICTURE,)
    )

    async def test_a_pin_says_everything_in_its_own_place(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(
            text="Rye\nSlow-baked.", link="https://shop.example/rye", media=(PICTURE, PICTURE)
        )
        receipt = await connector.publish(saved.request(content, clock()))
        (pin,) = self.live(world)
        assert pin.text == "Rye\nSlow-baked."
        assert [pin.detail(name) for name in ("title", "link", "alt_text", "media_type")] == [
            "Rye", "https://shop.example/rye", "a photo; a photo", "multiple_images",
        ]  # fmt: skip
        assert receipt.permalink == f"https://www.pinterest.com/pin/{pin.external_id}/"

    async def test_a_video_is_uploaded_once_and_waited_for_across_attempts(
        self, account: Account, pool: ConnectorPool, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = PostContent(text="Pouring", media=(VIDEO,)), clock()
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.05})
        connector = pool.open(account)
        with pytest.raises(UnavailableError, match="still processing"):
            await connector.publish(saved.request(content, first))
        media_id = saved.state["media_id"]
        clock.advance(seconds=60)
        await connector.publish(saved.request(content, first))
        (pin,) = self.live(world)
        assert (pin.kind, pin.detail("media_id")) == ("video", media_id)
        assert await connector.find_publication(saved.request(content, first)) is not None

    async def test_a_retired_metric_costs_only_itself(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        (pin_id, *_) = await self.published_ids(connector, clock() - timedelta(days=60))
        whole = (await connector.fetch_metrics([pin_id])).metrics[0]
        world.settings.retired_insights = ("SAVE",)
        (metrics,) = (await connector.fetch_metrics([pin_id])).metrics
        assert metrics.saves is None
        assert (metrics.impressions, metrics.clicks) == (whole.impressions, whole.clicks)
        before = world.requests["pinterest:metrics"]
        await connector.fetch_metrics([pin_id])
        assert world.requests["pinterest:metrics"] - before == 1, "what was refused is not asked for again"

    async def test_ninety_days_are_the_whole_life_of_a_young_pin_only(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        (*_, pin_id) = await self.published_ids(connector, clock() - timedelta(days=60))
        lifetime = (await connector.fetch_metrics([pin_id])).metrics[0]
        world.settings.pinterest_lifetime_metrics = False
        summed = (await connector.fetch_metrics([pin_id])).metrics[0]
        assert (summed.impressions, summed.saves) == (lifetime.impressions, lifetime.saves)
        clock.advance(days=40)
        await connector.refresh_token()
        old = (await connector.fetch_metrics([pin_id])).metrics[0]
        assert old.impressions is None, "what happened before the window is not known"

    async def test_a_limit_midway_keeps_what_was_read(
        self, account: Account, connector_settings: ConnectorSettings
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/v5/pins/1/"):
                return httpx.Response(200, json={"all": {"lifetime_metrics": {"IMPRESSION": 3}}})
            return httpx.Response(429, json={"code": 8, "message": "Slow down."})

        async with ConnectorPool(
            connector_settings, clock=lambda: NOW, transport=httpx.MockTransport(answer)
        ) as pool:
            result = await pool.open(account).fetch_metrics(["1", "2"])
        assert [item.impressions for item in result.metrics] == [3]
        assert result.missing == {"2"}

    @pytest.mark.parametrize(
        ("boards", "expected"),
        [([], None), ([{"id": "1", "privacy": "SECRET"}], None), ([{"id": "2", "is_ads_only": True}], None)],
    )
    async def test_without_a_public_board_there_is_a_remedy(
        self,
        *,
        boards: list[dict[str, Any]],
        expected: None,
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
    ) -> None:
        assert default_board(boards, "me") is expected
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"items": boards}))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(GiveUpError, match="create one"):
                await pool.open(account).publish(saved.request(self.content, NOW))

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (400, {"code": 1, "message": "Sorry, we could not fetch the image."}, ContentRejectedError),
            (401, {"code": 2, "message": "Authentication failed."}, ReauthenticateError),
            (403, {"code": 3, "message": "Your token lacks the scope pins:write"}, PermissionMissingError),
            (403, {"code": 29, "message": "Trial apps may not create pins"}, PermissionMissingError),
        ],
    )
    async def test_what_a_refusal_means_at_publishing(
        self,
        *,
        status: int,
        body: dict[str, object],
        expected: type[Exception],
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, json={"items": [{"id": "5", "name": "b"}]})
            return httpx.Response(status, json=body)

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected

    async def test_a_refresh_without_the_app_names_the_settings(
        self, account: Account, connector_settings: ConnectorSettings
    ) -> None:
        bare = connector_settings.model_copy(update={"pinterest_client_id": None})
        async with ConnectorPool(bare) as pool:
            with pytest.raises(GiveUpError, match="SOCIALFLOW_PINTEREST_CLIENT_ID"):
                await pool.open(account).refresh_token()


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (PostContent(text="x" * 800, link="https://a.example/b", media=(PICTURE,)), []),
        (PostContent(text="x" * 801, media=(PICTURE,)), ["text_too_long"]),
        (PostContent(text="no picture"), ["media_required"]),
        (PostContent(text="six", media=(PICTURE,) * 6), ["too_many_media"]),
        (PostContent(text="both", media=(PICTURE, VIDEO)), ["media_mixed"]),
    ],
)
def test_what_is_refused_before_its_time(content: PostContent, codes: list[str]) -> None:
    assert [problem.code for problem in validate_content(Platform.PINTEREST, content)] == codes


def test_a_long_first_line_is_cut_at_a_word_for_the_title() -> None:
    line = "A very long first line " * 10
    title = write_pin(PostContent(text=line + "\nmore", media=(PICTURE,)), "1", {})["title"]
    assert len(title) <= 100
    assert title.endswith("…")
    assert line.startswith(title[:-1] + " ")
    assert write_pin(PostContent(text="😀" * 200), "1", {})["title"] == "😀" * 99 + "…"


def test_a_pin_without_words_has_neither_title_nor_description() -> None:
    assert write_pin(PostContent(media=(Media(url="https://a.example/b.png"),)), "1", {}) == {
        "board_id": "1",
        "media_source": {},
    }


def test_own_boards_come_before_shared_ones() -> None:
    boards = [
        {"id": "1", "name": "shared", "owner": {"username": "other"}},
        {"id": "2", "name": "own", "owner": {"username": "me"}},
    ]
    assert default_board(boards, "me") == "2"


def test_a_photo_does_not_stand_for_a_video_of_the_same_words() -> None:
    pin = parse_candidate({"id": "1", "description": "Rye", "media": {"media_type": "video"}}, NOW)
    assert fits(pin, "Rye", VIDEO)
    assert not fits(pin, "Rye", PICTURE)


def test_metrics_in_any_case_and_under_any_key() -> None:
    body = {"web": {"lifetime_metrics": {"impression": 7.0, "save": 2}, "daily_metrics": []}}
    metrics = parse_metrics("1", body, NOW)
    assert (metrics.impressions, metrics.saves, metrics.clicks) == (7, 2, None)


def test_a_time_without_a_zone_is_utc() -> None:
    assert parse_time("2026-11-24T12:00:00") == parse_time("2026-11-24T13:00:00+01:00") == NOW
