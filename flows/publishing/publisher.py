"""The publisher: claims publications ahead, sends each at its scheduled second, and records the outcome.

    every second   claim what falls due within the look-ahead -> one asyncio task per publication
                   check whether another publisher on this machine has died; if so, take over at once
    each task      sleep to the second -> commit `sending` -> send -> commit the outcome
    every 2 s      heartbeat, and compare this process's clock with the store's
                   take over from publishers without a heartbeat, settle overdue and unusable publications

Any number of publishers may run, each for hours; the leases in the store arbitrate. Independent of Prefect.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.logs import log_ids
from connectors.registry import warm_up
from connectors.types import SENT_ELSEWHERE
from flows.publishing.life_lock import LifeLock, make_owner
from flows.publishing.publication_sender import PublicationSender
from flows.publishing.report import PublishReport
from flows.publishing.settings import PublisherSettings
from flows.publishing.store_writer import StoreWriter
from warehouse.store.clock import CLOCK_TOLERANCE, to_store_clock
from warehouse.store.installation import arrive, write_last_beat
from warehouse.store.publishing.claims import (
    claim_due,
    claim_unknown,
    has_work,
    release_claims,
    renew_leases,
)
from warehouse.store.publishing.heartbeats import BEAT, beat, begin_beating, list_running, mark_ended
from warehouse.store.publishing.recovery import (
    expire_leases,
    fail_unusable,
    needs_recovery,
    review_overdue,
    review_unaskable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    from connectors.registry import ConnectorPool
    from warehouse.store.database import Store
    from warehouse.store.publishing.claims import ClaimedPublication
    from warehouse.store.publishing.outcomes import Granted, Outcome

logger = logging.getLogger(__name__)

LIVES = "publishers"
"""Folder in the home with one lock file for each publisher of this machine."""
HOUSEKEEPING = timedelta(seconds=2)
FAILURE_LIMIT = 60
"""Consecutive failed iterations after which a publisher exits, to be restarted."""
GRACE = timedelta(seconds=4)
"""How long sends in progress may take after a stop request: less than the supervisor allows."""
ACCOUNT_PART = 8
"""One claim takes at most this part (1/8) of what a publisher may hold for one account."""
EARLIEST_WAKE = 0.0005
"""Seconds: a sleep shorter than this is skipped."""


class Publisher:
    """One publisher with its own lease name. Call `run` only once."""

    def __init__(
        self,
        store: Store,
        pool: ConnectorPool,
        *,
        settings: PublisherSettings,
        max_lateness: timedelta,
        home: Path | None = None,
        clock: Callable[[], datetime] | None = None,
        on_awake: Callable[[], None] = lambda: None,
    ) -> None:
        """`home`: folder of the locks; without it, only heartbeats show which publishers are alive.

        `on_awake` is called after the first iteration.
        """
        self._store = store
        self._pool = pool
        self._settings = settings
        self._max_lateness = max_lateness
        self._clock = to_store_clock(store, clock)
        self._on_awake = on_awake
        self.owner = make_owner()
        self._life = LifeLock(home / LIVES, self.owner) if home else None
        self.report = PublishReport()
        self._writer = StoreWriter(
            store,
            owner=self.owner,
            lease=settings.lease,
            clock=self._clock,
            on_failure=self._count_error,
        )
        self._sender = PublicationSender(store, pool, self._writer, settings=settings, clock=self._clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._held: Counter[str] = Counter()
        """Publications that this publisher holds, by account."""
        self._account_limit = max(1, settings.claim_limit // ACCOUNT_PART)
        """Most publications of one account in one claim; it is left out of claims while it holds more."""
        self._broken: set[str] = set()
        """Publications whose task failed: those that were not begun are given back."""
        self._recording: set[str] = set()
        """Publications whose outcome is being committed: none of their requests is in progress."""
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._account_slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.account_concurrency)
        )
        self._stopping = asyncio.Event()
        self._next_turn = asyncio.Event()
        """Set to skip the wait before the next iteration: to stop, or to claim more after it was full."""
        self._claimed_to_the_limit = False
        """Whether more may be due: this publisher, or an account in it, held as much as it may."""
        self._awake = False
        self._warm = False
        self._was_trusted = True

    def stop(self) -> None:
        """Stop claiming. Sends in progress are finished; publications that only wait are released."""
        self._stopping.set()
        self._next_turn.set()

    async def run(self, until: datetime) -> PublishReport:
        """Publish everything due up to `until` (UTC), then return.

        When it is cancelled, or the store fails, sends in progress get a short time to finish.
        """
        await asyncio.to_thread(self._begin)
        async with self._writer:
            helpers = [
                asyncio.create_task(self._renew_forever(), name="lease-renewal"),
                asyncio.create_task(self._beat_forever(), name="heartbeat"),
            ]
            try:
                await self._loop(until)
                if self._tasks:
                    await asyncio.wait(self._tasks.values())
            finally:
                self.stop()
                if self._tasks:
                    await asyncio.wait(self._tasks.values(), timeout=GRACE.total_seconds())
                for helper in helpers:
                    helper.cancel()
                await self._end()
        return self.report

    async def _loop(self, until: datetime) -> None:
        next_housekeeping = self._clock()
        failures = 0
        while not self._stopping.is_set():
            now = self._clock()
            self._next_turn.clear()
            try:
                if await self._is_fit():
                    next_housekeeping = await self._take_turn(now, until, next_housekeeping)
                failures = 0
            except Exception:
                # A database restart must not end the sends in progress; a database that stays away must
                # raise.
                failures += 1
                self.report.errors += 1
                logger.exception("the store could not be asked (%d of %d)", failures, FAILURE_LIMIT)
                if failures >= FAILURE_LIMIT:
                    raise
            now = self._clock()
            if now < until:
                await self._pause(min(self._settings.poll, until - now).total_seconds())
            elif self._claimed_to_the_limit:  # more is due than one publisher can hold at once
                await self._pause(self._settings.poll.total_seconds())
            else:
                return

    async def _is_fit(self) -> bool:
        """Return whether this process's clock agrees with the store's; if not, release everything claimed."""
        if self._clock.is_trusted:
            if not self._was_trusted:
                logger.warning(
                    "the clock of this machine agrees with the store's again: publishing continues"
                )
            self._was_trusted = True
            return True
        if self._was_trusted:
            skew = self._clock.skew.total_seconds()
            logger.error(
                "the clock of this machine is %.1f s %s the store's (allowed: %.0f s): this process publishes "
                "nothing until it is set right",
                abs(skew), "ahead of" if skew > 0 else "behind", CLOCK_TOLERANCE.total_seconds(),
            )  # fmt: skip
            self._was_trusted = False
        if self._tasks:
            await asyncio.to_thread(self._release_all)
        return False

    async def _take_turn(self, now: datetime, until: datetime, next_housekeeping: datetime) -> datetime:
        """Run one iteration at `now`; return the time of the next housekeeping."""
        horizon = min(now + self._settings.look_ahead, until)
        if self._broken:
            await asyncio.to_thread(self._release_broken)
        due_for_housekeeping = now >= next_housekeeping
        work = await asyncio.to_thread(self._look, now, horizon, due_for_housekeeping)
        if work:
            await self._claim(now, horizon)
            await self._look_up_unknown(now)
        else:
            self._claimed_to_the_limit = False
        if not self._awake:
            self._awake = True
            self._on_awake()
        if not self._warm and not self._tasks:
            # Import lazily loaded connector modules while nothing is due: it costs a second of CPU.
            self._warm = True
            await asyncio.to_thread(warm_up)
        return now + HOUSEKEEPING if due_for_housekeeping else next_housekeeping

    def _look(self, now: datetime, horizon: datetime, keep_house: bool) -> bool:  # noqa: FBT001 (one caller)
        """Take over from dead publishers, run housekeeping if due; return whether anything can be claimed."""
        with self._store.read() as session:
            running = list_running(session, except_owner=self.owner) if self._life else []
        dead = self._life.find_dead(running) if self._life else []
        with self._store.read() as session:
            untidy = bool(dead) or (
                keep_house and needs_recovery(session, now=now, max_lateness=self._max_lateness)
            )
            work = has_work(session, now=now, horizon=horizon)
        if not untidy:
            return work
        with self._store.write() as session:
            mark_ended(session, dead, now)
            expired = expire_leases(session, now=now)
            self.report.overdue += review_overdue(session, now=now, max_lateness=self._max_lateness)
            self.report.unusable += fail_unusable(session, now=now) + review_unaskable(session, now=now)
        self.report.released += expired["released"]
        if self._life and dead:
            self._life.forget(dead)
            logger.warning("took over from %s: %s", ", ".join(dead), expired)
        return True

    async def _claim(self, now: datetime, horizon: datetime) -> None:
        room = self._settings.claim_limit - len(self._tasks)
        # A backlog of one account must leave room for the others.
        full = [account for account, held in self._held.items() if held > self._account_limit]
        counts: Counter[str] = Counter()
        if room > 0:
            claimed = await asyncio.to_thread(self._claim_in_store, now, horizon, room, full)
            for publication in claimed:
                self._start(publication, self._send_at_its_second(publication))
            room -= len(claimed)
            counts.update(publication.account_id for publication in claimed)
        reached = any(count >= self._account_limit for count in counts.values())
        self._claimed_to_the_limit = room <= 0 or bool(full) or reached

    def _claim_in_store(
        self, now: datetime, horizon: datetime, room: int, full: list[str]
    ) -> list[ClaimedPublication]:
        with self._store.write() as session:
            return claim_due(
                session,
                owner=self.owner,
                now=now,
                horizon=horizon,
                limit=room,
                lease=self._settings.lease,
                account_limit=self._account_limit,
                full=full,
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

    def _start(self, publication: ClaimedPublication, work: Coroutine[Any, Any, None]) -> None:
        # A publisher that was stalled may have lost the lease and claimed the publication again.
        self._break_off({publication.id})
        # The task copies the ids: every line written while this publication is sent has them.
        with log_ids(
            workspace_id=publication.workspace_id,
            account_id=publication.account_id,
            post_id=publication.post_id,
            publication_id=publication.id,
        ):
            task = asyncio.create_task(work, name=publication.id)
        self._tasks[publication.id] = task
        self._held[publication.account_id] += 1
        task.add_done_callback(lambda done: self._finish(publication, done))

    def _finish(self, publication: ClaimedPublication, task: asyncio.Task[None]) -> None:
        publication_id, account_id = publication.id, publication.account_id
        if self._tasks.get(publication_id) is task:
            del self._tasks[publication_id]
        self._held[account_id] -= 1
        left = self._held[account_id]
        if not left:
            del self._held[account_id]
        # Early enough that neither the publisher nor the account runs dry.
        is_low = left == self._account_limit // 2 or len(self._tasks) <= self._settings.claim_limit // 2
        if self._claimed_to_the_limit and is_low:
            self._next_turn.set()
        if task.cancelled() or (error := task.exception()) is None:
            return
        # What was begun is looked up when its lease expires: nothing is lost, but the report counts an error.
        self.report.errors += 1
        self._broken.add(publication_id)
        logger.error("publication %s: %s", publication_id, error, exc_info=error)

    async def _send_at_its_second(self, publication: ClaimedPublication) -> None:
        # Check again after each sleep: the store's clock may have been set back meanwhile.
        while (wait := (publication.due_at - self._clock()).total_seconds()) > EARLIEST_WAKE:
            if await self._stopped_within(wait):
                return  # released by `run`

        def on_leave(granted: Granted) -> None:
            if granted.attempt == 1:
                self.report.lateness.append((self._clock() - publication.scheduled_at).total_seconds())

        async with self._account_slots[publication.account_id], self._slots:
            if self._stopping.is_set():
                return
            outcome = await self._sender.send(publication, on_leave)
            if outcome is not None:
                await self._record(outcome)

    async def _find_out(self, publication: ClaimedPublication) -> None:
        async with self._account_slots[publication.account_id], self._slots:
            await self._record(self._judge_lateness(publication, await self._sender.find_out(publication)))

    def _judge_lateness(self, publication: ClaimedPublication, outcome: Outcome) -> Outcome:
        """Leave to a person what was never sent, neither here nor by another installation, and is too late now."""
        late = self._clock() - publication.scheduled_at > self._max_lateness
        if not late or outcome.kind != "not_found" or SENT_ELSEWHERE not in publication.send_state:
            return outcome
        message = (
            "the platform shows that the installation of which this one is a copy did not send it, and it is too late "
            "now (SOCIALFLOW_MAX_LATENESS): send it now, set a new time, or discard it"
        )
        return replace(outcome, kind="needs_review", code="too_late", message=message, next_at=None)

    async def _record(self, outcome: Outcome) -> None:
        self._recording.add(outcome.publication_id)
        try:
            await self._writer.record(outcome)
        finally:
            self._recording.discard(outcome.publication_id)
        self.report.outcomes[outcome.kind] += 1
        if outcome.kind in {"failed", "unknown", "needs_review"}:
            logger.warning("publication %s: %s: %s", outcome.publication_id, outcome.kind, outcome.message)
        else:
            logger.info("publication %s: %s", outcome.publication_id, outcome.kind)

    async def _renew_forever(self) -> None:
        """Extend the leases of publications in progress; without this, others would take them over."""
        lease = self._settings.lease.total_seconds()
        clock = asyncio.get_running_loop().time
        renewed_at = clock()
        while True:
            await asyncio.sleep(lease / 4)
            ids = list(self._tasks)
            if not ids:
                renewed_at = clock()
                continue
            asked_at = clock()
            try:
                # A locked store answers late or not at all: wait no longer than the leases last.
                async with asyncio.timeout_at(renewed_at + lease):
                    held = await asyncio.to_thread(self._renew, ids)
                renewed_at = asked_at
            except TimeoutError:
                held, renewed_at = set(), clock()
            except Exception:  # the store is unavailable: retry while the leases last
                logger.warning("the leases could not be renewed", exc_info=True)
                continue
            self._break_off(set(ids) - held)

    def _break_off(self, ids: set[str]) -> None:
        """Cancel sends that another publisher takes over: ours must not arrive after its look-up."""
        for publication_id in ids:
            task = self._tasks.get(publication_id)
            if task is not None and publication_id not in self._recording:
                logger.warning("the lease on publication %s was lost; its send is aborted", publication_id)
                task.cancel()

    def _renew(self, ids: list[str]) -> set[str]:
        until = self._clock() + self._settings.look_ahead + self._settings.lease
        with self._store.write() as session:
            return renew_leases(session, ids, owner=self.owner, until=until)

    async def _beat_forever(self) -> None:
        """Write the heartbeat every two seconds; others take over from a publisher without one."""
        while True:
            await asyncio.sleep(BEAT.total_seconds())
            try:
                known = await asyncio.to_thread(self._beat, self.report.as_dict())
            except Exception:  # store unavailable: the main loop counts it and exits
                logger.warning("the heartbeat could not be written", exc_info=True)
                continue
            if not known:
                # Nobody may record this while this process holds its lock. Whatever the reason: send nothing
                # more.
                logger.error("another publisher has noted this one as ended: it stops")
                for task in self._tasks.values():
                    task.cancel()
                self.stop()
                return

    def _begin(self) -> None:
        self._clock.sync()
        if self._life:
            self._life.acquire()
        arrival = arrive(self._store, self._clock())
        if arrival is not None:
            logger.error("%s", arrival.message)
        with self._store.write() as session:
            begin_beating(session, self.owner, self._clock(), clock_skew=self._clock.skew)

    def _beat(self, report: dict[str, Any]) -> bool:
        self._clock.sync()
        now = self._clock()
        with self._store.write() as session:
            known = beat(session, self.owner, now, clock_skew=self._clock.skew, report=report)
            outdated = self._store.is_outdated(session)
        if known:
            write_last_beat(self._store, now)
        if outdated and not self._stopping.is_set():
            # Made for the tables as they were. A new process is the new program, or is refused at its start.
            logger.error(
                "another version updated the store while this publisher ran: it finishes what it sends, and ends"
            )
            self.stop()
        return known

    async def _end(self) -> None:
        """Release claims that were never started and record the end, so that others need not wait."""
        unfinished = list(self._tasks.values())
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
        try:
            await asyncio.to_thread(self._note_end, self.report.as_dict())
        finally:
            if self._life:
                self._life.release()
        if self._life:
            self._life.forget([self.owner])

    def _note_end(self, report: dict[str, Any]) -> None:
        now = self._clock()
        with self._store.write() as session:
            release_claims(session, owner=self.owner, now=now)
            beat(session, self.owner, now, clock_skew=self._clock.skew, report=report)
            mark_ended(session, [self.owner], now)

    def _count_error(self) -> None:
        self.report.errors += 1

    def _release_broken(self) -> None:
        """Give back what was claimed and could not be begun; what was begun keeps its lease."""
        ids = self._broken - set(self._tasks)
        with self._store.write() as session:
            release_claims(
                session,
                owner=self.owner,
                now=self._clock(),
                ids=ids,
                reason="its publisher could not begin to send it",
            )
        self._broken.clear()

    def _release_all(self) -> None:
        with self._store.write() as session:
            release_claims(session, owner=self.owner, now=self._clock())

    async def _stopped_within(self, seconds: float) -> bool:
        return await _is_set_within(self._stopping, seconds)

    async def _pause(self, seconds: float) -> None:
        await _is_set_within(self._next_turn, seconds)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
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
    home: Path | None = None,
    clock: Callable[[], datetime] | None = None,
) -> PublishReport:
    """Publish what is due now and within `horizon`; zero = only what is due already."""
    clock = to_store_clock(store, clock)
    publisher = Publisher(
        store,
        pool,
        settings=settings or PublisherSettings(),
        max_lateness=max_lateness,
        home=home,
        clock=clock,
    )
    return await publisher.run(clock() + horizon)
