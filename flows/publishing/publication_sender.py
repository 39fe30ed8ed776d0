"""Process one publication: open its account, commit each step around the send, refresh a rejected token."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.base import PublishRequest
from connectors.capabilities import get_capabilities
from connectors.errors import (
    ConnectorError,
    OutcomeUnknownError,
    ReauthenticateError,
    RetryLaterError,
)
from connectors.logs import bind_log_ids
from connectors.parts import split_parts
from connectors.tracing import span
from connectors.types import CLOCK_MARGIN, ApprovedMedia, FittedMedia, Media, Platform
from flows.publishing.attempt import check_media, compute_backoff, find_out, next_look, send
from flows.token_refresh import give_up_token, recover_token
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow
from warehouse.store.publishing.lookups import OtherPublications, read_other_publications
from warehouse.store.publishing.outcomes import Outcome, PartCounts
from warehouse.store.publishing.story import name_parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from connectors.types import Account, PostContent
    from flows.publishing.settings import PublisherSettings
    from flows.publishing.store_writer import StoreWriter
    from warehouse.store.database import Store
    from warehouse.store.publishing.claims import ClaimedPublication
    from warehouse.store.publishing.outcomes import Granted, OutcomeKind

    Act = Callable[[Connector], Awaitable[Outcome]]

logger = logging.getLogger(__name__)

CREDENTIALS_AGE = timedelta(seconds=5)
"""Maximum age of cached credentials: another process may have refreshed them."""
TAKEN_MARGIN = CLOCK_MARGIN + timedelta(minutes=5)
"""Clock difference to the platform: other publications this much older than an attempt are excluded too."""


class PublicationSender:
    """Sends or looks up one publication at a time; keeps one connector per account."""

    def __init__(
        self,
        store: Store,
        pool: ConnectorPool,
        writer: StoreWriter,
        *,
        settings: PublisherSettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._pool = pool
        self._writer = writer
        self._settings = settings
        self._clock = clock
        self._connectors: dict[str, tuple[datetime, Connector]] = {}

    async def send(
        self, publication: ClaimedPublication, on_leave: Callable[[Granted], None]
    ) -> Outcome | None:
        """Commit `sending`, call `on_leave`, send, and return the outcome; None = it must not be sent now."""
        try:
            connector = await self._open(publication.account_id)
        except ConnectorError as error:  # the account's token or address is unusable
            return Outcome(
                publication.id, "failed", error.code, f"{error.message}; connect the account again"
            )
        asked_at = self._clock()
        granted = await self._writer.begin(publication.id)
        if granted is None:
            logger.info("publication %s may not be sent now, or is no longer ours", publication.id)
            return None
        bind_log_ids(attempt=granted.attempt)
        on_leave(granted)
        platform = Platform(publication.platform)
        content = publication.content
        try:
            if content.all_media:  # a thread costs as much as the rest of a text's way through here
                content = await asyncio.to_thread(self._pool.address_uploads, platform, content, convert=True)
        except RetryLaterError as error:  # nothing was sent: our disk failed
            next_at = self._clock() + compute_backoff(granted.attempt)
            return Outcome(publication.id, "retry", "media_not_read", error.message, next_at)
        except ConnectorError as error:  # nothing was sent: the author must act
            return Outcome(publication.id, "failed", error.code, error.message)
        content = _mark_fitting(_pin_media(content, publication.approved_media), platform)
        progress = _SendState(publication, self._writer)
        request = self._request(publication, content, granted.first_attempt_at, progress)

        async def act(opened: Connector) -> Outcome:
            refused = await check_media(
                lambda: self._pool.require_approved_media(
                    Platform(publication.platform), content, publication.approved_media
                ),
                publication,
                attempt=granted.attempt,
                settings=self._settings,
                clock=self._clock,
            )
            if refused is not None:
                return refused
            if self._clock() - asked_at >= self._settings.lease:
                # The machine was suspended in between: another publisher may have taken over and sent it.
                return Outcome(publication.id, "unknown", "lease_lost", "its lease ended before it was sent")
            return await send(
                opened,
                replace(request, state=progress.state),
                publication,
                attempt=granted.attempt,
                settings=self._settings,
                clock=self._clock,
            )

        outcome = await self._with_fresh_token(
            publication,
            connector,
            _trace("publish.attempt", publication, granted.attempt, act),
            again="retry",
            wait=compute_backoff(granted.attempt),
        )
        return _count_parts(publication, progress, outcome, self._clock())

    async def find_out(self, publication: ClaimedPublication) -> Outcome:
        """Look up on the platform whether an unknown publication was published."""
        try:
            connector = await self._open(publication.account_id)
        except ConnectorError as error:
            return _give_up(publication, error, "still_unknown")
        first = publication.first_attempt_at or publication.scheduled_at
        others = await asyncio.to_thread(self._read_others, publication, first)
        progress = _SendState(publication, self._writer)
        try:
            content = self._pool.address_uploads(Platform(publication.platform), publication.content)
        except ConnectorError:  # without a URL the media cannot be sent; a look-up does not need it
            content = publication.content
        request = replace(
            self._request(publication, content, first, progress), taken=others.taken, others=others.open
        )

        async def act(opened: Connector) -> Outcome:
            return await find_out(
                opened,
                replace(request, state=progress.state),
                publication,
                settings=self._settings,
                clock=self._clock,
                others_settling=others.settling,
            )

        waited = self._clock() - (publication.unknown_since or self._clock())
        outcome = await self._with_fresh_token(
            publication,
            connector,
            _trace("publish.lookup", publication, publication.attempts, act),
            again="still_unknown",
            wait=max(compute_backoff(1), next_look(waited)),
        )
        outcome = _count_parts(publication, progress, outcome, self._clock())
        if outcome.code == "token_refresh_failed" and waited > self._settings.unknown_limit:
            return replace(outcome, kind="needs_review", next_at=None)
        if outcome.kind == "not_found":
            return self._send_again(publication, outcome, progress)
        return outcome

    def _send_again(self, publication: ClaimedPublication, outcome: Outcome, progress: _SendState) -> Outcome:
        """Record the parts that are published.

        A publication whose responses keep getting lost waits between attempts.
        """
        if publication.attempts > 1:
            outcome = replace(outcome, next_at=self._clock() + compute_backoff(publication.attempts - 1))
        if unfinished := progress.state.get("unfinished"):
            return replace(outcome, message=f"{unfinished}: sending continues there")
        counts = outcome.parts
        if counts is None or not counts.out:
            return outcome
        out = [str(part.get("permalink") or part["id"]) for part in progress.state["sent_parts"]]
        told = []
        if counts.before:
            known = ", ".join(out[: counts.before])
            told.append(f"{name_parts(1, counts.before)} {_was(counts.before)} out before ({known})")
        if counts.out > counts.before:
            found = ", ".join(out[counts.before :])
            told.append(
                f"{name_parts(counts.before + 1, counts.out)} {_was(counts.out - counts.before)} found ({found})"
            )
        told.append(f"part {counts.out + 1} of {counts.total} is not there: sending continues there")
        return replace(outcome, message=", ".join(told))

    async def _with_fresh_token(
        self,
        publication: ClaimedPublication,
        connector: Connector,
        act: Act,
        *,
        again: OutcomeKind,
        wait: timedelta,
    ) -> Outcome:
        """Run the action; if the token is rejected, refresh it once and run again.

        A second rejection is final, unless the store holds other credentials by then.

        A rejected token proves that nothing was sent with it. `again` and `wait`: the outcome and the delay
        if no new token is available now.
        """
        try:
            return await act(connector)
        except ReauthenticateError as error:
            refused = error
        self._connectors.pop(publication.account_id, None)
        now = self._clock()
        try:
            recovery = await recover_token(
                self._store, self._pool, connector.account, refused, clock=self._clock
            )
        except ConnectorError as error:
            retry_at = error.retry_at if isinstance(error, RetryLaterError) else None
            return Outcome(
                publication.id, again, "token_refresh_failed", error.message, max(retry_at or now, now + wait)
            )
        if recovery == "busy":
            message = "another process is renewing the access token"
            return Outcome(publication.id, again, "token_refreshing", message, now + wait / 5)
        if recovery == "revoked":
            return _give_up(publication, refused, again)
        # Another publication of the account may have opened it with the old token during the refresh.
        self._connectors.pop(publication.account_id, None)
        try:
            connector = await self._open(publication.account_id)
            return await act(connector)
        except ReauthenticateError as error:
            self._connectors.pop(publication.account_id, None)
            if await give_up_token(self._store, connector.account, error, clock=self._clock):
                return _give_up(publication, error, again)
            message = f"{error.message}; the account got another token in the meantime"
            return Outcome(publication.id, again, "token_replaced", message, now + wait)

    async def _open(self, account_id: str) -> Connector:
        """Return a connector with the account's credentials, at most CREDENTIALS_AGE old."""
        known = self._connectors.get(account_id)
        if known is not None and self._clock() - known[0] < CREDENTIALS_AGE:
            return known[1]
        asked_at = self._clock()
        connector = self._pool.open(await asyncio.to_thread(self._load_account, account_id))
        self._connectors[account_id] = (asked_at, connector)
        return connector

    def _load_account(self, account_id: str) -> Account:
        with self._store.read() as session:
            return open_account(session.get_one(AccountRow, account_id), self._store.cipher)

    def _read_others(self, publication: ClaimedPublication, first: datetime) -> OtherPublications:
        with self._store.read() as session:
            return read_other_publications(
                session, publication.account_id, since=first - TAKEN_MARGIN, except_id=publication.id
            )

    def _request(
        self, publication: ClaimedPublication, content: PostContent, first: datetime, progress: _SendState
    ) -> PublishRequest:
        return PublishRequest(
            content=content,
            key=publication.id,
            first_attempt_at=first,
            state=progress.state,
            save_state=progress.save,
            written=publication.content,
        )


