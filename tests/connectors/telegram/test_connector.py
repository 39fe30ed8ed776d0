import logging
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
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Media, Platform, PostContent
from tests.connectors.contract import PICTURE
from tests.connectors.contract_posts_only import PostsOnlyContract
from tests.connectors.harness import Clock, SavedState

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BOT_TOKEN = "1234567890:AAE-fake_TokenOfNobody0123456789abc"


class TestTelegram(PostsOnlyContract):
    platform = Platform.TELEGRAM
    account_counters = frozenset({"followers"})

    @pytest.mark.parametrize("prefix", ["@", ""])
    async def test_a_channel_is_first_known_by_its_name(
        self, prefix: str, pool: ConnectorPool, account: Account, owner: SandboxAccount
    ) -> None:
        new = replace(account, external_id="", handle=prefix + owner.handle)
        verified = await pool.open(new).verify()
        assert (verified.external_id, verified.handle) == (owner.external_id, owner.handle)

    async def test_without_a_channel_there_is_a_remedy(self, pool: ConnectorPool, account: Account) -> None:
        with pytest.raises(GiveUpError, match="@mychannel"):
            await pool.open(replace(account, external_id="", handle=None)).verify()

    async def test_a_bot_without_the_right_to_post_is_found_out_when_it_is_connected(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.telegram_may_post = False
        with pytest.raises(PermissionMissingError, match="administrator"):
            await connector.verify()
        with pytest.raises(PermissionMissingError, match="administrator rights"):
            await connector.publish(saved.request(self.content, clock()))

    @pytest.mark.parametrize(
        ("media", "kind", "photos"),
        [
            ((), "text", 1),
            ((PICTURE,), "photo", 1),
            ((PICTURE,) * 3, "photo", 3),
            ((Media(url="https://a.example/b.mp4", kind="video"),), "video", 1),
        ],
    )
    async def test_each_content_goes_by_its_own_method(
        self,
        *,
        media: tuple[Media, ...],
        kind: str,
        photos: int,
        connector: Connector,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
        owner: SandboxAccount,
    ) -> None:
        receipt = await connector.publish(saved.request(PostContent(text="Rye", media=media), clock()))
        (post,) = self.live(world)
        assert (post.text, post.kind, post.detail("photos")) == ("Rye", kind, photos)
        assert receipt.permalink == f"https://t.me/{owner.handle}/{receipt.external_id}"

    async def test_the_token_in_the_address_stays_out_of_errors_and_logs(
        self,
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            assert BOT_TOKEN in request.url.path
            if request.url.path.endswith("getMe"):
                raise httpx.ReadTimeout("timed out", request=request)
            return httpx.Response(500, text=f"cannot handle {request.url}")

        secret = replace(account, credentials=Credentials(SecretStr(BOT_TOKEN)))
        caplog.set_level(logging.DEBUG)
        async with ConnectorPool(connector_settings, transport=httpx.MockTransport(answer)) as pool:
            connector = pool.open(secret)
            for attempt in (connector.verify, lambda: connector.publish(saved.request(self.content, NOW))):
                with pytest.raises(Exception, match="Telegram") as caught:
                    await attempt()
                self.hide(caught.value, secret)
        assert "HTTP Request" in caplog.text
        assert BOT_TOKEN not in caplog.text

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (400, {"error_code": 400, "description": "Bad Request: chat not found"}, PermissionMissingError),
            (400, {"error_code": 400, "description": "Bad Request: PHOTO_INVALID"}, ContentRejectedError),
            (401, {"error_code": 401, "description": "Unauthorized"}, ReauthenticateError),
            (403, {"error_code": 403, "description": "Forbidden: bot was kicked"}, PermissionMissingError),
            (404, {"error_code": 404, "description": "Not Found"}, ReauthenticateError),
            (429, {"error_code": 429, "parameters": {"retry_after": 33}}, RateLimitedError),
            (429, {"error_code": 429, "parameters": {"retry_after": True}}, RateLimitedError),
        ],
    )
    async def test_what_a_refusal_means(
        self,
        *,
        status: int,
        body: dict[str, object],
        expected: type[Exception],
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"ok": False, **body}))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected
        if isinstance(caught.value, RateLimitedError) and body["parameters"] == {"retry_after": 33}:
            assert caught.value.retry_at == NOW + timedelta(seconds=33)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (PostContent(text="x" * 4096), []),
        (PostContent(text="x" * 4097), ["text_too_long"]),
        (PostContent(text="x" * 1024, media=(PICTURE,)), []),
        (PostContent(text="x" * 1025, media=(PICTURE,)), ["text_too_long"]),
        (PostContent(text="x" * 4097, media=(PICTURE,)), ["text_too_long"]),
        (
            PostContent(text="x" * 1000, link="https://a.example/" + "b" * 30, media=(PICTURE,)),
            ["text_too_long"],
        ),
        (PostContent(text="eleven", media=(PICTURE,) * 11), ["too_many_media"]),
    ],
)
def test_what_is_refused_before_its_time(content: PostContent, codes: list[str]) -> None:
    assert [problem.code for problem in validate_content(Platform.TELEGRAM, content)] == codes
