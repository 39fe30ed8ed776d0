"""X (Twitter): OAuth 2.0 user tokens, posts at /2/tweets, no idempotency key.

Sources: x/openapi.json 2.167 (paths, names), docs.x.com (limits, costs). Every call costs money (a post 0.015
USD, 0.20 with a link; an own read 0.001), so nothing is requested twice.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from connectors.base import PublishRequest
from connectors.candidates import choose, window_start
from connectors.content.batches import split_batches
from connectors.content.capabilities import Capabilities
from connectors.deletion import delete_parts, ignore, list_part_ids
from connectors.editing import refuse_edit
from connectors.errors import (
    GiveUpError,
    OutcomeUnknownError,
    UnavailableError,
)
from connectors.http.client import BearerAuth
from connectors.http.context import ConnectorContext
from connectors.listings import read_items
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.twitter.capabilities import CAPABILITIES, LABEL
from connectors.twitter.errors import DUPLICATE, explain
from connectors.twitter.links import encode_content
from connectors.twitter.media import upload
from connectors.twitter.options import TwitterOptions
from connectors.twitter.posts import (
    age_of,
    answers,
    is_root,
    parse_account_metrics,
    parse_candidate,
    parse_created,
    parse_listed,
    parse_metrics,
    parse_page,
    parse_time,
    parse_user,
    write_options,
)
from connectors.twitter.tokens import LIFETIME, renew
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

_POST_FIELDS = "attachments,conversation_id,created_at,entities,lang,note_post,public_metrics"
# Non-public metrics are available for 30 days; subtract a day for clock skew and request time.
_PRIVATE_METRICS_AGE = timedelta(days=29)


class TwitterConnector:
    """One X account."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._asks_promoted = True
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._api = self._context.api(
            account,
            label=LABEL,
            base_url=self._context.settings.twitter_base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=lambda refusal: explain(
                refusal, may_refresh=account.credentials.refresh_token is not None
            ),
        )

    async def verify(self) -> VerifiedAccount:
        """GET /2/users/me. A token with unknown expiry is taken to expire in two hours, X's lifetime."""
        user = await self._api.read("/2/users/me", parse_user, params={"user.fields": "public_metrics"})
        credentials = self.account.credentials
        if credentials.expires_at is None and credentials.refresh_token is not None:
            credentials = replace(credentials, expires_at=self._context.clock() + LIFETIME)
        return replace(user, credentials=credentials)

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """POST /2/tweets for each part, with its media."""
        return await publish_parts(_encode(request), self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        parent = progress.parent_of(part)
        options = TwitterOptions.of(progress.request.content)
        body: dict[str, Any] = {"text": part.text} if part.text else {}
        body |= write_options(options, first=parent is None)
        if parent is not None:
            body["reply"] = {"in_reply_to_tweet_id": parent.id}
        if part.media:
            ids = [await upload(self._api, self._context, item) for item in part.media]
            tagged = options.tagged_users if parent is None else ()
            body["media"] = {"media_ids": ids, **({"tagged_user_ids": list(tagged)} if tagged else {})}
        try:
            post_id = await self._api.publish("/2/tweets", parse_created, json=body)
        except OutcomeUnknownError as error:
            if error.platform_code == DUPLICATE:
                await progress.save(duplicate=part.index)
            raise
        return SentPart(post_id, self._permalink(post_id), self._context.clock())

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Read the account's posts since the first attempt, all pages, and match them."""
        posts = [post async for post in self._list_since(window_start(request))]

        async def look(part: Part, progress: Progress) -> SentPart | None:
            parent, root = progress.parent_of(part), progress.sent[0] if progress.sent else None
            quoted = TwitterOptions.of(request.content).quote if parent is None else None
            candidates = [
                parse_candidate(post, self._read_sent(post), quoted)
                for post in posts
                if answers(post, parent, root)
            ]
            found = choose(LABEL, part, progress, candidates)
            if found is not None:
                return found
            if progress.extra.get("duplicate") == part.index:
                # Sending again would be rejected the same way: keep looking it up, then let a person decide.
                raise UnavailableError(
                    f"{LABEL} refuses this text as a duplicate but lists no post of this publication: the same "
                    "words went out before or by another publication"
                )
            return None

        return await find_parts(_encode(request), look)

    def _read_sent(self, post: dict[str, Any]) -> SentPart:
        return SentPart(post["id"], self._permalink(post["id"]), parse_time(post["created_at"]))

    async def _list_since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            posts, cursor = await self._list_page(since, cursor)
            for post in posts:
                if parse_time(post["created_at"]) >= since:
                    yield post
            if cursor is None:
                return

    async def _list_page(
        self, since: datetime, cursor: str | None, odd: list[str] | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        # Replies are kept: `exclude=replies` would shorten the reachable history from 3,200 posts to 800.
        params = {
            "max_results": 100,
            "start_time": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "exclude": "retweets",
            "post.fields": _POST_FIELDS,
        }
        if cursor:
            params["pagination_token"] = cursor
        posts, following = await self._api.read(
            f"/2/users/{await self._user_id()}/tweets", lambda body: parse_page(body, odd), params=params
        )
        if following is not None and following == cursor:
            raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
        return posts, following

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:
        """DELETE /2/tweets/{id} for each part."""

        async def delete(part_id: str) -> None:
            await self._api.prepare("DELETE", f"/2/tweets/{part_id}", ignore)

        await delete_parts(list_part_ids(external_id, state), delete)

    async def edit(self, request: EditRequest) -> None:  # noqa: ARG002 - the protocol's
        """Raise UnsupportedError: see `capabilities.why_no_edit`."""
        raise refuse_edit(self.capabilities)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /2/tweets, 100 ids per request; link clicks only for posts that still have them."""
        now = self._context.clock()
        young = [item for item in external_ids if age_of(item, now) < _PRIVATE_METRICS_AGE]
        old = [item for item in external_ids if item not in set(young)]
        metrics: list[PostMetrics] = []
        deleted: set[str] = set()
        for group, private in ((young, True), (old, False)):
            for ids in split_batches(group, self.capabilities.metrics_batch):
                found, gone = await self._fetch_batch(ids, private=private)
                metrics += found
                deleted |= gone & set(ids)
        known = {item.external_id for item in metrics}
        return MetricsBatch(
            tuple(metrics), frozenset(deleted - known), frozenset(external_ids) - known - deleted
        )

    async def _fetch_batch(self, ids: Sequence[str], *, private: bool) -> tuple[list[PostMetrics], set[str]]:
        if private and self._asks_promoted:
            try:
                metrics, gone = await self._read_metrics(
                    ids, "public_metrics,non_public_metrics,promoted_metrics"
                )
            except GiveUpError:
                self._asks_promoted = False
                return await self._fetch_batch(ids, private=True)
            left_out = set(ids) - {item.external_id for item in metrics} - gone
            if not left_out:
                return metrics, gone
            # X may leave out whole posts whose fields it does not show: never at the price of the other metrics.
            others, also_gone = await self._read_metrics(
                sorted(left_out), "public_metrics,non_public_metrics"
            )
            self._asks_promoted = not others
            return metrics + others, gone | also_gone
        try:
            return await self._read_metrics(
                ids, "public_metrics,non_public_metrics" if private else "public_metrics"
            )
        except GiveUpError:
            if not private:
                raise
            # A token without access to private metrics fails the whole request: request the public ones
            # alone.
            return await self._fetch_batch(ids, private=False)

    async def _read_metrics(self, ids: Sequence[str], fields: str) -> tuple[list[PostMetrics], set[str]]:
        params = {"ids": ",".join(ids), "post.fields": fields}
        captured_at = self._context.clock()
        return await self._api.read("/2/tweets", lambda body: parse_metrics(body, captured_at), params=params)

    async def fetch_followers(self) -> AccountMetrics:
        """GET /2/users/me."""
        captured_at = self._context.clock()
        params = {"user.fields": "public_metrics"}
        return await self._api.read(
            "/2/users/me", lambda body: parse_account_metrics(body, captured_at), params=params
        )

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 posts; reposts and replies are left out. X returns at most 3,200 posts."""
        captured_at = self._context.clock()
        odd: list[str] = []
        posts, following = await self._list_page(since, cursor, odd)
        roots = read_items(posts, lambda post: post if is_root(post) else None, odd)
        listed = read_items(
            filter(None, roots),
            lambda post: parse_listed(post, captured_at, self._permalink(post["id"])),
            odd,
        )
        recent = tuple(post for post in listed if post.published_at >= since)
        return HistoryPage(recent, following, tuple(odd))

    async def refresh_token(self) -> Credentials | None:
        """POST /2/oauth2/token; this invalidates the old refresh token."""
        old, settings = self.account.credentials, self._context.settings
        new = await renew(self._api, settings, old, now=self._context.clock())
        if new is not None:
            self._use(replace(self.account, credentials=new))
        return new

    async def _user_id(self) -> str:
        if not self.account.external_id:
            self.account = replace(self.account, external_id=(await self.verify()).external_id)
        return self.account.external_id

    def _permalink(self, post_id: str) -> str:
        handle = (self.account.handle or "").lstrip("@")
        return f"https://x.com/{handle or 'i/web'}/status/{post_id}"


def _encode(request: PublishRequest) -> PublishRequest:
    """Return the request with contents as X gets them. What was written still identifies the saved progress."""
    return replace(
        request,
        content=encode_content(request.content),
        written=request.written or request.content,
        others=tuple(encode_content(other) for other in request.others),
    )
