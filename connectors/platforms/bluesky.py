"""Bluesky and any PDS of the AT Protocol: sessions, records, and an AppView for everything that is counted.

Sources: bluesky/lexicons (shapes, limits), tries against a real PDS. A post is a record under a key that we
choose, so a repeated send is harmless: `putRecord` with `swapRecord: null` answers 200 for the very same
record and 400 InvalidSwap for another one. Bad tokens are 400 (ExpiredToken, InvalidToken), not 401.
No impressions, reach or clicks are reported: those stay None.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx

from connectors.base import Capabilities, PublishRequest
from connectors.bluesky_answers import (
    explain,
    parse_blob,
    parse_found,
    parse_identity,
    parse_profile,
    parse_views,
)
from connectors.bluesky_records import (
    COLLECTION,
    build_permalink,
    build_record,
    build_record_key,
    looks_like_session_token,
    parse_account_metrics,
    parse_feed_item,
    parse_metrics,
    parse_record,
    parse_session,
    parse_time,
    parse_written,
    read_expiry,
)
from connectors.context import ConnectorContext
from connectors.errors import (
    ContentRejectedError,
    GiveUpError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.facets import build_facets
from connectors.http import BearerAuth
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.private_networks import check_instance_url
from connectors.text import count_graphemes
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    HistoryPage,
    Media,
    MetricsBatch,
    Platform,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

LABEL = "Bluesky"
DEFAULT_INSTANCE = "https://bsky.social"
_MAX_IMAGE = 2_000_000  # lexicon app.bsky.embed.images, maxSize
_PAGE = 100
_RECORDS = "records:"  # marks a cursor of listRecords, where the PDS has no AppView
_NO_APPVIEW = frozenset({404, 501, 502})


class BlueskyConnector:
    """One Bluesky account. Its external id is the DID, a post's is its at:// address."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        platform=Platform.BLUESKY,
        label=LABEL,
        text_limit=300,
        text_unit="characters",
        count_text=count_graphemes,
        text_byte_limit=3000,
        media_kinds=frozenset({"image"}),
        max_images=4,
        max_videos=0,
        supports_thread=True,
        supports_first_comment=True,
        needs_handle=True,
        metrics_batch=25,
        metrics=frozenset({"likes", "comments", "shares", "saves"}),
        refresh_before=timedelta(minutes=30),
        reconciliation="The record is asked for by the key that we chose for it before sending.",
    )

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._base_url = check_instance_url(
            account.instance_url or DEFAULT_INSTANCE,
            field="instance_url",
            allow_private=context.settings.allow_private_instances,
        )
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._api = self._context.api(
            account,
            label=f"{LABEL} ({self._base_url.partition('://')[2]})",
            base_url=f"{self._base_url}/xrpc",
            auth=BearerAuth(account.credentials.access_token),
            explain=explain,
        )

    async def verify(self) -> VerifiedAccount:
        """Sign in with an app password, or ask whose session token it is; then read the profile."""
        credentials = self.account.credentials
        token = credentials.access_token.get_secret_value()
        if credentials.app_password is None and not looks_like_session_token(token):
            credentials = replace(credentials, app_password=credentials.access_token)
        if credentials.app_password is not None:
            await self._sign_in(credentials)
        else:
            known = replace(credentials, expires_at=credentials.expires_at or read_expiry(token))
            self.account = replace(self.account, credentials=known)
            session = await self._api.read("/com.atproto.server.getSession", parse_identity)
            self.account = replace(self.account, external_id=session[0], handle=session[1])
        name, followers = await self._read_profile()
        return VerifiedAccount(
            external_id=self.account.external_id,
            handle=self.account.handle or self.account.external_id,
            display_name=name or self.account.handle or self.account.external_id,
            credentials=self.account.credentials,
            instance_url=self._base_url,
            followers=followers,
        )

    async def _sign_in(self, old: Credentials) -> Credentials:
        identifier = self.account.handle or self.account.external_id
        if not identifier or old.app_password is None:
            raise GiveUpError(f"{LABEL} signs in with handle and app password: give the account's handle too")
        body = {"identifier": identifier.lstrip("@"), "password": old.app_password.get_secret_value()}
        return self._adopt(
            await self._api.prepare(
                "POST",
                "/com.atproto.server.createSession",
                lambda answer: parse_session(answer, old),
                json=body,
                auth=httpx.Auth(),
            )
        )

    def _adopt(self, session: tuple[Credentials, str, str]) -> Credentials:
        credentials, did, handle = session
        self._use(replace(self.account, credentials=credentials, external_id=did, handle=handle))
        return credentials

    async def _read_profile(self) -> tuple[str, int | None]:
        try:
            profile = await self._api.read(
                "/app.bsky.actor.getProfile",
                parse_profile,
                params={"actor": self.account.external_id},
                attempts=1,
            )
        except (UnavailableError, GiveUpError) as error:
            if error.status not in _NO_APPVIEW:
                raise
            return "", None  # a PDS without an AppView knows neither names nor followers
        return profile

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """com.atproto.repo.putRecord for each part, under a key of our own."""
        await self._own_did()
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        key = build_record_key(progress.request, part)
        pending = progress.extra.get("pending") or {}
        if pending.get("rkey") != key:
            pending = {"rkey": key, "record": await self._build_record(part, progress)}
            # The whole record is kept: only the very same one is recognised as a repetition.
            await progress.save(pending=pending)
        body = {
            "repo": self.account.external_id,
            "collection": COLLECTION,
            "rkey": key,
            "record": pending["record"],
            "swapRecord": None,
        }
        try:
            uri, cid = await self._api.publish("/com.atproto.repo.putRecord", parse_written, json=body)
        except ContentRejectedError as error:
            if error.platform_code != "InvalidSwap":
                raise
            sent = await self._look_up(key, pending["record"])
            if sent is None:
                raise
            return sent
        return self._sent(uri, cid, pending["record"])

    async def _build_record(self, part: Part, progress: Progress) -> dict[str, Any]:
        images = []
        if part.index == 0:
            images = [await self._upload(item) for item in progress.request.content.media]
        return build_record(
            progress.request,
            part,
            facets=await build_facets(part.text, self._resolve),
            images=images,
            root=progress.sent[0] if progress.sent else None,
            parent=progress.parent_of(part),
        )

    async def _upload(self, item: Media) -> dict[str, Any]:
        async with self._context.media.fetch(item.url, kind="image", max_bytes=_MAX_IMAGE) as media:
            blob = await self._api.prepare(
                "POST",
                "/com.atproto.repo.uploadBlob",
                parse_blob,
                content=media.file.read(),
                headers={"Content-Type": media.content_type},
                timeout=self._context.settings.upload_timeout,
            )
        return {"image": blob, "alt": item.alt_text or ""}

    async def _resolve(self, handle: str) -> str | None:
        try:
            return await self._api.read(
                "/com.atproto.identity.resolveHandle",
                lambda body: str(body["did"]),
                params={"handle": handle},
            )
        except GiveUpError:
            return None  # nobody has this handle: it stays plain text

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Ask for the record under the key that every attempt uses."""
        await self._own_did()

        async def look(part: Part, progress: Progress) -> SentPart | None:
            key = build_record_key(request, part)
            pending = progress.extra.get("pending") or {}
            return await self._look_up(key, pending.get("record") if pending.get("rkey") == key else None)

        return await find_parts(request, look)

    async def _look_up(self, key: str, record: dict[str, Any] | None) -> SentPart | None:
        """Return the record under `key`; None where there is none. GiveUpError where it is not ours."""
        params = {"repo": self.account.external_id, "collection": COLLECTION, "rkey": key}
        try:
            found = await self._api.read("/com.atproto.repo.getRecord", parse_found, params=params)
        except GiveUpError as error:
            if error.platform_code != "RecordNotFound":
                raise
            return None
        uri, cid, value = found
        if record is not None and (value.get("text"), value.get("createdAt")) != (
            record["text"],
            record["createdAt"],
        ):
            raise GiveUpError(f"{LABEL} holds another post under the key {key}: schedule this one anew")
        return self._sent(uri, cid, value)

    def _sent(self, uri: str, cid: str, record: dict[str, Any]) -> SentPart:
        permalink = build_permalink(uri, self.account.handle)
        return SentPart(uri, permalink, parse_time(record["createdAt"]), cid)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """app.bsky.feed.getPosts, 25 a request; what is left out is looked up in the account's own records."""
        captured_at = self._context.clock()
        metrics: dict[str, PostMetrics] = {}
        deleted: set[str] = set()
        missing: set[str] = set()
        for start in range(0, len(external_ids), self.capabilities.metrics_batch):
            uris = list(external_ids[start : start + self.capabilities.metrics_batch])
            views = await self._api.read("/app.bsky.feed.getPosts", parse_views, params={"uris": uris})
            metrics |= {
                str(view["uri"]): parse_metrics(view, captured_at) for view in views if view["uri"] in uris
            }
            for uri in uris:
                if uri not in metrics:
                    # The AppView runs behind the records: only a record that is gone means deleted.
                    gone = await self._look_up(uri.rpartition("/")[2], None) is None
                    (deleted if gone else missing).add(uri)
        return MetricsBatch(tuple(metrics.values()), frozenset(deleted), frozenset(missing))

    async def fetch_followers(self) -> AccountMetrics:
        """app.bsky.actor.getProfile."""
        captured_at = self._context.clock()
        params = {"actor": await self._own_did()}
        return await self._api.read(
            "/app.bsky.actor.getProfile", lambda body: parse_account_metrics(body, captured_at), params=params
        )

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 posts with their counters; without an AppView, of records without any."""
        if cursor is None or not cursor.startswith(_RECORDS):
            try:
                return await self._list_feed(since, cursor)
            except (UnavailableError, GiveUpError) as error:
                if cursor is not None or error.status not in _NO_APPVIEW:
                    raise
        return await self._list_records(since, (cursor or "").removeprefix(_RECORDS))

    async def _list_feed(self, since: datetime, cursor: str | None) -> HistoryPage:
        captured_at = self._context.clock()
        did = await self._own_did()
        params = {"actor": did, "limit": str(_PAGE), "filter": "posts_no_replies"}
        if cursor:
            params["cursor"] = cursor
        posts, following = await self._api.read(
            "/app.bsky.feed.getAuthorFeed",
            lambda body: (
                [post for item in body["feed"] if (post := parse_feed_item(item, captured_at, did))],
                body.get("cursor"),
            ),
            params=params,
        )
        return _page(posts, since, cursor, following, prefix="")

    async def _list_records(self, since: datetime, cursor: str) -> HistoryPage:
        params = {"repo": await self._own_did(), "collection": COLLECTION, "limit": str(_PAGE)}
        if cursor:
            params["cursor"] = cursor
        posts, following = await self._api.read(
            "/com.atproto.repo.listRecords",
            lambda body: (
                [
                    parse_record(item["uri"], item["value"])
                    for item in body["records"]
                    if "reply" not in item["value"]
                ],
                body.get("cursor"),
            ),
            params=params,
        )
        return _page(posts, since, cursor, following, prefix=_RECORDS)

    async def refresh_token(self) -> Credentials | None:
        """Spend the refresh token for a new pair; where that fails, sign in with the app password."""
        old = self.account.credentials
        if old.refresh_token is not None:
            try:
                return self._adopt(
                    await self._api.prepare(
                        "POST",
                        "/com.atproto.server.refreshSession",
                        lambda answer: parse_session(answer, old),
                        auth=BearerAuth(old.refresh_token),
                    )
                )
            except ReauthenticateError:
                if old.app_password is None:
                    raise
        return await self._sign_in(old) if old.app_password is not None else None

    async def _own_did(self) -> str:
        if not self.account.external_id:
            did, handle = await self._api.read("/com.atproto.server.getSession", parse_identity)
            self.account = replace(self.account, external_id=did, handle=self.account.handle or handle)
        return self.account.external_id


def _page(
    posts: list[Any], since: datetime, cursor: str | None, following: str | None, *, prefix: str
) -> HistoryPage:
    if following and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
    if posts and posts[-1].published_at < since:
        following = None
    kept = tuple(post for post in posts if post.published_at >= since)
    return HistoryPage(kept, prefix + following if following else None)
