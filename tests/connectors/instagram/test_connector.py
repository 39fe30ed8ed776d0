from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.base import Connector
from connectors.errors import (
    ContentRejectedError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.instagram.connector import InstagramConnector
from connectors.instagram.media import parse_page, parse_user
from connectors.meta.api import parse_insights, parse_regain
from connectors.registry import ConnectorPool
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Media, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class TestInstagram(ConnectorContract):
    platform = Platform.INSTAGRAM
    absence = "own"
    content = PostContent(
        text="Opening at nine & closing <late> https://example.com/a?b=1&c=2", media=(PICTURE,)
    )

    async def list_comments(self, connector: Connector, _world: SandboxWorld, post_id: str) -> list[str]:
        assert isinstance(connector, InstagramConnector)
        path, params = f"/v23.0/{post_id}/comments", {"fields": "text"}
        return await connector._api.read(
            path, lambda body: [item["text"] for item in body["data"]], params=params
        )

    async def test_a_token_of_unknown_age_is_renewed_after_a_day(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        unknown = replace(account, credentials=replace(account.credentials, expires_at=None))
        connector = pool.open(unknown)
        planned = (await connector.verify()).credentials.expires_at
        assert planned is not None
        assert connector.capabilities.refresh_before is not None
        assert planned - connector.capabilities.refresh_before == clock() + timedelta(days=1)

    async def test_the_container_is_saved_before_it_is_published(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        container = saved.state["container_id"]
        receipt = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        assert post.idempotency_key == container, "the same container was published"
        assert post.external_id == receipt.external_id

    async def test_a_published_container_is_never_published_again(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        # Even without asking first: the saved container itself says that it is out.
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        receipt = await connector.publish(saved.request(self.content, clock()))
        assert [post.external_id for post in self.live(world)] == [receipt.external_id]
        assert world.requests["instagram:publish"] == 1

    async def test_an_expired_container_is_made_anew(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "rate_limited")
        with pytest.raises(RateLimitedError):
            await connector.publish(saved.request(self.content, first))
        old = saved.state["container_id"]
        clock.advance(hours=25)
        assert await connector.find_publication(saved.request(self.content, first)) is None
        await connector.publish(saved.request(self.content, first))
        assert saved.state["container_id"] != old
        assert len(self.live(world)) == 1

    async def test_a_container_of_another_wording_is_left_behind(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "rate_limited")
        with pytest.raises(RateLimitedError):
            await connector.publish(saved.request(self.content, clock()))
        edited = PostContent(text="Edited since", media=(PICTURE,))
        await connector.publish(saved.request(edited, clock()))
        assert [post.text for post in self.live(world)] == ["Edited since"]

    async def test_nothing_was_sent_before_there_was_a_container(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "error_500_before", "prepare")
        with pytest.raises(UnavailableError):
            await connector.publish(saved.request(self.content, clock()))
        before = sum(world.requests.values())
        assert await connector.find_publication(saved.request(self.content, clock())) is None
        assert sum(world.requests.values()) == before

    async def test_a_video_is_waited_for_across_attempts(
        self, account: Account, pool: ConnectorPool, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        video = Media(url=f"{SANDBOX}/_sandbox/media/video.mp4", kind="video")
        content = PostContent(text="Pouring", media=(video,))
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.05})
        connector = pool.open(account)
        with pytest.raises(UnavailableError, match="still processing") as caught:
            await connector.publish(saved.request(content, clock()))
        assert caught.value.retry_at == clock() + timedelta(minutes=1)
        clock.advance(seconds=60)
        await connector.publish(saved.request(content, clock()))
        (post,) = self.live(world)
        assert post.kind == "video"
        assert world.requests["instagram:publish"] == 1

    async def test_a_carousel(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(PostContent(text="Three", media=(PICTURE,) * 3), clock()))
        (post,) = self.live(world)
        assert len(post.detail("children")) == 3

    async def test_a_retired_metric_costs_only_itself(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:3]
        world.settings.retired_insights = ("reach",)
        before = world.requests["instagram:metrics"]
        result = await connector.fetch_metrics(ids)
        assert all(item.reach is None and item.likes is not None for item in result.metrics)
        assert len(result.metrics) == 3
        # Refused once as a whole, seven metrics one by one, then both other posts without the refused one.
        assert world.requests["instagram:metrics"] - before == 1 + 7 + 2

    async def test_a_limit_midway_keeps_what_was_read(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:3]
        original = world.faults.take
        reads = 0

        def take(*args: object) -> object:
            nonlocal reads
            reads += args[1] == "metrics"
            if reads == 2:
                self.fail(world, "rate_limited", "metrics")
            return original(*args)  # type: ignore[arg-type]  # handed through as it came

        world.faults.take = take  # type: ignore[method-assign,assignment]  # counts the requests of this one test
        result = await connector.fetch_metrics(ids)
        assert [item.external_id for item in result.metrics] == ids[:1]
        assert result.missing == set(ids[1:])

    @pytest.mark.parametrize(
        ("status", "error", "expected"),
        [
            (400, {"code": 190, "error_subcode": 463}, ReauthenticateError),
            (400, {"code": 190, "error_subcode": 458}, ReauthenticateError),
            (403, {"code": 10}, PermissionMissingError),
            (400, {"code": 200}, PermissionMissingError),
            (400, {"code": 4}, RateLimitedError),
            (403, {"code": 9, "error_subcode": 2207042}, RateLimitedError),
            (400, {"code": 17}, RateLimitedError),
            (400, {"code": 32}, RateLimitedError),
            (400, {"code": 613}, RateLimitedError),
            (400, {"code": 2, "is_transient": True}, OutcomeUnknownError),
            (400, {"code": 99, "is_transient": True}, OutcomeUnknownError),
            (400, {"code": 9007, "error_subcode": 2207027}, UnavailableError),
            (400, {"code": 9007, "error_subcode": 2207032}, OutcomeUnknownError),
            (400, {"code": 24, "error_subcode": 2207006}, OutcomeUnknownError),
            (400, {"code": -1, "error_subcode": 2207001}, OutcomeUnknownError),
            (400, {"code": -1, "error_subcode": 2207053}, OutcomeUnknownError),
            (400, {"code": -2, "error_subcode": 2207020}, OutcomeUnknownError),
            (400, {"code": 25, "error_subcode": 2207050}, ReauthenticateError),
            (400, {"code": -1}, ContentRejectedError),
            (400, {"code": 36003}, ContentRejectedError),
            (500, {"code": 190}, OutcomeUnknownError),
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
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/media_publish"):
                return httpx.Response(status, json={"error": {"message": "No.", **error}})
            if request.method == "GET":
                return httpx.Response(200, json={"id": "5", "status_code": "FINISHED"})
            return httpx.Response(200, json={"id": "5"})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            ({"code": -1, "error_subcode": 2207001}, UnavailableError),
            ({"code": -1, "error_subcode": 2207032}, UnavailableError),
            ({"code": -2, "error_subcode": 2207003}, UnavailableError),
            ({"code": 9004, "error_subcode": 2207052}, UnavailableError),
            ({"code": 9004}, ContentRejectedError),
            ({"code": 36003, "error_subcode": 2207009}, ContentRejectedError),
        ],
    )
    async def test_what_an_error_code_means_at_the_container(
        self,
        *,
        error: dict[str, object],
        expected: type[Exception],
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        def answer(_request: httpx.Request) -> httpx.Response:
            return httpx.Response(400, json={"error": {"message": "No.", **error}})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected

    async def test_a_block_of_the_accounts_actions_does_not_pause_the_app(
        self, account: Account, saved: SavedState, connector_settings: ConnectorSettings
    ) -> None:
        error = {"message": "Restricted.", "code": 4, "error_subcode": 2207051}
        transport = httpx.MockTransport(lambda _request: httpx.Response(400, json={"error": error}))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(RateLimitedError) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert caught.value.scope == "account"

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("Error: Media upload has failed with error code 2207053", UnavailableError),
            ("Error: Media upload has failed with error code 2207026", ContentRejectedError),
            (None, ContentRejectedError),
        ],
    )
    async def test_a_failure_of_the_container_that_passes_is_tried_again(
        self,
        *,
        words: str | None,
        expected: type[Exception],
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            shown = {"status_code": "ERROR", "status": words} if request.method == "GET" else {}
            return httpx.Response(200, json={"id": "5", **shown})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected, match=words or "could not process") as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected


def test_insights_in_both_forms() -> None:
    body = {
        "data": [
            {"name": "reach", "values": [{"value": 7}]},
            {"name": "views", "total_value": {"value": "9"}},
        ]
    }
    assert parse_insights(body) == {"reach": 7, "views": 9}


def test_an_account_wrapped_or_bare() -> None:
    assert parse_user({"data": [{"user_id": "1", "username": "tea"}]})["user_id"] == "1"
    assert parse_user({"user_id": "1", "username": "tea"})["user_id"] == "1"


def test_the_last_page_has_a_cursor_but_no_next() -> None:
    page = {"data": [], "paging": {"cursors": {"after": "abc"}}}
    assert parse_page(page) == ([], None)
    assert parse_page({**page, "paging": {"cursors": {"after": "abc"}, "next": "https://..."}}) == ([], "abc")


@pytest.mark.parametrize(
    ("header", "retry_at"),
    [
        ('{"1": [{"estimated_time_to_regain_access": 5}, {"estimated_time_to_regain_access": 12}]}', 12),
        ('{"1": [{"estimated_time_to_regain_access": 0}]}', None),
        ("{}", None),
        ("no json", None),
        ("[1]", None),
    ],
)
def test_the_minutes_until_access_is_regained(header: str, retry_at: int | None) -> None:
    expected = None if retry_at is None else NOW + timedelta(minutes=retry_at)
    assert parse_regain({"x-business-use-case-usage": header}, NOW) == expected
    assert parse_regain({}, NOW) is None