def _trace(name: str, publication: ClaimedPublication, attempt: int, act: Act) -> Act:
    """Return the action with a span around each call, which notes the outcome."""

    async def traced(connector: Connector) -> Outcome:
        with span(
            name,
            platform=publication.platform,
            publication_id=publication.id,
            account_id=publication.account_id,
            attempt=attempt,
        ) as current:
            outcome = await act(connector)
            current.note(outcome=outcome.kind, code=outcome.code)
            return outcome

    return traced


def _pin_media(content: PostContent, approved: Mapping[str, str]) -> PostContent:
    """Return the content with the hashes of the approved media, without which nothing else may be sent."""
    if not approved:
        return content
    return content.with_media(
        lambda item: (
            ApprovedMedia(**item.model_dump(), sha256=approved[item.url]) if item.url in approved else item
        )
    )


def _mark_fitting(content: PostContent, platform: Platform) -> PostContent:
    """Return the content with what its pictures may be converted into, if it asks for that."""
    capabilities = get_capabilities(platform)
    if not content.fit or "image" in capabilities.fetches_media:
        return content

    def mark(item: Media) -> Media:
        if item.kind != "image":
            return item
        given = item.model_dump(exclude={"sha256"})
        return FittedMedia(**given, rule=capabilities.fit_rule, sha256=item.approved_sha256)

    return content.with_media(mark)


