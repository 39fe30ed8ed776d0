import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.base import Connector
from connectors.capabilities import validate_content
from connectors.errors import (
    CannotFindOutError,
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http.redaction import redact
from connectors.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.tiktok.responses import parse_status
from connectors.tiktok.uploads import describe_source
from connectors.types import Account, Media, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FILM = Media(url=f"{SANDBOX}/_sandbox/media/film.mp4", kind="video")
PHOTOS = PostContent(text="Two pictures", media=(PICTURE, PICTURE))


class TestTikTok(ConnectorContract):
    platform = Platform.TIKTOK
    absence = "own"
    content = PostContent(
        text="Opening at nine & closing <late> https://example.com/a?b=1&c=2", media=(FILM,)
    )
    media_content = PostContent(text="With a film", media=(FILM,))

    @pytest.fixture
    def connector_settings(self, connector_settings: ConnectorSettings) -> ConnectorSettings:
        # A piece of a video may take long, and in these tests the platform hangs at one.
        return connector_settings.model_copy(update={"upload_timeout": 0.5})

    async def test_a_deleted_post_is_told_apart(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        # TikTok leaves out deleted and private videos alike, so neither is called deleted here.
        kept = (await self.published_ids(connector, clock() - timedelta(days=60)))[:2]
        gone = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        world.delete_post(post, clock().timestamp())
        result = await connector.fetch_metrics([kept[0], gone.external_id, kept[1]])
        assert {item.external_id for item in result.metrics} == set(kept)
        assert (result.deleted, result.missing) == (frozenset(), {gone.external_id})

    # -- videos

    async def test_the_publish_id_is_saved_before_the_first_byte(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        publish_id = saved.state["publish_id"]
        await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        assert post.idempotency_key == publish_id, "the same upload went on"

    async def test_a_published_video_is_never_sent_again(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        # Even without asking first: the saved publish_id itself says that it is out.
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        receipt = await connector.publish(saved.request(self.content, clock()))
        assert [post.external_id for post in self.live(world)] == [receipt.external_id]
        assert world.requests["tiktok:publish"] == 1

    async def test_a_large_video_goes_on_at_the_piece_where_it_broke(
        self,
        *,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        size = 64_000_123
        sandbox, ranges, breaks = httpx.ASGITransport(create_sandbox_app(world)), [], [3]

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "media.test":
                return httpx.Response(200, content=b"\0\0\0\x18ftypmp42" + b"\0" * (size - 12))
            if request.method == "PUT":
                assert "authorization" not in request.headers
                ranges.append(request.headers["content-range"])
                if len(ranges) in breaks:
                    raise httpx.ReadError("broken")
            return await sandbox.handle_async_request(request)

        content = PostContent(text="Long", media=(Media(url="https://media.test/film.mp4", kind="video"),))
        settings = connector_settings.model_copy(update={"upload_timeout": 20.0})
        async with ConnectorPool(settings, clock=clock, transport=httpx.MockTransport(answer)) as pool:
            connector = pool.open(account)
            with pytest.raises(UnavailableError):
                await connector.publish(saved.request(content, clock()))
            assert await connector.find_publication(saved.request(content, clock())) is None
            await connector.publish(saved.request(content, clock()))
        assert len(self.live(world)) == 1
        starts = [int(text.split()[1].split("-")[0]) for text in ranges]
        assert starts == [0, 10_000_000, 20_000_000, 20_000_000, 30_000_000, 40_000_000, 50_000_000]
        assert ranges[-1] == f"bytes 50000000-{size - 1}/{size}"

    async def test_an_upload_that_is_too_old_begins_anew(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "rate_limited")
        with pytest.raises(RateLimitedError):
            await connector.publish(saved.request(self.content, clock()))
        old = saved.state["publish_id"]
        clock.advance(minutes=55)
        await connector.publish(saved.request(self.content, clock()))
        assert saved.state["publish_id"] != old
        assert len(self.live(world)) == 1

    async def test_a_post_under_moderation_is_out_but_not_named_yet(
        self, pool: ConnectorPool, account: Account, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.tiktok_moderation_delay_s = 3600.0
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.05})
        connector, first = pool.open(account), clock()
        with pytest.raises(OutcomeUnknownError, match="moderation"):
            await connector.publish(saved.request(self.content, first))
        with pytest.raises(UnavailableError, match="moderation"):
            await connector.find_publication(saved.request(self.content, first))
        clock.advance(hours=2)
        found = await connector.find_publication(saved.request(self.content, first))
        assert found is not None
        assert [post.external_id for post in self.live(world)] == [found.external_id]
        assert found.published_at == first, "by TikTok's clock"

    async def test_processing_is_waited_for_without_sending_again(
        self, pool: ConnectorPool, account: Account, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.tiktok_processing_delay_s = 300.0
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.05})
        connector, first = pool.open(account), clock()
        with pytest.raises(OutcomeUnknownError, match="still at work"):
            await connector.publish(saved.request(self.content, first))
        with pytest.raises(UnavailableError, match="still at work"):
            await connector.find_publication(saved.request(self.content, first))
        clock.advance(minutes=10)
        await connector.publish(saved.request(self.content, first))
        assert len(self.live(world)) == world.requests["tiktok:publish"] == 1

    async def test_a_private_post_goes_by_its_publish_id(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.tiktok_privacy_levels = ("SELF_ONLY",)
        receipt = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        assert receipt.external_id == post.idempotency_key
        assert receipt.permalink is None
        assert post.detail("privacy") == "SELF_ONLY"

    @pytest.mark.parametrize(
        ("levels", "chosen"),
        [
            (("SELF_ONLY", "PUBLIC_TO_EVERYONE"), "PUBLIC_TO_EVERYONE"),
            (("SELF_ONLY", "FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS"), "FOLLOWER_OF_CREATOR"),
        ],
    )
    async def test_the_widest_audience_is_chosen(
        self,
        *,
        levels: tuple[str, ...],
        chosen: str,
        pool: ConnectorPool,
        account: Account,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        world.settings.tiktok_privacy_levels = levels
        pool._settings = pool._settings.model_copy(update={"processing_timeout": 0.01})
        try:
            await pool.open(account).publish(saved.request(self.content, clock()))
        except OutcomeUnknownError:
            assert chosen != "PUBLIC_TO_EVERYONE", "TikTok tells the id of public posts alone"
        assert self.live(world)[0].detail("privacy") == chosen

    @pytest.mark.parametrize(
        ("reason", "expected"),
        [
            ("file_format_check_failed", ContentRejectedError),
            ("photo_pull_failed", ContentRejectedError),
            ("spam_risk_text", ContentRejectedError),
            ("spam_risk_too_many_posts", RateLimitedError),
            ("spam_risk_user_banned_from_posting", PermissionMissingError),
            ("auth_removed", ReauthenticateError),
            ("internal", UnavailableError),
        ],
    )
    async def test_a_failed_publish_says_why_and_is_not_out(
        self, reason: str, expected: type[ConnectorError], account: Account, saved: SavedState
    ) -> None:
        settings = ConnectorSettings(tiktok_base_url=SANDBOX, allow_private_instances=True)
        transport = httpx.MockTransport(_tiktok(status={"status": "FAILED", "fail_reason": reason}))
        async with ConnectorPool(settings, clock=lambda: NOW, transport=transport) as pool:
            connector = pool.open(account)
            with pytest.raises(expected, match=reason) as caught:
                await connector.publish(saved.request(self.content, NOW))
            assert type(caught.value) is expected
            assert saved.state["publish_id"] is None, "the next attempt begins anew"
            assert await connector.find_publication(saved.request(self.content, NOW)) is None

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (404, UnavailableError),
            (410, UnavailableError),
            (416, OutcomeUnknownError),
            (400, ContentRejectedError),
        ],
    )
    async def test_what_a_refused_piece_means(
        self, status: int, expected: type[ConnectorError], account: Account, saved: SavedState
    ) -> None:
        settings = ConnectorSettings(tiktok_base_url=SANDBOX, allow_private_instances=True)
        transport = httpx.MockTransport(_tiktok(put=status))
        async with ConnectorPool(settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected
        assert "upload_token" not in caught.value.message

    async def test_a_refused_piece_of_a_resumed_upload_proves_nothing(
        self, account: Account, saved: SavedState
    ) -> None:
        settings = ConnectorSettings(tiktok_base_url=SANDBOX, allow_private_instances=True)
        answers = _tiktok(put=500, status={"status": "PROCESSING_UPLOAD", "uploaded_bytes": 0})
        async with ConnectorPool(settings, clock=lambda: NOW, transport=httpx.MockTransport(answers)) as pool:
            with pytest.raises(OutcomeUnknownError):
                await pool.open(account).publish(saved.request(self.content, NOW))
        answers = _tiktok(put=400, status={"status": "PROCESSING_UPLOAD", "uploaded_bytes": 0})
        async with ConnectorPool(settings, clock=lambda: NOW, transport=httpx.MockTransport(answers)) as pool:
            with pytest.raises(OutcomeUnknownError):
                await pool.open(account).publish(saved.request(self.content, NOW))

    async def test_a_forgotten_publish_id_is_left_to_a_person(
        self, connector: Connector, saved: SavedState, clock: Clock, world: SandboxWorld
    ) -> None:
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        saved.state = {**saved.state, "publish_id": "v_pub_file~v2.404"}
        with pytest.raises(CannotFindOutError):
            await connector.find_publication(saved.request(self.content, clock()))

    # -- photos

    async def test_photos_are_fetched_by_tiktok(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        receipt = await connector.publish(saved.request(PHOTOS, clock()))
        (post,) = self.live(world)
        assert (post.kind, post.text, post.external_id) == ("photo", PHOTOS.text, receipt.external_id)
        assert receipt.permalink == f"https://www.tiktok.com/@{post.account.handle}/photo/{post.external_id}"

    @pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
    async def test_photos_whose_answer_is_lost_are_left_to_a_person(
        self, *, kind: Any, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, kind)
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(PHOTOS, clock()))
        with pytest.raises(CannotFindOutError, match="publish_id was lost"):
            await connector.find_publication(saved.request(PHOTOS, clock()))

    async def test_photos_that_were_refused_are_surely_not_out(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "rate_limited")
        with pytest.raises(RateLimitedError):
            await connector.publish(saved.request(PHOTOS, clock()))
        assert await connector.find_publication(saved.request(PHOTOS, clock())) is None
        await connector.publish(saved.request(PHOTOS, clock()))
        assert len(self.live(world)) == 1

    # -- the envelope

    async def test_an_error_within_a_200_is_an_error(
        self, connector: Connector, account: Account, world: SandboxWorld, pool: ConnectorPool
    ) -> None:
        world.settings.tiktok_errors_in_200 = True
        with pytest.raises(ContentRejectedError, match="video_ids must hold 1 to 20 ids") as caught:
            await connector._client.query([])  # type: ignore[attr-defined]  # TikTok's own
        assert caught.value.platform_code == "invalid_params"
        world.settings.tiktok_statistics_scope = False
        verified = await pool.open(account).verify()
        assert verified.external_id == account.external_id
        assert verified.followers is None

    async def test_without_the_scope_for_statistics_they_are_none(
        self, connector: Connector, world: SandboxWorld
    ) -> None:
        world.settings.tiktok_statistics_scope = False
        metrics = await connector.fetch_followers()
        assert (metrics.followers, metrics.following, metrics.posts) == (None, None, None)

    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (200, "rate_limit_exceeded", RateLimitedError),
            (429, "rate_limit_exceeded", RateLimitedError),
            (403, "spam_risk_too_many_posts", RateLimitedError),
            (403, "reached_active_user_cap", RateLimitedError),
            (401, "access_token_invalid", ReauthenticateError),
            (401, "scope_not_authorized", PermissionMissingError),
            (403, "unaudited_client_can_only_post_to_private_accounts", GiveUpError),
            (403, "url_ownership_unverified", GiveUpError),
            (400, "invalid_params", ContentRejectedError),
            (200, "internal_error", OutcomeUnknownError),
            (500, "internal_error", OutcomeUnknownError),
            (200, "something_new", OutcomeUnknownError),
            (400, "something_new", GiveUpError),
        ],
    )
    async def test_what_a_code_means_at_publishing(
        self, *, status: int, code: str, expected: type[ConnectorError], account: Account, saved: SavedState
    ) -> None:
        settings = ConnectorSettings(tiktok_base_url=SANDBOX, allow_private_instances=True)
        error = {"code": code, "message": "No.", "log_id": "1"}
        transport = httpx.MockTransport(_tiktok(photos=(status, {"data": {}, "error": error})))
        async with ConnectorPool(settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(PHOTOS, NOW))
        assert type(caught.value) is expected
        if code == "rate_limit_exceeded":
            assert isinstance(caught.value, RateLimitedError)
            assert caught.value.retry_at == NOW + timedelta(minutes=1), "limits count the last minute"
        if isinstance(caught.value, RateLimitedError):
            assert caught.value.scope == ("app" if code == "reached_active_user_cap" else "account")

    # -- tokens

    async def test_a_refresh_token_works_once(
        self, connector: Connector, pool: ConnectorPool, account: Account
    ) -> None:
        new = await connector.refresh_token()
        assert new is not None
        assert new.refresh_token != account.credentials.refresh_token
        with pytest.raises(ReauthenticateError, match="connect the account again"):
            await pool.open(account).refresh_token()

    async def test_the_end_that_tiktok_names_counts(self, account: Account) -> None:
        token = {"access_token": "new-token", "expires_in": 7200, "refresh_token": "new-refresh"}
        settings = ConnectorSettings(
            tiktok_base_url=SANDBOX, tiktok_client_key="key", tiktok_client_secret="secret"
        )
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=token))
        async with ConnectorPool(settings, clock=lambda: NOW, transport=transport) as pool:
            new = await pool.open(account).refresh_token()
        assert new is not None
        assert new.expires_at == NOW + timedelta(hours=2)
        unknown = replace(account, credentials=replace(account.credentials, expires_at=None))
        transport = httpx.MockTransport(_tiktok())
        async with ConnectorPool(settings, clock=lambda: NOW, transport=transport) as pool:
            assert (await pool.open(unknown).verify()).credentials.expires_at == NOW + timedelta(hours=2)

    async def test_a_refresh_needs_the_app(self, account: Account) -> None:
        async with ConnectorPool(ConnectorSettings(tiktok_base_url=SANDBOX)) as pool:
            with pytest.raises(GiveUpError, match="SOCIALFLOW_TIKTOK_CLIENT_KEY"):
                await pool.open(account).refresh_token()


