"""Threads API: text posts in one step, media by containers, replies as threads; 60-day tokens.

Sources: threads/*.json (paths, parameters, metrics), developers.facebook.com (statuses of a container,
limits, how emoji count). A text is published by a single request (`auto_publish_text`), so the outcome of an
ambiguous one is determined by reading the account. A container reports whether it was published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from connectors.base import PublishRequest
from connectors.candidates import choose, find_match
from connectors.content.capabilities import Capabilities
from connectors.deletion import delete_parts, ignore, list_part_ids
from connectors.editing import refuse_edit
from connectors.errors import (
    ConnectorError,
    GiveUpError,
    OutcomeUnknownError,
    RateLimitedError,
)
from connectors.http.client import BearerAuth
from connectors.http.context import ConnectorContext
from connectors.listings import page_since, read_items
from connectors.meta.api import (
    InsightsReader,
    is_gone,
    measure_each,
    parse_id,
    parse_insights,
    plan_renewal,
    renew_token,
)
from connectors.meta.containers import Containers, container_key, settle
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.threads.capabilities import CAPABILITIES, LABEL, VERSION
from connectors.threads.containers import build_text_form, create_container
from connectors.threads.listings import list_candidates, list_page
from connectors.threads.options import ThreadsOptions
from connectors.threads.posts import (
    INSIGHTS,
    POST_FIELDS,
    explain,
    parse_exhausted,
    parse_listed,
    parse_metrics,
    parse_profile,
    parse_sent,
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

# The quota covers a rolling 24 hours, and the API does not say when its oldest post leaves it.
_QUOTA_PAUSE = timedelta(hours=1)


class ThreadsConnector:
    """One Threads profile."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._insights = InsightsReader(VERSION, INSIGHTS)
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._api = self._context.api(
            account,
            label=LABEL,
            base_url=self._context.settings.threads_base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=explain,
        )
        self._containers = Containers(self._api, self._context, LABEL, VERSION, "status", "error_message")

    async def verify(self) -> VerifiedAccount:
        """GET /me.

        A token with unknown expiry is scheduled for a refresh in a day: only a refresh reports the expiry.
        """
        profile = await self._api.read(
            f"{VERSION}/me", parse_profile, params={"fields": "id,username,name,is_verified"}
        )
        try:
            followers = (await self.fetch_followers()).followers
        except GiveUpError:
            followers = None  # without the insights permission the account can still publish
        return VerifiedAccount(
            external_id=profile["id"],
            handle=profile["username"],
            display_name=str(profile.get("name") or profile["username"]),
            credentials=plan_renewal(self.account.credentials, self._context.clock()),
            followers=followers,
        )

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Publish the post, then the thread (each part below the previous one), then the comment."""
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        content, parent = progress.request.content, progress.parent_of(part)
        if not part.media:
            link = content.link if parent is None else None
            options = ThreadsOptions.of(content)
            form = build_text_form(part.text, options, link=link, reply_to=parent.id if parent else None)
            return await self._publish("threads", form)
        container = await self._containers.make_ready(
            progress,
            lambda: create_container(self._containers, part, content, reply_to=parent.id if parent else None),
            part=part,
        )
        if container is None:
            found = find_match(part, progress, await list_candidates(self._api, part, progress))
            if found is None:
                raise OutcomeUnknownError(f"{LABEL} reports the post as published but does not list it yet")
            return found
        return await self._publish("threads_publish", {"creation_id": container})

    async def _publish(self, edge: str, form: dict[str, str]) -> SentPart:
        try:
            post_id = await self._api.publish(f"{VERSION}/me/{edge}", parse_id, data=form)
        except RateLimitedError as error:
            if error.retry_at is None and await self._is_quota_used_up():
                error.retry_at = self._context.clock() + _QUOTA_PAUSE
            raise
        return await self._read_receipt(post_id)

    async def _is_quota_used_up(self) -> bool:
        """GET /me/threads_publishing_limit: 250 posts and 1000 replies in 24 hours."""
        fields = "quota_usage,config,reply_quota_usage,reply_config"
        try:
            return await self._api.read(
                f"{VERSION}/me/threads_publishing_limit",
                parse_exhausted,
                params={"fields": fields},
                attempts=1,
            )
        except ConnectorError:
            return False  # raise the original error, without a retry time

    async def _read_receipt(self, post_id: str) -> SentPart:
        """Read permalink and time; the post is published whether or not they can be read now."""
        now = self._context.clock()
        try:
            return await self._api.read(
                f"{VERSION}/{post_id}", parse_sent, params={"fields": "id,permalink,timestamp"}, attempts=1
            )
        except GiveUpError as error:
            # Accepted under an id that is not a post (yet): the listing has the right id.
            raise OutcomeUnknownError(
                f"{LABEL} accepted the post but does not show it yet: {error.message}",
                status=error.status,
                platform_code=error.platform_code,
            ) from error
        except ConnectorError:
            return SentPart(post_id, None, now)  # a missing permalink must not make a post look unsent

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Check the container, then the account's posts; for the rest of a thread, its replies."""
        return await find_parts(request, self._look)

    async def _look(self, part: Part, progress: Progress) -> SentPart | None:
        if not part.media:
            return choose(LABEL, part, progress, await list_candidates(self._api, part, progress))
        container = progress.extra.get(container_key(part))
        if container is None and not progress.request.sent_elsewhere:
            return None  # the container is saved before it is published: without one, nothing was published
        candidates = await list_candidates(self._api, part, progress)
        status = None if container is None else await self._containers.read_status(str(container))
        return settle(status, LABEL, part, progress, candidates)

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:
        """DELETE /{post} for each part."""

        async def delete(part_id: str) -> None:
            await self._api.prepare("DELETE", f"{VERSION}/{part_id}", ignore)

        await delete_parts(list_part_ids(external_id, state), delete, gone=is_gone)

    async def edit(self, request: EditRequest) -> None:  # noqa: ARG002 - the protocol's
        """Raise UnsupportedError: see `capabilities.why_no_edit`."""
        raise refuse_edit(self.capabilities)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /{post}/insights for each."""
        return await measure_each(external_ids, self._measure)

    async def _measure(self, post_id: str) -> PostMetrics:
        captured_at = self._context.clock()
        return parse_metrics(post_id, await self._insights.fetch(self._api, post_id), captured_at)

    async def fetch_followers(self) -> AccountMetrics:
        """GET /me/threads_insights?metric=followers_count; Threads reports no other account metric."""
        captured_at = self._context.clock()
        return await self._api.read(
            f"{VERSION}/me/threads_insights",
            lambda body: _parse_account_metrics(parse_insights(body), captured_at),
            params={"metric": "followers_count"},
        )

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 posts, without metrics; replies and reposts are left out."""
        odd: list[str] = []
        items, following = await list_page(self._api, "threads", POST_FIELDS, since, cursor, odd=odd)
        posts = read_items(items, parse_listed, odd)
        return page_since(posts, since, following, odd)

    async def refresh_token(self) -> Credentials | None:
        """GET /refresh_access_token. Extends the token by 60 days; an expired token cannot be refreshed."""
        old, now = self.account.credentials, self._context.clock()
        new = await renew_token(self._api, "th_refresh_token", old, now)
        self._use(replace(self.account, credentials=new))
        return new


def _parse_account_metrics(values: dict[str, int], captured_at: datetime) -> AccountMetrics:
    return AccountMetrics(captured_at, followers=values["followers_count"], raw=dict(values))
