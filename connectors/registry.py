"""Registry of platform connectors: which exist, what they support, and how to open one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from zlib import crc32

import httpx
from pydantic import SecretStr

from connectors.base import Connector
from connectors.bluesky.connector import BlueskyConnector
from connectors.capabilities import get_capabilities
from connectors.content import links, text
from connectors.errors import ContentRejectedError, UnsupportedError
from connectors.facebook.connector import FacebookConnector
from connectors.http.client import Clock
from connectors.http.context import ConnectorContext
from connectors.http.media import MediaFetcher, UploadSource
from connectors.http.pool import open_client
from connectors.instagram.connector import InstagramConnector
from connectors.linkedin.connector import LinkedInConnector
from connectors.mastodon.connector import MastodonConnector
from connectors.oauth.authorization import Authorizer, PendingAuthorization
from connectors.pinterest.connector import PinterestConnector
from connectors.settings import ConnectorSettings
from connectors.telegram.connector import TelegramConnector
from connectors.threads.connector import ThreadsConnector
from connectors.tiktok.connector import TikTokConnector
from connectors.twitter.connector import TwitterConnector
from connectors.types import Account, ApprovedMedia, Board, EditRequest, Media, Platform, PostContent
from connectors.youtube.connector import YouTubeConnector

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTORS: dict[Platform, type[Connector]] = {
    Platform.TWITTER: TwitterConnector,
    Platform.INSTAGRAM: InstagramConnector,
    Platform.FACEBOOK: FacebookConnector,
    Platform.THREADS: ThreadsConnector,
    Platform.LINKEDIN: LinkedInConnector,
    Platform.TIKTOK: TikTokConnector,
    Platform.MASTODON: MastodonConnector,
    Platform.BLUESKY: BlueskyConnector,
    Platform.PINTEREST: PinterestConnector,
    Platform.TELEGRAM: TelegramConnector,
    Platform.YOUTUBE: YouTubeConnector,
}
# The protocol does not define the constructor; all connectors have the same one.
_BUILDERS = cast("dict[Platform, Callable[[Account, ConnectorContext], Connector]]", CONNECTORS)
# Users supply the server address of these, so it must not lead into our own network.
_FREE_ADDRESS = frozenset({Platform.MASTODON, Platform.BLUESKY})

# httpx's pool scans all of its connections for each request: 1,000 posts over 64 connections cost 5 s of CPU
# in one pool. A platform's accounts are therefore spread over several pools.
_CLIENTS = 8


def warm_up() -> None:
    """Load the tables of emoji and top-level domains now, so that the first post is not delayed.

    Takes 0.2 s.
    """
    links.load_top_level_domains()
    text.load_emoji()


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ConnectorPool:
    """Opens connectors that share a few clients per platform. Use with `async with`, in one event loop."""

    def __init__(
        self,
        settings: ConnectorSettings,
        *,
        clock: Clock = _utc_now,
        transport: httpx.AsyncBaseTransport | None = None,
        uploads: UploadSource | None = None,
    ) -> None:
        """Store the settings; clients open on first use. `transport` replaces the network in tests.

        `uploads`: access to uploaded media; None = uploads cannot be sent.
        """
        self._uploads = uploads
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._cache: dict[str, object] = {}

    def open(self, account: Account) -> Connector:
        """Return a connector for the account.

        Raises UnsupportedError for a platform without a connector, GiveUpError for an invalid instance
        address, ReauthenticateError for a token that cannot be sent in a request.
        """
        get_capabilities(account.platform)
        context = ConnectorContext(
            client=self._client(
                f"{account.platform} {crc32(account.id.encode()) % _CLIENTS}",
                public_only=account.platform in _FREE_ADDRESS,
            ),
            media=self._media(),
            settings=self._settings,
            clock=self._clock,
            cache=self._cache,
        )
        return _BUILDERS[account.platform](account, context)

    async def begin_authorization(
        self,
        platform: Platform,
        *,
        redirect_uri: str,
        state: str,
        instance_url: str | None = None,
        account: str | None = None,
    ) -> tuple[str, PendingAuthorization]:
        """Return the URL that a person opens in a browser, and the state to keep until the callback.

        Raises UnsupportedError for a platform without such a flow, GiveUpError that names a missing setting.
        """
        authorizer = self._authorizer(platform)
        return await authorizer.begin(
            redirect_uri=redirect_uri, state=state, instance_url=instance_url, account=account
        )

    async def exchange_code(self, pending: PendingAuthorization, code: SecretStr) -> list[Account]:
        """Return the accounts that the code grants, for `open` and `verify`.

        Raises AuthorizationRefusedError.
        """
        return await self._authorizer(pending.platform).exchange(pending, code)

    def _authorizer(self, platform: Platform) -> Authorizer:
        client = self._client(platform, public_only=platform in _FREE_ADDRESS)
        return Authorizer(platform, client, self._settings, self._clock)

    async def delete_post(self, account: Account, external_id: str, state: Mapping[str, Any]) -> None:
        """Delete a published post; returns also if it is gone already. `state`: as its connector saved it.

        Raises UnsupportedError for a platform that lets no app delete posts.
        """
        await self.open(account).delete(external_id, state)

    async def edit_post(self, account: Account, request: EditRequest) -> None:
        """Change a published post; returns also if it says so already.

        Raises UnsupportedError for a platform that lets no app change posts.
        """
        await self.open(account).edit(request)

    async def list_boards(self, account: Account) -> list[Board]:
        """Return the account's boards. Raises UnsupportedError for a platform without boards."""
        if account.platform is not Platform.PINTEREST:
            label = get_capabilities(account.platform).label
            raise UnsupportedError(f"{label} has no boards: only Pinterest accounts have")
        return await cast("PinterestConnector", self.open(account)).list_boards()

    @property
    def longest_refresh(self) -> timedelta:
        """Maximum duration of `refresh_token`: one request, and on Bluesky a sign-in after it."""
        return 2 * timedelta(seconds=self._settings.request_timeout)

    def address_uploads(
        self, platform: Platform, content: PostContent, *, convert: bool = False
    ) -> PostContent:
        """Return the content with URLs for the uploads that the platform fetches itself.

        `convert`: of what pictures are converted into, where the content asks for it; this takes a second of CPU for a
        large one. Raises ContentRejectedError if this installation has no public URL, or a picture cannot be
        converted, and UnavailableError.
        """
        capabilities = get_capabilities(platform)
        fetched = capabilities.fetches_media

        def address(item: Media) -> Media:
            if item.upload_id is None or item.kind not in fetched:
                return item
            if self._uploads is None:
                raise ContentRejectedError("this process has no uploads: give the URL of the media")
            rule = capabilities.fit_rule if content.fit and convert and item.kind == "image" else None
            if rule is None:
                return item.model_copy(update={"url": self._uploads.address(item.upload_id)})
            return item.model_copy(update={"url": self._uploads.address_fitted(item.upload_id, rule)})

        return content.with_media(address)

    async def hash_media(self, item: Media) -> str:
        """Return the SHA-256 (hex) of media at a URL. Raises ContentRejectedError, UnavailableError."""
        return await self._media().hash(item)

    async def require_approved_media(
        self, platform: Platform, content: PostContent, approved: Mapping[str, str]
    ) -> None:
        """Compare the media that the platform downloads itself, and those of options, with the approved ones.

        `approved`: SHA-256 (hex) by URL. Media that we download are compared when they are sent. Raises
        MediaChangedError, ContentRejectedError, UnavailableError.
        """
        capabilities = get_capabilities(platform)
        for item in content.all_media:
            if item.kind in capabilities.fetches_media:
                await self._media().require_approved(item)
        for item in capabilities.options.of(content).list_media().values():
            if item.url in approved:
                pinned = ApprovedMedia(**item.model_dump(), sha256=approved[item.url])
                await self._media().require_approved(pinned)

    def _media(self) -> MediaFetcher:
        return MediaFetcher(self._client("media", public_only=True), self._settings, self._uploads)

    def api_version(self, platform: Platform) -> str | None:
        """Return the platform's API version in use; None = the platform has none."""
        if platform is Platform.LINKEDIN:
            return self._settings.linkedin_version
        return get_capabilities(platform).api_version

    def _client(self, name: str, *, public_only: bool) -> httpx.AsyncClient:
        if name not in self._clients:
            self._clients[name] = open_client(
                self._settings,
                public_only=public_only and not self._settings.allow_private_instances,
                transport=self._transport,
            )
        return self._clients[name]

    async def aclose(self) -> None:
        """Close all connections."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