def _tiktok(
    *,
    put: int = 201,
    status: dict[str, object] | None = None,
    photos: tuple[int, dict[str, object]] | None = None,
) -> Any:
    """Answer as TikTok would, save for what the test is about."""
    answers: dict[str, dict[str, object]] = {
        "/v2/post/publish/creator_info/query/": {"privacy_level_options": ["PUBLIC_TO_EVERYONE"]},
        "/v2/post/publish/video/init/": {
            "publish_id": "v1",
            "upload_url": f"{SANDBOX}/video/?upload_token=secret-of-the-upload",
        },
        "/v2/post/publish/content/init/": {"publish_id": "p1"},
        "/v2/post/publish/status/fetch/": status
        or {"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": [7]},
        "/v2/user/info/": {"user": {"open_id": "u1", "display_name": "Tea"}},
        "/v2/video/query/": {"videos": []},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return httpx.Response(put)
        if request.url.path.endswith(".mp4"):
            return httpx.Response(200, content=b"\0\0\0\x18ftypmp42" + b"\0" * 500)
        if photos is not None and request.url.path.endswith("content/init/"):
            return httpx.Response(photos[0], json=photos[1])
        return httpx.Response(200, json={"data": answers[request.url.path], "error": {"code": "ok"}})

    return answer


@pytest.mark.parametrize(
    ("size", "chunk", "count"),
    [
        (512, 512, 1),
        (4_999_999, 4_999_999, 1),
        (64_000_000, 64_000_000, 1),
        (64_000_001, 10_000_000, 6),
        (50_000_123 + 40_000_000, 10_000_000, 9),
        (4_000_000_000, 10_000_000, 400),
    ],
)
def test_pieces_are_within_tiktoks_bounds(size: int, chunk: int, count: int) -> None:
    assert describe_source(size) == {
        "source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk, "total_chunk_count": count
    }  # fmt: skip
    last = size - chunk * (count - 1)
    assert 1 <= count <= 1000
    assert chunk <= last <= 128_000_000


def test_post_ids_are_strings() -> None:
    body = json.loads('{"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": [7123456789012345678]}')
    assert parse_status(body).post_ids == ("7123456789012345678",)
    assert parse_status({"status": "PUBLISH_COMPLETE"}).post_ids == ()


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (PostContent(text="no media"), ["media_required"]),
        (PostContent(text="x", media=(FILM, FILM)), ["too_many_media"]),
        (PostContent(text="x", media=(FILM, PICTURE)), ["media_mixed"]),
        (PostContent(text="🫖" * 1100, media=(FILM,)), []),
        (PostContent(text="🫖" * 1100 + "x", media=(FILM,)), ["text_too_long"]),
    ],
)
def test_what_is_refused_before_its_time(content: PostContent, codes: list[str]) -> None:
    assert [problem.code for problem in validate_content(Platform.TIKTOK, content)] == codes


def test_an_upload_address_is_not_logged_with_its_token() -> None:
    assert "abc123" not in redact("PUT https://upload.test/video/?upload_id=1&upload_token=abc123")


def test_tiktok_accounts_come_after_the_first_four(world: SandboxWorld) -> None:
    names = [account.platform for account in world.accounts]
    assert names[:4] == [Platform.TWITTER, Platform.INSTAGRAM, Platform.MASTODON, Platform.BLUESKY]
    assert {Platform.LINKEDIN, Platform.TIKTOK} <= set(names[4:])
    assert isinstance(world.accounts[0], SandboxAccount)
