"""The publisher: claims ahead, sleeps to each publication's own second, sends, and records the proof.

    every second   claim what falls due within the look-ahead -> one asyncio task per publication
    a task         sleep to the second -> commit `sending` -> send -> commit the outcome
    every 5 s      take over from dead publishers, settle what is overdue or unusable, look up what is unknown

Any number of publishers may run; the leases in the store arbitrate. Nothing here knows Prefect.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from connectors.base import PublishRequest
from connectors.errors import ConnectorError, OutcomeUnknownError, ReauthenticateError
from connectors.platforms.registry import warm_up
from flows.delivery import compute_backoff, find_out, send
from flows.publish_report import PublishReport
from flows.publisher_settings import PublisherSettings
from flows.store_writer import StoreWriter
from flows.token_refresh import recover_account
from warehouse.store.accounts import open_account
from warehouse.store.claims import (
    claim_due,
    claim_unknown,
    expire_leases,
    fail_unusable,
    list_taken_ids,
    release_claims,
    renew_leases,
    review_overdue,
    review_unaskable,
)
from warehouse.store.models import AccountRow
from warehouse.store.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from connectors.base import Connector
    from connectors.platforms.registry import ConnectorPool
    from connectors.types import Account
    from warehouse.store.claims import ClaimedPublication
    from warehouse.store.database import Store
    from warehouse.store.outcomes import OutcomeKind

logger = logging.getLogger(__name__)

HOUSEKEEPING = timedelta(seconds=5)
EARLIEST_WAKE = 0.0005
"""Seconds: a sleep shorter than this is not worth a turn of the event loop."""
CREDENTIALS_AGE = timedelta(seconds=5)
"""How old credentials may be when used: another process may have refreshed them."""
TOKEN_RETRY = timedelta(seconds=1)
TAKEN_MARGIN = timedelta(minutes=5)
"""Platforms' clocks and ours differ: other publications this much older than an attempt are excluded too."""


def utc_now() -> datetime:
    """Return the present moment, aware UTC."""
    return datetime.now(UTC)


