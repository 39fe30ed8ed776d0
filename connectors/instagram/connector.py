"""Instagram (API with Instagram Login): media containers, published in a second step; 60-day tokens.

Sources: meta/IG*ForIGOnlyAPI.json (edges, parameters, fields), developers.facebook.com (statuses of a
container, error codes). A container reports whether it was published, and expires unpublished after 24 hours:
this determines the outcome of an ambiguous publish. Instagram's `views` counts displays of a photo and plays
of a video together: neither impressions nor video views, so it stays in `raw`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from connectors.base import PublishRequest
from connectors.candidates import Candidate, choose, find_match
from connectors.content.capabilities import Capabilities
from connectors.content.counts import read_count
from connectors.editing import refuse_edit
from connectors.errors import ConnectorError, OutcomeUnknownError, UnsupportedError
from connectors.http.client import BearerAuth
from connectors.http.context import ConnectorContext
from connectors.instagram.capabilities import CAPABILITIES, LABEL, VERSION
from connectors.instagram.containers import create_container
from connectors.instagram.listings import list_candidates, list_comments, list_page
from connectors.instagram.media import (
    INSIGHTS,
    explain,
    parse_account_metrics,
    parse_listed,
    parse_metrics,
    parse_user,
)
from connectors.listings import page_since, read_items
from connectors.meta.api import (
    InsightsReader,
    measure_each,
    parse_id,
    parse_time,
    plan_renewal,
    renew_token,
)
from connectors.meta.containers import Containers, settle
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


class InstagramConnector:
    """One Instagram professional account."""

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
            base_url=self._context.settings.instagram_base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=explain,
        )
        self._containers = Containers(self._api, self._context, LABEL, VERSION, "status_code", "status")

    async def verify(self) -> VerifiedAccount:
        """GET /me.

        A token with unknown expiry is scheduled for a refresh in a day: only a refresh reports the expiry.
        """
        user = await self._read_user()
        credentials = plan_renewal(self.account.credentials, self._context.clock())
        return VerifiedAccount(
            external_id=str(user.get("user_id") or user["id"]),
            handle=str(user["username"]),
            display_name=str(user.get("name") or user["username"]),
            credentials=credentials,
            followers=read_count(user.get("followers_count")),
        )

    async def _read_user(self) -> dict[str, Any]:
        fields = "user_id,username,name,followers_count,follows_count,media_count"
        return await self._api.read(f"{VERSION}/me", parse_user, params={"fields": fields})

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Create the container (once), wait for it, publish it, then comment. Each step is saved."""
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        media = progress.parent_of(part)
        if media is not None:
            path, form = f"{VERSION}/{media.id}/comments", {"message": part.text}
            return SentPart(await self._api.publish(path, parse_id, data=form), None, self._context.clock())
        container = await self._containers.make_ready(progress, lambda: self._create(progress), part=part)
        if container is None:
            found = find_match(part, progress, await self._list_candidates(progress.request))
            if found is None:
                raise OutcomeUnknownError(f"{LABEL} reports the post as published but does not list it yet")
            return found
        path, form = f"{VERSION}/{await self._user_id()}/media_publish", {"creation_id": container}
        return await self._read_receipt(await self._api.publish(path, parse_id, data=form))

    async def _create(self, progress: Progress) -> str:
        return await create_container(self._containers, await self._user_id(), progress.request.content)

    async def _read_receipt(self, media_id: str) -> SentPart:
        """Read permalink and time; the post is published whether or not this succeeds."""
        now = self._context.clock()
        try:
            return await self._api.read(
                f"{VERSION}/{media_id}",
                lambda body: SentPart(media_id, body.get("permalink"), parse_time(body["timestamp"])),
                params={"fields": "permalink,timestamp"},
                attempts=1,
            )
        except ConnectorError:
            return SentPart(media_id, None, now)  # a missing permalink must not make a post look unsent

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Check the container, then the account's media; with a first comment, check that too."""
        return await find_parts(request, self._look)

    async def _look(self, part: Part, progress: Progress) -> SentPart | None:
        media = progress.parent_of(part)
        if media is not None:
            comments = await list_comments(self._api, self.account.handle, media.id)
            return choose(LABEL, part, progress, comments)
        container = progress.extra.get("container_id")
        if container is None and not progress.request.sent_elsewhere:
            return None  # the container is saved before it is published: without one, nothing was published
        candidates = await self._list_candidates(progress.request)
        status = None if container is None else await self._containers.read_status(container)
        return settle(status, LABEL, part, progress, candidates)

    async def _list_candidates(self, request: PublishRequest) -> list[Candidate]:
        return await list_candidates(self._api, await self._user_id(), request)

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """Raise UnsupportedError: Instagram lets no app delete posts."""
        raise UnsupportedError(f"{LABEL} lets no app delete posts: delete it there")

    async def edit(self, request: EditRequest) -> None:  # noqa: ARG002 - the protocol's
        """Raise UnsupportedError: Instagram lets no app change posts."""
        raise refuse_edit(self.capabilities)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /{media}/insights for each."""
        return await measure_each(external_ids, self._measure)

    async def _measure(self, media_id: str) -> PostMetrics:
        captured_at = self._context.clock()
        return parse_metrics(media_id, await self._insights.fetch(self._api, media_id), captured_at)

    async def fetch_followers(self) -> AccountMetrics:
        """GET /me."""
        captured_at = self._context.clock()
        return parse_account_metrics(await self._read_user(), captured_at)

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 media. Without metrics: the listing has likes and comments only."""
        odd: list[str] = []
        items, following = await list_page(self._api, await self._user_id(), since, cursor, odd)
        posts = read_items(items, parse_listed, odd)
        return page_since(posts, since, following, odd)

    async def refresh_token(self) -> Credentials | None:
        """GET /refresh_access_token. Extends the token by 60 days; an expired token cannot be refreshed."""
        old, now = self.account.credentials, self._context.clock()
        new = await renew_token(self._api, "ig_refresh_token", old, now)
        self._use(replace(self.account, credentials=new))
        return new

    async def _user_id(self) -> str:
        if not self.account.external_id:
            self.account = replace(self.account, external_id=(await self.verify()).external_id)
        return self.account.external_id
