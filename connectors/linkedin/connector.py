"""LinkedIn members and organization pages through the versioned REST API: posts, first comment, statistics.

Sources: learn.microsoft.com/linkedin (Posts, Images, Videos, Comments, Organization Share Statistics, Member
Post Statistics, refresh tokens), as published for versions 2025-01 to 2026-03; LinkedIn has no
machine-readable contract. There is no idempotency key. Reading a member's own posts needs a scope that few
apps are granted: without it, the outcome of an ambiguous publish cannot be determined, and statistics stay
None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from connectors.base import PublishRequest
from connectors.content.capabilities import Capabilities
from connectors.deletion import delete_parts, ignore
from connectors.editing import list_edited_parts
from connectors.errors import CannotFindOutError, GiveUpError
from connectors.http.context import ConnectorContext
from connectors.linkedin.capabilities import (
    CAPABILITIES,
    LABEL,
    REFRESH_BEFORE,
)
from connectors.linkedin.media import LinkedInUploads
from connectors.linkedin.posts import LinkedInPosts
from connectors.linkedin.responses import (
    DENIED,
    ORGANIZATION,
    PERSON,
    LinkedInAuth,
    explain,
    is_own_words,
    modified_at,
    parse_followers,
    parse_listed,
)
from connectors.linkedin.statistics import fetch_member_statistics, fetch_page_statistics
from connectors.linkedin.tokens import renew
from connectors.listings import read_items
from connectors.parts import find_parts, publish_parts
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


class LinkedInConnector:
    """One member or one organization page. External ids are URNs: urn:li:organization:7, urn:li:share:9."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._refused: set[str] = set()
        self._use(account)

    def _use(self, account: Account) -> None:
        settings = self._context.settings
        auth = LinkedInAuth(account.credentials.access_token, settings.linkedin_version)
        # LinkedIn distinguishes expired from revoked tokens; only a refresh token can replace an expired one.
        may_mend = account.credentials.refresh_token is not None
        self.account = account
        self._api, bare = (
            self._context.api(
                account, label=LABEL, base_url=address, auth=auth, explain=partial(explain, may_mend=may_mend)
            )
            for address in (settings.linkedin_base_url, "")
        )
        self._uploads = LinkedInUploads(self._api, bare, self._context)

    # -- account

    async def verify(self) -> VerifiedAccount:
        """GET /rest/organizations/{id} for the handle urn:li:organization:{id}, else GET /v2/userinfo.

        A refresh token whose access token has an unknown expiry is scheduled for use in a day.
        """
        named = self.account.external_id or self.account.handle or ""
        if named.startswith(ORGANIZATION):
            number = named.removeprefix(ORGANIZATION)
            page = await self._api.read(f"/rest/organizations/{number}", _read_page)
            external_id, handle, name = f"{ORGANIZATION}{number}", *page
        else:
            subject, name = await self._api.read("/v2/userinfo", _read_subject)
            external_id, handle = f"{PERSON}{subject}", self.account.handle or name
        credentials = self.account.credentials
        if credentials.expires_at is None and credentials.refresh_token is not None:
            planned = self._context.clock() + REFRESH_BEFORE + timedelta(days=1)
            credentials = replace(credentials, expires_at=planned)
        self.account = replace(self.account, external_id=external_id, handle=handle)
        followers = (await self.fetch_followers()).followers
        return VerifiedAccount(external_id, handle, name, credentials, followers=followers)

    async def _author(self) -> str:
        if not self.account.external_id:
            await self.verify()
        return self.account.external_id

    # -- publishing and look-up

    async def _posts(self) -> LinkedInPosts:
        return LinkedInPosts(self._api, self._uploads, await self._author(), self._context.clock)

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """POST /rest/posts, then /rest/socialActions/{post}/comments for the first comment."""
        return await publish_parts(request, (await self._posts()).send)

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Read the author's posts since the first attempt, and the comments below the post."""
        try:
            return await find_parts(request, (await self._posts()).look)
        except GiveUpError as error:
            if error.platform_code != DENIED:
                raise
            raise CannotFindOutError(
                f"{LABEL} lets this app publish but not read posts (scope r_member_social or "
                f"r_organization_social), so look at the profile: {error.message}",
                status=error.status,
                platform_code=DENIED,
            ) from None

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 posts, last changed first. Without metrics: the listing has none."""
        start, _, before = (cursor or "0").partition(" ")
        odd: list[str] = []
        posts, following = await (await self._posts()).list_page(int(start), before, odd)
        listed = read_items((post for post in posts if is_own_words(post)), parse_listed, odd)
        if posts and modified_at(posts[-1]) < since:
            following = None
        first = posts[0]["id"] if posts else ""
        return HistoryPage(
            tuple(post for post in listed if post.published_at >= since),
            None if following is None else f"{following} {first}",
            tuple(odd),
        )

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """DELETE /rest/posts/{urn}; its comments go with it."""

        async def delete(urn: str) -> None:
            await self._api.prepare("DELETE", f"/rest/posts/{quote(urn, safe='')}", ignore)

        await delete_parts([external_id], delete)

    async def edit(self, request: EditRequest) -> None:
        """POST /rest/posts/{urn} as a partial update of the commentary."""
        posts = await self._posts()
        for part, urn in list_edited_parts(request):
            await posts.edit(urn, part, request.after)

    # -- metrics

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """Read organizationalEntityShareStatistics in batches, or memberCreatorPostAnalytics per metric.

        A post missing from a response is looked up: it counts as deleted only if LinkedIn reports it as
        unknown.
        """
        if not external_ids:
            return MetricsBatch(())
        if (await self._author()).startswith(ORGANIZATION):
            metrics = await fetch_page_statistics(
                self._api,
                self.account.external_id,
                external_ids,
                batch=self.capabilities.metrics_batch,
                captured_at=self._context.clock(),
            )
        else:
            metrics = [
                item
                for urn in dict.fromkeys(external_ids)
                if (item := await self._fetch_analytics(urn)) is not None
            ]
        found = {item.external_id: item for item in metrics}
        absent, posts = [urn for urn in external_ids if urn not in found], await self._posts()
        deleted = frozenset([urn for urn in absent if await posts.is_gone(urn)])
        return MetricsBatch(tuple(found.values()), deleted, frozenset(absent) - deleted)

    async def _fetch_analytics(self, urn: str) -> PostMetrics | None:
        return await fetch_member_statistics(self._api, urn, self._refused, captured_at=self._context.clock())

    async def fetch_followers(self) -> AccountMetrics:
        """GET /rest/networkSizes of a page, /rest/memberFollowersCount of a member (None without the scope)."""
        captured_at, author = self._context.clock(), await self._author()
        path = "/rest/memberFollowersCount?q=me"
        if author.startswith(ORGANIZATION):
            path = f"/rest/networkSizes/{quote(author, safe='')}?edgeType=COMPANY_FOLLOWED_BY_MEMBER"
        try:
            followers = await self._api.read(path, parse_followers)
        except GiveUpError as error:
            if error.platform_code != DENIED or author.startswith(ORGANIZATION):
                raise
            return AccountMetrics(captured_at)
        return AccountMetrics(captured_at, followers, raw={"followers": followers})

    # -- tokens

    async def refresh_token(self) -> Credentials | None:
        """POST /oauth/v2/accessToken at www.linkedin.com. None where LinkedIn granted no refresh token."""
        settings = self._context.settings
        api = self._context.api(
            self.account,
            label=LABEL,
            base_url=settings.linkedin_oauth_base_url,
            auth=httpx.Auth(),
            explain=explain,
        )
        new = await renew(api, settings, self.account.credentials, now=self._context.clock())
        if new is not None:
            self._use(replace(self.account, credentials=new))
        return new


def _read_page(body: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Read handle and name of an organization."""
    return str(body.get("vanityName") or body["localizedName"]), str(body["localizedName"])


def _read_subject(body: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Read id and name of a member, in OpenID Connect's form."""
    return str(body["sub"]), str(body.get("name") or body["sub"])
