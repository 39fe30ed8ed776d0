"""Bluesky and other AT Protocol servers (PDS): sessions and records; metrics come from the AppView.

Sources: bluesky/lexicons (shapes, limits), tests against a real PDS. A post is a record under a key that we
choose, so sending it again is idempotent (see connectors.bluesky.repository). Invalid tokens are answered
with 400 (ExpiredToken, InvalidToken), not 401. Impressions, reach and clicks are not reported and stay None.
Videos are not supported: they are uploaded to a separate service (app.bsky.video.uploadVideo) with its own
tokens and quotas (app.bsky.video.getUploadLimits).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import httpx

from connectors.base import PublishRequest
from connectors.bluesky.capabilities import CAPABILITIES, LABEL
from connectors.bluesky.editing import edit_record
from connectors.bluesky.history import NO_APPVIEW, list_history
from connectors.bluesky.records import (
    COLLECTION,
    build_record_key,
    looks_like_session_token,
    parse_account_metrics,
    parse_metrics,
    parse_session,
    read_expiry,
)
from connectors.bluesky.repository import compose_record, find_record, lacks_gates, put_gates, put_record
from connectors.bluesky.responses import explain, parse_identity, parse_profile, parse_views
from connectors.content.batches import split_batches
from connectors.content.capabilities import Capabilities
from connectors.content.handles import read_handle
from connectors.deletion import delete_parts, ignore, list_part_ids
from connectors.editing import list_edited_parts
from connectors.errors import GiveUpError, ReauthenticateError, UnavailableError
from connectors.http.client import BearerAuth
from connectors.http.context import ConnectorContext
from connectors.http.private_networks import check_instance_url
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    EditRequest,
    HistoryPage,
    MetricsBatch,
    Platform,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

DEFAULT_INSTANCE = "https://bsky.social"


class BlueskyConnector:
    """One Bluesky account. Its external id is the DID; a post's external id is its at:// URI."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

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
        """Sign in with an app password, or resolve the owner of a session token; then read the profile."""
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
        identifier = read_handle(Platform.BLUESKY, self.account.handle) or self.account.external_id
        if not identifier or old.app_password is None:
            raise GiveUpError(f"{LABEL} signs in with handle and app password: give the account's handle too")
        body = {"identifier": identifier, "password": old.app_password.get_secret_value()}
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
            if error.status not in NO_APPVIEW:
                raise
            return "", None  # a PDS without an AppView has no display names and no follower counts
        return profile

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """com.atproto.repo.putRecord for each part, under a key that we choose."""
        await self._own_did()
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        key, record = _read_pending(part, progress)
        if record is None:
            record = await compose_record(self._api, self._context, part, progress)
            # The complete record is saved: the server treats only an identical record as a repetition.
            await progress.save(pending={"rkey": key, "record": record})
        sent = await put_record(self._api, self.account, key, record)
        if part.index == 0:
            await put_gates(self._api, self.account, sent, progress.request.content)
        return sent

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Read the record under the key that every attempt uses."""
        await self._own_did()

        async def look(part: Part, progress: Progress) -> SentPart | None:
            key, record = _read_pending(part, progress)
            found = await find_record(self._api, self.account, key, part.text if record else None)
            content = request.content
            if (
                found is not None
                and part.index == 0
                and await lacks_gates(self._api, self.account, found, content)
            ):
                await progress.save(
                    unfinished="the post is published, but the limits on its replies and quotes are not"
                )
                return None  # `publish` writes the same record once more, which changes nothing, and then the gates
            return found

        return await find_parts(request, look)

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:
        """com.atproto.repo.deleteRecord for each part; a record that does not exist is no error."""
        did = await self._own_did()

        async def delete(uri: str) -> None:
            body = {"repo": did, "collection": COLLECTION, "rkey": uri.rpartition("/")[2]}
            await self._api.prepare("POST", "/com.atproto.repo.deleteRecord", ignore, json=body)

        await delete_parts(list_part_ids(external_id, state), delete)

    async def edit(self, request: EditRequest) -> None:
        """com.atproto.repo.putRecord under the same key for each part that changes."""
        await self._own_did()
        for part, uri in list_edited_parts(request, options_everywhere=True):
            await edit_record(self._api, self.account, uri, part, request)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """app.bsky.feed.getPosts, 25 ids per request.

        Missing posts are looked up in the account's own records.
        """
        captured_at = self._context.clock()
        metrics: dict[str, PostMetrics] = {}
        deleted: set[str] = set()
        missing: set[str] = set()
        for uris in split_batches(external_ids, self.capabilities.metrics_batch):
            views = await self._api.read("/app.bsky.feed.getPosts", parse_views, params={"uris": uris})
            metrics |= {
                str(view["uri"]): parse_metrics(view, captured_at) for view in views if view["uri"] in uris
            }
            for uri in uris:
                if uri not in metrics:
                    # The AppView lags behind the records: a post counts as deleted only if its record is
                    # gone.
                    gone = await find_record(self._api, self.account, uri.rpartition("/")[2]) is None
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
        """One page of up to 100 posts with their metrics; without an AppView, records without metrics."""
        captured_at, did = self._context.clock(), await self._own_did()
        return await list_history(self._api, did, since=since, cursor=cursor, captured_at=captured_at)

    async def refresh_token(self) -> Credentials | None:
        """Exchange the refresh token for a new pair; if that fails, sign in with the app password."""
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


def _read_pending(part: Part, progress: Progress) -> tuple[str, dict[str, Any] | None]:
    """Return the record key of a part, and the record that an earlier attempt prepared under it.

    A prepared key is always reused, however it was built: the record may already be published under it.
    """
    pending = progress.extra.get("pending") or {}
    kept = pending.get("rkey")
    if kept is not None and all(sent.id.rpartition("/")[2] != kept for sent in progress.sent):
        return str(kept), dict(pending["record"])
    return build_record_key(progress.request, part), None
