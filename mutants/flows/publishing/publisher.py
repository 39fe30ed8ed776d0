"""The publisher: claims ahead, sleeps to each publication's own second, sends, and records the proof.

    every second   claim what falls due within the look-ahead -> one asyncio task per publication
    a task         sleep to the second -> commit `sending` -> send -> commit the outcome
    every 5 s      take over from dead publishers, settle what is overdue or unusable, look up what is unknown

Any number of publishers may run; the leases in the store arbitrate. Those that run in shifts end as soon as the
next one is awake. Nothing here knows Prefect.
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

from connectors.registry import warm_up
from flows.publishing.publication_sender import Courier
from flows.publishing.report import PublishReport
from flows.publishing.settings import PublisherSettings
from flows.publishing.store_writer import StoreWriter
from warehouse.store.publishing.claims import claim_due, claim_unknown, release_claims, renew_leases
from warehouse.store.publishing.recovery import expire_leases, fail_unusable, review_overdue, review_unaskable
from warehouse.store.publishing.shifts import begin_shift, end_shift, is_relieved

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from connectors.registry import ConnectorPool
    from warehouse.store.database import Store
    from warehouse.store.publishing.claims import ClaimedPublication
    from warehouse.store.publishing.outcomes import Granted, Outcome

logger = logging.getLogger(__name__)

HOUSEKEEPING = timedelta(seconds=5)
FAILURE_LIMIT = 10
"""Failed turns in a row after which a publisher gives up; the next run tries anew."""
GRACE = timedelta(seconds=8)
"""How long sends under way may take once the publisher is told to end."""
EARLIEST_WAKE = 0.0005
"""Seconds: a sleep shorter than this is not worth a turn of the event loop."""


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
        in_shifts: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._pool = pool
        self._settings = settings
        self._max_lateness = max_lateness
        self._in_shifts = in_shifts
        self._shift: int | None = None
        self._clock = clock
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:12]}"
        self.report = PublishReport()
        self._writer = StoreWriter(store, owner=self.owner, lease=settings.lease, clock=clock)
        self._courier = Courier(store, pool, self._writer, settings=settings, clock=clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._recording: set[str] = set()
        """Publications whose outcome is being committed: nothing of them is on its way to a platform."""
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._account_slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.account_concurrency)
        )
        self._stopping = asyncio.Event()
        self._warm = False

    def stop(self) -> None:
        """Claim no more; what is being sent is finished, what only waits is given back."""
        self._stopping.set()

    async def run(self, until: datetime) -> PublishReport:
        """Publish what falls due up to `until` (UTC), then return; in shifts: until the next publisher is awake.

        Ended from outside, or by a store that cannot be used, it gives sends under way a moment to finish.
        """
        async with self._writer:
            renewal = asyncio.create_task(self._renew_forever(), name="lease-renewal")
            try:
                if self._in_shifts:
                    self._shift = await asyncio.to_thread(self._begin_shift)
                await self._loop(until)
                if self._tasks:
                    await asyncio.wait(self._tasks.values())
            finally:
                self._stopping.set()
                if self._tasks:
                    await asyncio.wait(self._tasks.values(), timeout=GRACE.total_seconds())
                renewal.cancel()
                await self._give_back()
                if self._shift is not None:
                    await asyncio.to_thread(self._end_shift, self._shift)
        return self.report

    async def _loop(self, until: datetime) -> None:
        next_housekeeping = self._clock()
        failures = 0
        while not self._stopping.is_set():
            now = self._clock()
            try:
                if self._shift is not None and await asyncio.to_thread(self._is_relieved, self._shift):
                    return  # what it has claimed it still sends; the next publisher claims the rest
                if now >= next_housekeeping:
                    await asyncio.to_thread(self._keep_house, now)
                    await self._look_up_unknown(now)
                    next_housekeeping = now + HOUSEKEEPING
                await self._claim(now, min(now + self._settings.look_ahead, until))
                failures = 0
            except Exception:
                # A database that restarts must not end the sends under way; one that stays away must show.
                failures += 1
                self.report.errors += 1
                logger.exception("the store could not be asked (%d of %d)", failures, FAILURE_LIMIT)
                if failures >= FAILURE_LIMIT:
                    raise
            now = self._clock()
            if now >= until:
                return
            await self._stopped_within(min(self._settings.poll, until - now).total_seconds())

    def _begin_shift(self) -> int:
        with self._store.write() as session:
            return begin_shift(session, self.owner, self._clock())

    def _is_relieved(self, shift: int) -> bool:
        with self._store.read() as session:
            return is_relieved(session, shift)

    def _end_shift(self, shift: int) -> None:
        with self._store.write() as session:
            end_shift(session, shift)

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
        task.add_done_callback(lambda done: self._finish(publication.id, done))

    def _finish(self, publication_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(publication_id, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        # Its lease runs out, and what was being sent is then looked up: nothing is lost, but the run says so.
        self.report.errors += 1
        logger.error("publication %s: %s", publication_id, error, exc_info=error)

    async def _send_at_its_second(self, publication: ClaimedPublication) -> None:
        wait = (publication.due_at - self._clock()).total_seconds()
        if wait > EARLIEST_WAKE and await self._stopped_within(wait):
            return  # given back by `run`

        def on_leave(granted: Granted) -> None:
            if granted.attempt == 1:
                self.report.lateness.append((self._clock() - publication.scheduled_at).total_seconds())

        async with self._account_slots[publication.account_id], self._slots:
            if self._stopping.is_set():
                return
            outcome = await self._courier.send(publication, on_leave)
            if outcome is not None:
                await self._record(outcome)

    async def _find_out(self, publication: ClaimedPublication) -> None:
        async with self._account_slots[publication.account_id], self._slots:
            await self._record(await self._courier.find_out(publication))

    async def _record(self, outcome: Outcome) -> None:
        self._recording.add(outcome.publication_id)
        try:
            await self._writer.record(outcome)
        finally:
            self._recording.discard(outcome.publication_id)
        self.report.outcomes[outcome.kind] += 1
        if outcome.kind in {"failed", "unknown", "needs_review"}:
            logger.warning("publication %s: %s: %s", outcome.publication_id, outcome.kind, outcome.message)

    async def _renew_forever(self) -> None:
        """Keep the leases of what is under way; a publisher that stops doing so counts as dead."""
        while True:
            await asyncio.sleep(self._settings.lease.total_seconds() / 4)
            ids = list(self._tasks)
            if not ids:
                continue
            held = await asyncio.to_thread(self._renew, ids)
            for publication_id in set(ids) - held:
                task = self._tasks.get(publication_id)
                if task is not None and publication_id not in self._recording:
                    # Another publisher took it over: ours must not reach the platform after theirs has looked.
                    logger.warning(
                        "the lease on publication %s was lost; its send is broken off", publication_id
                    )
                    task.cancel()

    def _renew(self, ids: list[str]) -> set[str]:
        until = self._clock() + self._settings.look_ahead + self._settings.lease
        with self._store.write() as session:
            return renew_leases(session, ids, owner=self.owner, until=until)

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
    in_shifts: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> PublishReport:
    """Publish what is due now and falls due within `horizon`; zero = only what is due already.

    `in_shifts`: end before that, once another publisher has begun a shift.
    """
    publisher = Publisher(
        store,
        pool,
        settings=settings or PublisherSettings(),
        max_lateness=max_lateness,
        in_shifts=in_shifts,
        clock=clock,
    )
    return await publisher.run(clock() + horizon)
