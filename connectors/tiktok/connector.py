"""TikTok: videos uploaded in chunks, photos fetched by TikTok, both tracked by a publish_id.

Sources: developers.tiktok.com ("Direct Post", "Photo", "Media Transfer Guide", "Get Post Status", "Query
Videos", "List Videos", "Get User Info", "Manage User Access Tokens"); there is no machine-readable contract.
A video is published by its last byte, and its publish_id is saved before the first byte: a repeated send
continues with the same one. A photo post is published by its first request: if that response is lost, so is
the publish_id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx

from connectors.base import PublishRequest
from connectors.content.batches import split_batches
from connectors.content.capabilities import Capabilities
from connectors.content.counts import read_count
from connectors.editing import refuse_edit
from connectors.errors import (
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    ReauthenticateError,
    UnavailableError,
    UnsupportedError,
)
from connectors.http.context import ConnectorContext
from connectors.listings import read_items
from connectors.oauth.tokens import judge_refresh
from connectors.parts import find_parts, publish_parts
from connectors.tiktok.capabilities import CAPABILITIES, LABEL
from connectors.tiktok.client import TikTokClient
from connectors.tiktok.posts import TikTokPosts
from connectors.tiktok.responses import (
    LIST_PATH,
    SCOPES,
    parse_account_metrics,
    parse_listed,
    parse_metrics,
    parse_token,
    parse_user,
    parse_videos,
    time_of,
)
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    EditRequest,
    HistoryPage,
    MetricsBatch,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

_PAGE = 20
# The shortest known lifetime of a TikTok token; `expires_in` overrides it.
_TOKEN_LIFETIME = timedelta(hours=2)
_USER_FIELDS = (
    "open_id,display_name,username,follower_count,following_count,video_count",
    "open_id,display_name",
)


class TikTokConnector:
    """One TikTok account. Its external id is the open_id, which is specific to this app."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._client = TikTokClient(account, self._context)

    # -- account

    async def verify(self) -> VerifiedAccount:
        """GET /v2/user/info/. A token with unknown expiry is taken to expire in two hours."""
        user = await self._read_user()
        name = str(user.get("display_name") or user["open_id"])
        credentials = self.account.credentials
        if credentials.expires_at is None and credentials.refresh_token is not None:
            credentials = replace(credentials, expires_at=self._context.clock() + _TOKEN_LIFETIME)
        return VerifiedAccount(
            external_id=user["open_id"],
            handle=str(user.get("username") or self.account.handle or name),
            display_name=name,
            credentials=credentials,
            followers=read_count(user.get("follower_count")),
        )

    async def _read_user(self) -> dict[str, Any]:
        """Request all fields; a token without the scopes for some of them is rejected as a whole."""
        for fields in _USER_FIELDS:
            try:
                return await self._client.get("/v2/user/info/", parse_user, {"fields": fields})
            except PermissionMissingError as error:
                if error.platform_code not in SCOPES or fields == _USER_FIELDS[-1]:
                    raise
        raise AssertionError("the last fields either answer or raise")

    # -- publishing and look-up

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Open a publish_id, save it, upload the media, and wait for the post's id."""
        return await publish_parts(request, TikTokPosts(self._client).send)

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Check the publish_id. Without one, no video was sent, and the outcome of photos is unknown."""
        return await find_parts(request, TikTokPosts(self._client).look)

    # -- history

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 20 public videos with their metrics, newest first."""
        captured_at = self._context.clock()
        body: dict[str, int] = {"max_count": _PAGE, **({"cursor": int(cursor)} if cursor else {})}
        odd: list[str] = []
        videos, following = await self._client.post(
            LIST_PATH,
            lambda data: (parse_videos(data, odd), str(data["cursor"]) if data.get("has_more") else None),
            body,
        )
        if following is not None and following == cursor:
            raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
        if (not videos and not odd) or (videos and time_of(videos[-1]) < since):
            following = None
        posts = read_items(
            videos,
            lambda video: parse_listed(video, captured_at, self._client.permalink(video["id"])),
            odd,
        )
        since = since.astimezone(UTC).replace(microsecond=0)  # TikTok's times are whole seconds
        recent = tuple(post for post in posts if post.published_at >= since)
        return HistoryPage(recent, following, tuple(odd))

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """Raise UnsupportedError: TikTok lets no app delete posts."""
        raise UnsupportedError(f"{LABEL} lets no app delete posts: delete it there")

    async def edit(self, request: EditRequest) -> None:  # noqa: ARG002 - the protocol's
        """Raise UnsupportedError: TikTok lets no app change posts."""
        raise refuse_edit(self.capabilities)

    # -- metrics

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """POST /v2/video/query/, 20 ids per request.

        TikTok omits deleted, private and moderated videos alike: all of those are reported as missing.
        """
        captured_at = self._context.clock()
        found: dict[str, PostMetrics] = {}
        for ids in split_batches(external_ids, self.capabilities.metrics_batch):
            videos = await self._client.query(ids)
            found |= {
                video["id"]: parse_metrics(video, captured_at) for video in videos if video["id"] in ids
            }
        return MetricsBatch(tuple(found.values()), missing=frozenset(external_ids) - found.keys())

    async def fetch_followers(self) -> AccountMetrics:
        """GET /v2/user/info/."""
        captured_at = self._context.clock()
        return parse_account_metrics(await self._read_user(), captured_at)

    # -- tokens

    async def refresh_token(self) -> Credentials | None:
        """POST /v2/oauth/token/. Rotating: a new refresh token in the response replaces the old one."""
        old, settings = self.account.credentials, self._context.settings
        if old.refresh_token is None:
            return None
        if not settings.tiktok_client_key or settings.tiktok_client_secret is None:
            raise GiveUpError(
                f"{LABEL} tokens are refreshed by the app: set SOCIALFLOW_TIKTOK_CLIENT_KEY and "
                "SOCIALFLOW_TIKTOK_CLIENT_SECRET"
            )
        form = {
            "client_key": settings.tiktok_client_key,
            "client_secret": settings.tiktok_client_secret.get_secret_value(),
            "grant_type": "refresh_token",
            "refresh_token": old.refresh_token.get_secret_value(),
        }
        now = self._context.clock()
        try:
            new = await self._client.api.prepare(
                "POST",
                "/v2/oauth/token/",
                lambda body: parse_token(body, old, now),
                data=form,
                auth=httpx.Auth(),
            )
        except (ContentRejectedError, GiveUpError, ReauthenticateError) as error:
            names = "SOCIALFLOW_TIKTOK_CLIENT_KEY and SOCIALFLOW_TIKTOK_CLIENT_SECRET"
            raise judge_refresh(LABEL, error, settings=names) from None
        self._use(replace(self.account, credentials=new))
        return new
