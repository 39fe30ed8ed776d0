import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import Connector
from connectors.capabilities import validate_content
from connectors.errors import (
    ContentRejectedError,
    GiveUpError,
    NotSentError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http.redaction import redact
from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Media, Platform, PostContent
from connectors.youtube.connector import _require_short
from connectors.youtube.videos import next_quota_day, parse_listed, write_title
from tests.connectors.content.test_movies import movie
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, account_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VIDEO = Media(url=f"{SANDBOX}/_sandbox/media/video.mp4", kind="video")
CHUNK = 8 * 1024 * 1024
LARGE = Media(url=f"{SANDBOX}/_sandbox/media/video-{2 * CHUNK + 77}.mp4", kind="video")
HEAD = b"\x00\x00\x00\x18ftypmp42"


class TestYouTube(ConnectorContract):
    platform = Platform.YOUTUBE
    absence = "own"
    content = PostContent(text="Opening at nine & closing late https://example.com/a?b=1&c=2", media=(VIDEO,))
    media_content = PostContent(text="With a video", media=(VIDEO,))
    account_counters = frozenset({"followers", "posts"})

    async def test_nothing_listens(
        self, account: Account, connector_settings: ConnectorSettings, saved: SavedState, clock: Clock
    ) -> None:
        def refuse(request: httpx.Request) -> httpx.Response:
            if "/_sandbox/media/" in request.url.path:
                return httpx.Response(200, content=HEAD)
            raise httpx.ConnectError("refused", request=request)

        transport = httpx.MockTransport(refuse)
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            connector = pool.open(account)
            with pytest.raises(NotSentError):
                await connector.publish(saved.request(self.content, clock()))
            with pytest.raises(NotSentError):
                await connector.fetch_followers()

    async def test_the_first_line_is_the_title(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Rye\nSlow-baked.", link="https://shop.example/rye", media=(VIDEO,))
        receipt = await connector.publish(saved.request(content, clock()))
        (video,) = self.live(world)
        assert video.detail("title") == "Rye"
        assert video.text == "Rye\nSlow-baked.\n\nhttps://shop.example/rye"
        assert len(receipt.external_id) == 11
        assert receipt.permalink == f"https://www.youtube.com/watch?v={receipt.external_id}"

    async def test_the_session_is_saved_before_a_byte_leaves(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        sent: list[int] = []

        async def note(_state: object) -> None:
            sent.append(world.requests["youtube:publish"])

        saved.on_save = note
        await connector.publish(saved.request(self.content, clock()))
        assert sent == [0]
        assert saved.state["session"].startswith(f"{SANDBOX}/upload/youtube/v3/videos?")

    @pytest.mark.parametrize("kind", ["error_500_before", "error_500_after", "reset_before", "reset_after"])
    @pytest.mark.parametrize("broken_chunk", [1, 2])
    async def test_a_broken_upload_goes_on_where_it_broke(
        self,
        *,
        kind: str,
        broken_chunk: int,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        content, first = PostContent(text="Long", media=(LARGE,)), clock()
        carried: list[str] = []
        app = httpx.ASGITransport(create_sandbox_app(world))

        class Watch(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                said = request.headers.get("content-range", "")
                if said and "*" not in said:
                    if len(carried) + 1 == broken_chunk and not world.faults.fired:
                        test.fail(world, kind, "prepare")  # type: ignore[arg-type]  # one of the kinds above
                    carried.append(said)
                return await app.handle_async_request(request)

        test = self
        roomy = connector_settings.model_copy(update={"request_timeout": 10.0})
        async with ConnectorPool(roomy, clock=clock, transport=Watch()) as pool:
            connector = pool.open(account)
            with pytest.raises(UnavailableError):
                await connector.publish(saved.request(content, first))
            assert await connector.find_publication(saved.request(content, first)) is None
            await connector.publish(saved.request(content, first))
        (video,) = self.live(world)
        assert video.detail("size") == 2 * CHUNK + 77
        assert len(carried) == 3 + (kind.endswith("before")), "no byte is sent again that had arrived"

    async def test_an_expired_session_is_opened_anew(
        self, connector: Connector, pool: ConnectorPool, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        old = saved.state["session"]
        clock.advance(days=8)
        await connector.refresh_token()
        assert await connector.find_publication(saved.request(self.content, first)) is None
        await connector.publish(saved.request(self.content, first))
        assert saved.state["session"] != old
        assert len(self.live(world)) == 1
        assert pool is not None

    async def test_a_forgotten_session_does_not_hide_what_is_out(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        clock.advance(days=8)
        await connector.refresh_token()
        found = await connector.find_publication(saved.request(self.content, first))
        assert found is not None
        assert [video.external_id for video in self.live(world)] == [found.external_id]
        taken = frozenset({found.external_id})
        assert await connector.find_publication(saved.request(self.content, first, taken=taken)) is None

    async def test_a_session_elsewhere_is_never_sent_the_token(
        self, account: Account, connector_settings: ConnectorSettings, saved: SavedState
    ) -> None:
        hosts: set[str] = set()

        def answer(request: httpx.Request) -> httpx.Response:
            hosts.add(request.url.host)
            if request.method == "GET":
                return httpx.Response(200, content=HEAD)
            return httpx.Response(200, headers={"location": "https://evil.example/?upload_id=1"})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(UnavailableError):
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert hosts == {"sandbox.test"}

    async def test_a_hidden_number_of_subscribers_is_unknown_not_zero(
        self, connector: Connector, world: SandboxWorld
    ) -> None:
        world.settings.youtube_hidden_subscribers = True
        assert (await connector.verify()).followers is None
        metrics = await connector.fetch_followers()
        assert metrics.followers is None
        assert metrics.posts is not None

    async def test_an_account_without_a_channel_is_told_so(
        self, account: Account, connector_settings: ConnectorSettings
    ) -> None:
        body = {"kind": "youtube#channelListResponse", "pageInfo": {"totalResults": 0}}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
        async with ConnectorPool(connector_settings, transport=transport) as pool:
            with pytest.raises(ReauthenticateError, match="create one"):
                await pool.open(account).verify()

    async def test_hidden_likes_are_unknown_not_zero(
        self, account: Account, connector_settings: ConnectorSettings
    ) -> None:
        body = {"items": [{"id": "1", "statistics": {"viewCount": "9007199254740993"}}]}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            (metrics,) = (await pool.open(account).fetch_metrics(["1"])).metrics
        assert (metrics.video_views, metrics.likes, metrics.comments) == (9007199254740993, None, None)

    @pytest.mark.parametrize(
        ("status", "reason", "expected"),
        [
            (400, "invalidTitle", ContentRejectedError),
            (400, "uploadLimitExceeded", RateLimitedError),
            (401, "authError", ReauthenticateError),
            (403, "quotaExceeded", RateLimitedError),
            (403, "insufficientPermissions", PermissionMissingError),
            (403, "forbidden", GiveUpError),
            (429, "rateLimitExceeded", RateLimitedError),
            (500, "backendError", UnavailableError),
        ],
    )
    async def test_what_a_reason_means_when_an_upload_begins(
        self,
        *,
        status: int,
        reason: str,
        expected: type[Exception],
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, content=HEAD)
            error = {"code": status, "message": "No.", "errors": [{"reason": reason, "message": "No."}]}
            return httpx.Response(status, json={"error": error})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected
        if reason == "quotaExceeded":
            assert isinstance(caught.value, RateLimitedError)
            assert (caught.value.scope, caught.value.retry_at) == (
                "app",
                datetime(2026, 11, 25, 8, tzinfo=UTC),
            )

    async def test_a_refresh_keeps_the_refresh_token(self, connector: Connector, account: Account) -> None:
        new = await connector.refresh_token()
        assert new is not None
        assert new.refresh_token == account.credentials.refresh_token

    async def test_a_token_of_unknown_end_ends_within_the_hour(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        unknown = replace(account, credentials=replace(account.credentials, expires_at=None))
        assert (await pool.open(unknown).verify()).credentials.expires_at == clock() + timedelta(hours=1)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (PostContent(text="x" * 5000, media=(VIDEO,)), []),
        (PostContent(text="é" * 2501, media=(VIDEO,)), ["text_too_long"]),
        (PostContent(text="a <b> c", media=(VIDEO,)), ["invalid_text"]),
        (PostContent(text=" ", media=(VIDEO,)), ["text_required"]),
        (PostContent(text="no video"), ["media_required"]),
        (PostContent(text="a photo", media=(PICTURE,)), ["media_unsupported"]),
        (PostContent(text="two", media=(VIDEO, VIDEO)), ["too_many_media"]),
    ],
)
def test_what_is_refused_before_its_time(content: PostContent, codes: list[str]) -> None:
    assert [problem.code for problem in validate_content(Platform.YOUTUBE, content)] == codes


def test_the_demand_for_a_video_names_videos_alone() -> None:
    (problem,) = validate_content(Platform.YOUTUBE, PostContent(text="no video"))
    assert problem.detail == "YouTube posts need a video: add one"


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        ("2026-11-24T07:59:59+00:00", "2026-11-24T08:00:00+00:00"),
        ("2026-11-24T08:00:00+00:00", "2026-11-25T08:00:00+00:00"),
        ("2026-03-08T09:00:00+00:00", "2026-03-09T07:00:00+00:00"),  # summer time begins that day
        ("2026-11-01T08:30:00+00:00", "2026-11-02T08:00:00+00:00"),  # and ends that day
    ],
)
def test_the_quota_day_begins_in_california(now: str, midnight: str) -> None:
    assert next_quota_day(datetime.fromisoformat(now)) == datetime.fromisoformat(midnight)


def test_a_title_is_cut_at_a_word() -> None:
    assert write_title("\n Rye \nmore") == "Rye"
    assert write_title("word " * 40) == ("word " * 19).strip() + "…"
    assert write_title("😀" * 200) == "😀" * 99 + "…"
    assert write_title("") == ""


@pytest.mark.parametrize(
    ("title", "description", "text"),
    [
        ("Rye", "Rye\nSlow-baked.", "Rye\nSlow-baked."),
        ("A long…", "A long first line", "A long first line"),
        ("Rye", "", "Rye"),
        ("Rye", "Follow us", "Rye\n\nFollow us"),
    ],
)
def test_the_words_of_an_upload(title: str, description: str, text: str) -> None:
    item = {
        "snippet": {"title": title, "description": description, "publishedAt": "2026-11-24T12:00:00Z"},
        "contentDetails": {"videoId": "v"},
    }
    listed = parse_listed(item)
    assert (listed.text, listed.published_at, listed.kind) == (text, NOW, "video")


def test_an_upload_session_is_redacted() -> None:
    secret = SecretStr("unrelated")
    line = (
        "PUT https://www.googleapis.com/upload/youtube/v3/videos?uploadType=resumable&upload_id=ABPnzm4 308"
    )
    assert "ABPnzm4" not in redact(line, [secret])


def test_the_account_of_the_simulation_is_a_channel() -> None:
    world = SandboxWorld(history_days=1)
    owner = next(item for item in world.accounts if item.platform is Platform.YOUTUBE)
    assert account_of(owner).external_id.startswith("UC")
    assert len(owner.external_id) == 24


@pytest.mark.parametrize(("width", "height", "seconds"), [(1920, 1080, 30), (1080, 1920, 181)])
def test_a_video_that_would_be_no_short_is_refused(width: int, height: int, seconds: int) -> None:
    with pytest.raises(ContentRejectedError, match="a Short is upright or square"):
        _require_short(io.BytesIO(movie(width, height, seconds)))


def test_a_short_and_a_file_that_cannot_be_read_pass() -> None:
    _require_short(io.BytesIO(movie(1080, 1920, 180)))
    _require_short(io.BytesIO(movie(1080, 1080, 5)))
    _require_short(io.BytesIO(HEAD))