class Publisher:
    """One publisher with its own lease name. `run` may be called once."""

    def __init__(
        self,
        store: Store,
        pool: ConnectorPool,
        *,
        settings: PublisherSettings,
        max_lateness: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._pool = pool
        self._settings = settings
        self._max_lateness = max_lateness
        self._clock = clock
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:12]}"
        self.report = PublishReport()
        self._writer = StoreWriter(store, owner=self.owner, lease=settings.lease, clock=clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._account_slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.account_concurrency)
        )
        self._connectors: dict[str, tuple[datetime, Connector]] = {}
        self._stopping = asyncio.Event()
        self._warm = False

    def stop(self) -> None:
        """Claim no more; what is being sent is finished, what only waits is given back."""
        self._stopping.set()

    async def run(self, until: datetime) -> PublishReport:
        """Publish what falls due up to `until` (UTC), then return."""
        async with self._writer:
            renewal = asyncio.create_task(self._renew_forever(), name="lease-renewal")
            try:
                await self._loop(until)
                if self._tasks:
                    await asyncio.gather(*self._tasks.values())
            finally:
                renewal.cancel()
                await self._give_back()
        return self.report

    async def _loop(self, until: datetime) -> None:
        next_housekeeping = self._clock()
        while not self._stopping.is_set():
            now = self._clock()
            if now >= next_housekeeping:
                await asyncio.to_thread(self._keep_house, now)
                await self._look_up_unknown(now)
                next_housekeeping = now + HOUSEKEEPING
            await self._claim(now, min(now + self._settings.look_ahead, until))
            now = self._clock()
            if now >= until:
                return
            pause = min(self._settings.poll, until - now).total_seconds()
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
            except TimeoutError:
                continue

    async def _claim(self, now: datetime, horizon: datetime) -> None:
        room = self._settings.claim_limit - len(self._tasks)
        if room <= 0:
            return
        claimed = await asyncio.to_thread(self._claim_in_store, now, horizon, room)
        for publication in claimed:
            self._start(publication, self._send_at_its_second(publication))
        if claimed and not self._warm:
            # Claimed ahead of their time: what the connectors load late is loaded before the first is due.
            self._warm = True
            await asyncio.to_thread(warm_up)

    def _claim_in_store(self, now: datetime, horizon: datetime, room: int) -> list[ClaimedPublication]:
        with self._store.write() as session:
            return claim_due(
                session, owner=self.owner, now=now, horizon=horizon, limit=room, lease=self._settings.lease
            )

    async def _look_up_unknown(self, now: datetime) -> None:
        room = self._settings.concurrency - len(self._tasks)
        if room <= 0:
            return
        for publication in await asyncio.to_thread(self._claim_unknown_in_store, now, room):
            self._start(publication, self._find_out(publication))

    def _claim_unknown_in_store(self, now: datetime, room: int) -> list[ClaimedPublication]:
        with self._store.write() as session:
            return claim_unknown(session, owner=self.owner, now=now, limit=room, lease=self._settings.lease)

    def _keep_house(self, now: datetime) -> None:
        with self._store.write() as session:
            expired = expire_leases(session, now=now)
            self.report.released += expired["released"]
            self.report.overdue += review_overdue(session, now=now, max_lateness=self._max_lateness)
            self.report.unusable += fail_unusable(session, now=now) + review_unaskable(session, now=now)

    def _start(self, publication: ClaimedPublication, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=publication.id)
        self._tasks[publication.id] = task
        task.add_done_callback(lambda _task: self._tasks.pop(publication.id, None))

    async def _send_at_its_second(self, publication: ClaimedPublication) -> None:
        wait = (publication.due_at - self._clock()).total_seconds()
        if wait > EARLIEST_WAKE and await self._stopped_within(wait):
            return  # given back by `run`
        async with self._account_slots[publication.account_id], self._slots:
            if self._stopping.is_set():
                return
            connector = await self._open(publication.account_id)
            granted = await self._writer.begin(publication.id)
            if granted is None:
                logger.info("publication %s may not be sent now, or is no longer ours", publication.id)
                return
            if granted.attempt == 1:
                self.report.lateness.append((self._clock() - publication.scheduled_at).total_seconds())
            request = self._request(publication, granted.first_attempt_at)
            try:
                outcome = await send(
                    connector,
                    request,
                    publication,
                    attempt=granted.attempt,
                    settings=self._settings,
                    clock=self._clock,
                )
            except ReauthenticateError as error:
                outcome = await self._recover(publication, connector, error, "retry")
            await self._record(outcome)

    async def _find_out(self, publication: ClaimedPublication) -> None:
        async with self._account_slots[publication.account_id], self._slots:
            connector = await self._open(publication.account_id)
            first = publication.first_attempt_at or publication.scheduled_at
            taken = await asyncio.to_thread(self._list_taken_ids, publication, first)
            request = self._request(publication, first, taken=taken)
            try:
                outcome = await find_out(
                    connector, request, publication, settings=self._settings, clock=self._clock
                )
            except ReauthenticateError as error:
                outcome = await self._recover(publication, connector, error, "still_unknown")
            await self._record(outcome)

    async def _recover(
        self,
        publication: ClaimedPublication,
        connector: Connector,
        error: ReauthenticateError,
        kind: OutcomeKind,
    ) -> Outcome:
        """The platform refused the token, so nothing was sent: refresh it, or fail with the reason."""
        self._connectors.pop(publication.account_id, None)
        next_at = self._clock() + TOKEN_RETRY
        try:
            recovered = await recover_account(
                self._store, self._pool, connector.account, error, clock=self._clock
            )
        except ConnectorError as refresh_error:
            later = self._clock() + compute_backoff(publication.attempts + 1)
            return Outcome(publication.id, kind, "token_refresh_failed", refresh_error.message, later)
        if recovered:
            return Outcome(publication.id, kind, "token_refreshed", "the access token was renewed", next_at)
        if kind == "retry":
            return Outcome(
                publication.id, "failed", error.code, f"{error.message}; connect the account again"
            )
        return Outcome(
            publication.id, "needs_review", error.code, f"{error.message}: the platform cannot be asked"
        )

    async def _open(self, account_id: str) -> Connector:
        """Return a connector with the account's credentials, at most CREDENTIALS_AGE old."""
        known = self._connectors.get(account_id)
        if known is not None and self._clock() - known[0] < CREDENTIALS_AGE:
            return known[1]
        connector = self._pool.open(await asyncio.to_thread(self._load_account, account_id))
        self._connectors[account_id] = (self._clock(), connector)
        return connector

    def _load_account(self, account_id: str) -> Account:
        with self._store.read() as session:
            return open_account(session.get_one(AccountRow, account_id), self._store.cipher)

    def _list_taken_ids(self, publication: ClaimedPublication, since: datetime) -> frozenset[str]:
        with self._store.read() as session:
            return list_taken_ids(
                session, publication.account_id, since=since - TAKEN_MARGIN, except_id=publication.id
            )

    def _request(
        self, publication: ClaimedPublication, first: datetime, *, taken: frozenset[str] = frozenset()
    ) -> PublishRequest:
        async def save_state(state: Mapping[str, Any]) -> None:
            if not await self._writer.save_state(publication.id, state):
                # The connector must not go on: another publisher owns this publication by now.
                raise OutcomeUnknownError("the lease on this publication was lost while it was being sent")

        return PublishRequest(
            content=publication.content,
            key=publication.id,
            first_attempt_at=first,
            state=publication.send_state,
            save_state=save_state,
            taken=taken,
        )

    async def _record(self, outcome: Outcome) -> None:
        await self._writer.record(outcome)
        self.report.outcomes[outcome.kind] += 1
        if outcome.kind in {"failed", "unknown", "needs_review"}:
            logger.warning("publication %s: %s: %s", outcome.publication_id, outcome.kind, outcome.message)

    async def _renew_forever(self) -> None:
        """Keep the leases of what is under way; a publisher that stops doing so counts as dead."""
        while True:
            await asyncio.sleep(self._settings.lease.total_seconds() / 4)
            if self._tasks:
                await asyncio.to_thread(self._renew, list(self._tasks))

    def _renew(self, ids: list[str]) -> None:
        until = self._clock() + self._settings.look_ahead + self._settings.lease
        with self._store.write() as session:
            held = renew_leases(session, ids, owner=self.owner, until=until)
        if len(held) < len(ids):
            logger.info("%d of %d leases are no longer held", len(ids) - len(held), len(ids))

    async def _give_back(self) -> None:
        """Release what was claimed and never begun, so that another publisher need not wait for the lease."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.to_thread(self._release_all)

    def _release_all(self) -> None:
        with self._store.write() as session:
            release_claims(session, owner=self.owner, now=self._clock())

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


async def run_publisher(
    store: Store,
    pool: ConnectorPool,
    *,
    horizon: timedelta,
    max_lateness: timedelta,
    settings: PublisherSettings | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> PublishReport:
    """Publish what is due now and falls due within `horizon`; zero = only what is due already."""
    publisher = Publisher(
        store, pool, settings=settings or PublisherSettings(), max_lateness=max_lateness, clock=clock
    )
    return await publisher.run(clock() + horizon)