def _count_parts(
    publication: ClaimedPublication, progress: _SendState, outcome: Outcome, now: datetime
) -> Outcome:
    """Return the outcome with the number of parts that are out, if the publication has several.

    If the next part is to be published later, its time is added: it counts from now, or from when the part before it
    was published, if that was found out by a look-up.
    """
    parts = split_parts(publication.content)
    total = len(parts)
    if total == 1:
        return outcome
    before, known = (
        list(state.get("sent_parts") or ()) for state in (publication.send_state, progress.state)
    )
    out = total if outcome.receipt and not known else len(known)
    outcome = replace(outcome, parts=PartCounts(len(before), out, total))
    if outcome.receipt is None or out >= total:
        return outcome
    last = datetime.fromisoformat(known[-1]["published_at"]) if outcome.kind == "found" else now
    return replace(outcome, rest_at=min(last, now) + (parts[out].after or timedelta(0)))


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


class _SendState:
    """The state saved last for a publication: a second try within one attempt continues from there."""

    def __init__(self, publication: ClaimedPublication, writer: StoreWriter) -> None:
        self.state: Mapping[str, Any] = publication.send_state
        self._publication_id = publication.id
        self._writer = writer

    async def save(self, state: Mapping[str, Any]) -> None:
        """Commit the state. Raises OutcomeUnknownError if another publisher owns the publication by now."""
        if not await self._writer.save_state(self._publication_id, state):
            raise OutcomeUnknownError("the lease on this publication was lost while it was being sent")
        self.state = dict(state)


def _give_up(publication: ClaimedPublication, error: ConnectorError, again: OutcomeKind) -> Outcome:
    """The token is rejected for good: nothing was sent, or nothing can be looked up."""
    if again == "retry":
        return Outcome(publication.id, "failed", error.code, f"{error.message}; connect the account again")
    message = f"{error.message}: the platform cannot be queried. Reconnect the account, check there, then resolve it"
    return Outcome(publication.id, "needs_review", error.code, message)
