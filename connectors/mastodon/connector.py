"""Mastodon and compatible servers, on the account's own instance, with tokens that do not expire.

Sources: mastodon/schema.json 4.7.0 (paths, names), docs.joinmastodon.org (rate limits, Idempotency-Key),
tests against real and compatible servers. A repeated Idempotency-Key returns the first status for about an
hour; compatible servers ignore the key, answer in plain text, and lack `GET /api/v1/statuses` (404 or 405).
Mastodon reports no impressions, reach, clicks or bookmarks: those stay None. Before its due time a text is
limited to 500 characters, Mastodon's default; the instance's own limits are read when it is sent (see
connectors.mastodon.instance).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from connectors.base import PublishRequest
from connectors.candidates import Candidate, choose, find_match, list_unclaimed, same_id, window_start
from connectors.content.batches import split_batches
from connectors.content.capabilities import Capabilities
from connectors.content.counts import read_count
from connectors.deletion import delete_parts, ignore, list_part_ids
from connectors.editing import list_edited_parts
from connectors.errors import GiveUpError, UnclaimedPostsError
from connectors.http.client import BearerAuth
from connectors.http.context import ConnectorContext
from connectors.http.private_networks import check_instance_url
from connectors.listings import page_since, read_items
from connectors.mastodon.capabilities import (
    CAPABILITIES,
    LABEL,
)
from connectors.mastodon.editing import edit_status
from connectors.mastodon.instance import InstanceLimits, check_limits, may_be_over, read_limits
from connectors.mastodon.listings import list_page, list_since
from connectors.mastodon.media import upload
from connectors.mastodon.options import MastodonOptions
from connectors.mastodon.statuses import (
    explain,
    parse_account_metrics,
    parse_application,
    parse_candidate,
    parse_listed,
    parse_metrics,
    parse_object,
    parse_sent,
    parse_source,
    parse_statuses,
    write_options,
)
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
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

_NOT_OFFERED = frozenset({403, 404, 405, 410, 501})
_SOURCES = 10
"""Maximum number of sources read per look-up: more unclaimed posts within minutes need a person."""


class MastodonConnector:
    """One Mastodon account."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self.account = account
        self._context = context
        self._base_url = check_instance_url(
            account.instance_url,
            field="instance_url",
            allow_private=context.settings.allow_private_instances,
        )
        self._host = urlsplit(self._base_url).netloc
        self._api = context.api(
            account,
            label=f"{LABEL} ({self._host})",
            base_url=self._base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=explain,
        )
        self._batches = True
        self._sources = True

    async def verify(self) -> VerifiedAccount:
        """GET /api/v1/accounts/verify_credentials, and the instance's text limit."""
        user = await self._api.read("/api/v1/accounts/verify_credentials", parse_object)
        # Whoever connects again may do so because the instance changed its limits.
        limits = await read_limits(self._api, self._context, self._base_url, anew=True)
        return VerifiedAccount(
            external_id=str(user["id"]),
            handle=f"{user['username']}@{self._host}",
            display_name=str(user.get("display_name") or user["username"]),
            credentials=self.account.credentials,
            instance_url=self._base_url,
            followers=read_count(user.get("followers_count")),
            text_limit=limits.text if limits.known else None,
        )

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """POST /api/v1/statuses for each part, each with its own Idempotency-Key."""
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        parent = progress.parent_of(part)
        options = MastodonOptions.of(progress.request.content)
        media = part.media
        written = write_options(options, first=parent is None, with_media=bool(media))
        body: dict[str, Any] = {"status": part.text, **written}
        limits = InstanceLimits()
        if may_be_over(part, media):
            limits = await read_limits(self._api, self._context, self._base_url)
            check_limits(limits, part, media, host=self._host)
        if parent is not None:
            body["in_reply_to_id"] = parent.id
        if media:
            body["media_ids"] = [
                await upload(self._api, self._context, item, limits, host=self._host) for item in media
            ]
        key = progress.request.key + (f"-{part.index}" if part.index else "")
        headers = {"Idempotency-Key": key}
        return await self._api.publish("/api/v1/statuses", parse_sent, json=body, headers=headers)

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Read the account's statuses since the first attempt. The key is not reused: it may be ignored."""
        since = window_start(request)
        statuses = [status async for status in list_since(self._api, await self._account_id(), since)]

        async def look(part: Part, progress: Progress) -> SentPart | None:
            parent = progress.parent_of(part)
            there = {
                status["id"]: status for status in statuses if _answers(status, parent.id if parent else None)
            }
            candidates = [parse_candidate(status) for status in there.values()]
            try:
                return choose(LABEL, part, progress, candidates)
            except UnclaimedPostsError:
                left = await self._read_sources(list_unclaimed(progress, candidates))
                if found := find_match(part, progress, left):
                    return found
                ours = await self._drop_foreign(left, {status["id"]: status for status in statuses})
            return choose(LABEL, part, progress, ours)

        return await find_parts(request, look)

    async def _read_sources(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Replace texts by their source, where the server keeps it: GET /api/v1/statuses/{id}/source."""
        read: list[Candidate] = []
        for item in candidates:
            if not self._sources or len(read) >= _SOURCES:
                read.append(item)
                continue
            try:
                path = f"/api/v1/statuses/{item.sent.id}/source"
                read.append(replace(item, text=await self._api.read(path, parse_source), links=None))
            except GiveUpError as error:
                if error.status not in _NOT_OFFERED:
                    raise
                self._sources = False
                read.append(item)
        return read

    async def _drop_foreign(
        self, candidates: Sequence[Candidate], statuses: dict[str, dict[str, Any]]
    ) -> list[Candidate]:
        """Drop statuses published by other applications.

        Only if the server is seen to distinguish them: one of the statuses must name this account's
        application. Some servers name themselves as the application of every status.
        """
        told = {key: parse_application(status.get("application")) for key, status in statuses.items()}
        if not any(told[item.sent.id] for item in candidates):
            return list(candidates)
        try:
            ours = await self._api.read("/api/v1/apps/verify_credentials", parse_application)
        except GiveUpError:
            ours = None
        if ours is None or ours not in told.values():
            return list(candidates)
        return [item for item in candidates if told[item.sent.id] in {None, ours}]

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:
        """DELETE /api/v1/statuses/{id} for each part."""

        async def delete(part_id: str) -> None:
            await self._api.prepare("DELETE", f"/api/v1/statuses/{part_id}", ignore)

        await delete_parts(list_part_ids(external_id, state), delete)

    async def edit(self, request: EditRequest) -> None:
        """PUT /api/v1/statuses/{id} for each part that changes."""
        for part, status_id in list_edited_parts(request, options_everywhere=True):
            await edit_status(self._api, status_id, part, request.after, label=f"{LABEL} ({self._host})")

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /api/v1/statuses?id[]=, 20 per request; missing statuses are requested one by one."""
        metrics: dict[str, PostMetrics] = {}
        deleted: set[str] = set()
        missing: set[str] = set()
        for ids in split_batches(external_ids, self.capabilities.metrics_batch):
            found = await self._fetch_batch(ids) if self._batches and len(ids) > 1 else []
            asked = {post_id.casefold(): post_id for post_id in ids}
            for item in found:
                if post_id := asked.get(item.external_id.casefold()):
                    metrics[post_id] = replace(item, external_id=post_id)
            for post_id in ids:
                if post_id not in metrics:
                    one = await self._fetch_one(post_id)
                    if one is None:
                        deleted.add(post_id)
                    elif same_id(one.external_id, post_id):
                        metrics[post_id] = replace(one, external_id=post_id)
                    else:
                        # A different status than requested: returned under its own id, so that the caller reports it.
                        missing.add(post_id)
                        metrics.setdefault(one.external_id, one)
        if deleted:
            # A broken proxy returns 404 for everything: believe it only if the instance still knows our
            # account.
            await self.verify()
        return MetricsBatch(tuple(metrics.values()), frozenset(deleted), frozenset(missing))

    async def _fetch_batch(self, ids: Sequence[str]) -> list[PostMetrics]:
        captured_at = self._context.clock()
        try:
            return await self._api.read(
                "/api/v1/statuses",
                lambda body: [parse_metrics(item, captured_at) for item in parse_statuses(body)],
                params={"id[]": list(ids)},
            )
        except GiveUpError as error:
            if error.status not in {404, 405}:
                raise
            self._batches = False  # a compatible server without this endpoint: do not call it again
            return []

    async def _fetch_one(self, post_id: str) -> PostMetrics | None:
        captured_at = self._context.clock()
        try:
            return await self._api.read(
                f"/api/v1/statuses/{post_id}", lambda body: parse_metrics(body, captured_at)
            )
        except GiveUpError as error:
            # Our own post is always visible to us: not found means deleted.
            if error.status not in {404, 410}:
                raise
            return None

    async def fetch_followers(self) -> AccountMetrics:
        """GET /api/v1/accounts/verify_credentials."""
        captured_at = self._context.clock()
        return await self._api.read(
            "/api/v1/accounts/verify_credentials", lambda body: parse_account_metrics(body, captured_at)
        )

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 40 statuses with their metrics; boosts and replies are left out."""
        captured_at = self._context.clock()
        odd: list[str] = []
        statuses, following = await list_page(
            self._api, await self._account_id(), cursor, exclude_replies=True, odd=odd
        )
        posts = read_items(statuses, lambda status: parse_listed(status, captured_at), odd)
        return page_since(posts, since, following, odd)

    async def refresh_token(self) -> Credentials | None:
        """Mastodon's tokens do not expire."""
        return None

    async def _account_id(self) -> str:
        if not self.account.external_id:
            self.account = replace(self.account, external_id=(await self.verify()).external_id)
        return self.account.external_id


def _answers(status: dict[str, Any], parent: str | None) -> bool:
    """Return whether the status is at the right position: top level, or a reply to the right status."""
    answered = status.get("in_reply_to_id")
    if answered is None or parent is None:
        return answered is None and parent is None
    return same_id(str(answered), parent)
