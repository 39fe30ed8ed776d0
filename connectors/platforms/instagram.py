"""Instagram (API with Instagram Login): media containers, published in a second step; tokens of 60 days.

Sources: meta/IG*ForIGOnlyAPI.json (edges, parameters, fields), developers.facebook.com (statuses of a
container, error codes). A container says whether it was published, and expires unpublished after 24 hours:
that is how an ambiguous publish is found out. Instagram's `views` count displays of a photo and plays of a
video alike: they are neither impressions nor video views, so they stay in `raw`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx

from connectors.base import Capabilities, PublishRequest
from connectors.context import ConnectorContext
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    RateLimitedError,
    UnavailableError,
)
from connectors.http import BearerAuth
from connectors.instagram_containers import create_container, read_status, wait_for_container
from connectors.instagram_media import (
    COLUMNS,
    GONE,
    INSIGHTS,
    LABEL,
    VERSION,
    explain,
    parse_account_metrics,
    parse_id,
    parse_insights,
    parse_listed,
    parse_metrics,
    parse_page,
    parse_time,
    parse_token,
    parse_user,
)
from connectors.text import compose_text, count_utf16_units, fingerprint, normalise
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    HistoryPage,
    MetricsBatch,
    Platform,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

_PAGE = 100
_CLOCK_MARGIN = timedelta(seconds=10)
_POST_FIELDS = "id,caption,media_type,media_product_type,permalink,timestamp"


class InstagramConnector:
    """One Instagram professional account."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        platform=Platform.INSTAGRAM,
        label=LABEL,
        text_limit=2200,
        text_unit="characters",
        count_text=count_utf16_units,
        media_kinds=frozenset({"image", "video"}),
        max_images=10,
        max_videos=1,
        media_required=True,
        supports_first_comment=True,
        metrics_batch=1,
        metrics=frozenset(COLUMNS.values()),
        refresh_before=timedelta(days=10),
        reconciliation="The stored container is asked whether it was published; the account's media name the post.",
    )

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._refused: set[str] = set()
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._api = self._context.api(
            account,
            label=LABEL,
            base_url=self._context.settings.instagram_base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=explain,
        )

    async def verify(self) -> VerifiedAccount:
        """GET /me."""
        user = await self._read_user()
        return VerifiedAccount(
            external_id=str(user.get("user_id") or user["id"]),
            handle=str(user["username"]),
            display_name=str(user.get("name") or user["username"]),
            credentials=self.account.credentials,
            followers=user.get("followers_count"),
        )

    async def _read_user(self) -> dict[str, Any]:
        fields = "user_id,username,name,followers_count,follows_count,media_count"
        return await self._api.read(f"{VERSION}/me", parse_user, params={"fields": fields})

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Create the container (once), wait for it, publish it, then comment; each step kept in the state."""
        state = self._load_state(request)
        if "media_id" not in state:
            container = await self._ready_container(request, state)
            if container is not None:
                form = {"creation_id": container}
                path = f"{VERSION}/{await self._user_id()}/media_publish"
                state["media_id"] = await self._api.publish(path, parse_id, data=form)
            else:
                found = await self._find_media(request)
                if found is None:
                    raise OutcomeUnknownError(f"{LABEL} says that the post is out, yet does not list it")
                state["media_id"] = found.external_id
            if request.content.first_comment:
                await request.save_state(state)
        receipt = await self._read_receipt(state["media_id"])
        if request.content.first_comment and not state.get("commented"):
            path = f"{VERSION}/{state['media_id']}/comments"
            await self._api.publish(path, parse_id, data={"message": request.content.first_comment})
        return receipt

    def _load_state(self, request: PublishRequest) -> dict[str, Any]:
        """Return the saved state; a container that was made for another wording is left behind."""
        mark = fingerprint(request.content)
        if request.state.get("content") == mark or "media_id" in request.state:
            return dict(request.state)
        return {"content": mark}

    async def _ready_container(self, request: PublishRequest, state: dict[str, Any]) -> str | None:
        """Return a container that waits to be published; None if the saved one is published already."""
        status = "EXPIRED"
        if "container_id" in state:
            status = await read_status(self._api, state["container_id"])
        if status in {"ERROR", "EXPIRED"}:
            user_id = await self._user_id()
            state["container_id"] = await create_container(self._api, self._context, user_id, request.content)
            await request.save_state(state)
        status = await wait_for_container(self._api, self._context, state["container_id"])
        if status == "ERROR":
            raise ContentRejectedError(f"{LABEL} could not process the media: try another file or format")
        return None if status == "PUBLISHED" else str(state["container_id"])

    async def _read_receipt(self, media_id: str) -> PublishedPost:
        """Read permalink and time; the post is out whether or not this works."""
        now = self._context.clock()
        try:
            return await self._api.read(
                f"{VERSION}/{media_id}",
                lambda body: PublishedPost(media_id, body.get("permalink"), parse_time(body["timestamp"])),
                params={"fields": "permalink,timestamp"},
                attempts=1,
            )
        except ConnectorError:
            return PublishedPost(media_id, None, now)  # a missing permalink must not make a post seem unsent

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Ask the container, then the account's media; with a first comment, ask for that too."""
        state = self._load_state(request)
        if "media_id" not in state:
            if "container_id" not in state:
                return None  # the container is saved before it is published: none, so nothing was
            status = await read_status(self._api, state["container_id"])
            found = await self._find_media(request)
            if found is None:
                if status == "PUBLISHED":
                    raise UnavailableError(f"{LABEL} says that the post is out, yet does not list it so far")
                return None
            state["media_id"] = found.external_id
            receipt = found
        else:
            receipt = await self._read_receipt(state["media_id"])
        if request.content.first_comment and not await self._has_comment(request, state["media_id"]):
            await request.save_state(state)  # publish goes on with the comment alone
            return None
        return receipt

    async def _find_media(self, request: PublishRequest) -> PublishedPost | None:
        since, cursor = request.first_attempt_at - _CLOCK_MARGIN, None
        caption = normalise(compose_text(request.content))
        while True:
            items, cursor = await self._list_page(since, cursor)
            for item in items:
                late_enough = parse_time(item["timestamp"]) >= since
                if (
                    late_enough
                    and item["id"] not in request.claimed_ids
                    and normalise(item["caption"]) == caption
                ):
                    return PublishedPost(item["id"], item.get("permalink"), parse_time(item["timestamp"]))
            if cursor is None or (items and parse_time(items[-1]["timestamp"]) < since):
                return None

    async def _has_comment(self, request: PublishRequest, media_id: str) -> bool:
        texts = await self._api.read(
            f"{VERSION}/{media_id}/comments",
            lambda body: [normalise(str(item.get("text", ""))) for item in body["data"]],
            params={"fields": "id,text"},
        )
        return normalise(request.content.first_comment or "") in texts

    async def _list_page(
        self, since: datetime, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        params = {"fields": _POST_FIELDS, "limit": str(_PAGE), "since": str(int(since.timestamp()))}
        if cursor:
            params["after"] = cursor
        items, following = await self._api.read(
            f"{VERSION}/{await self._user_id()}/media", parse_page, params=params
        )
        if following is not None and following == cursor:
            raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
        return items, following

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /{media}/insights for each; a rate limit midway keeps what was read and leaves the rest missing."""
        metrics: list[PostMetrics] = []
        deleted: set[str] = set()
        for media_id in external_ids:
            try:
                metrics.append(await self._fetch_insights(media_id))
            except RateLimitedError:
                if not metrics and not deleted:
                    raise
                break  # the rest is reported as missing, so it is asked for again, and meets the limit itself
            except GiveUpError as error:
                if error.platform_code != GONE:
                    raise
                deleted.add(media_id)
        known = {item.external_id for item in metrics}
        return MetricsBatch(tuple(metrics), frozenset(deleted), frozenset(external_ids) - known - deleted)

    async def _fetch_insights(self, media_id: str) -> PostMetrics:
        """Ask for all metrics at once; where that is refused, for each alone, and do without the refused."""
        captured_at = self._context.clock()
        names = [name for name in INSIGHTS if name not in self._refused]
        try:
            values = await self._read_insights(media_id, names)
        except GiveUpError as error:
            if error.platform_code == GONE:
                raise
            values = {}
            for name in names:
                try:
                    values |= await self._read_insights(media_id, [name])
                except GiveUpError as refused:
                    if refused.platform_code == GONE:
                        raise
                    self._refused.add(name)
            if not values:
                self._refused.clear()  # this post has no insights at all: the names may be fine
                raise
        return parse_metrics(media_id, values, captured_at)

    async def _read_insights(self, media_id: str, names: Sequence[str]) -> dict[str, int]:
        return await self._api.read(
            f"{VERSION}/{media_id}/insights", parse_insights, params={"metric": ",".join(names)}
        )

    async def fetch_followers(self) -> AccountMetrics:
        """GET /me."""
        captured_at = self._context.clock()
        return parse_account_metrics(await self._read_user(), captured_at)

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 media. Without metrics: the listing knows likes and comments only."""
        items, following = await self._list_page(since, cursor)
        posts = tuple(parse_listed(item) for item in items)
        if posts and posts[-1].published_at < since:
            following = None
        return HistoryPage(tuple(post for post in posts if post.published_at >= since), following)

    async def refresh_token(self) -> Credentials | None:
        """GET /refresh_access_token. The token itself is renewed for 60 days; one past its end cannot be."""
        old, now = self.account.credentials, self._context.clock()
        new = await self._api.prepare(
            "GET",
            "/refresh_access_token",
            lambda body: parse_token(body, old, now),
            params={"grant_type": "ig_refresh_token", "access_token": old.access_token.get_secret_value()},
            auth=httpx.Auth(),
        )
        self._use(replace(self.account, credentials=new))
        return new

    async def _user_id(self) -> str:
        if not self.account.external_id:
            self.account = replace(self.account, external_id=(await self.verify()).external_id)
        return self.account.external_id
