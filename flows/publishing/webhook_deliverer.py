"""Brings events from the outbox to those who asked for them. Runs beside the publisher, in its process.

    every second, and whenever one is done   what is due and has room -> claim -> one asyncio task each
    a task                                   send -> commit what came of it

Any number of deliverers may run; the leases in the store arbitrate. Nothing here knows Prefect.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from connectors.webhooks.sender import WebhookSender
from warehouse.store.webhooks.deliveries import Attempt, claim_deliveries, find_due, record_attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from connectors.webhooks.settings import WebhookSettings
    from warehouse.store.database import Store
    from warehouse.store.webhooks.deliveries import ClaimedDelivery

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
GATHER_SECONDS = 0.02
"""After one is done: how long to wait for others, so that they share a claim."""
LOG_EVERY = 60
"""Of failed turns in a row, the first and then every so many are logged."""


def utc_now() -> datetime:
    """Return the present moment, aware UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class DeliveryReport:
    """What one run did: deliveries by the status that their attempt led to."""

    attempts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    """Faults of ours or of the store; what they touched is sent again once its lease has run out."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report for logs and `--json`."""
        return {"attempts": dict(self.attempts), "errors": self.errors}


class WebhookDeliverer:
    """One deliverer with its own lease name. `run` may be called once."""

    def __init__(
        self, store: Store, settings: WebhookSettings, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:12]}"
        self.report = DeliveryReport()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take up no more; what is under way is brought to its end."""
        self._stopping.set()

    async def run(self) -> DeliveryReport:
        """Deliver what falls due until `stop`, then let what is under way end, and return."""
        async with WebhookSender(self._settings, clock=self._clock) as sender:
            try:
                await self._loop(sender)
                if self._tasks:
                    await asyncio.wait(self._tasks)
            finally:
                for task in self._tasks:  # ended from outside: the lease runs out, and another sends it again
                    task.cancel()
        return self.report

    async def _loop(self, sender: WebhookSender) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                for claimed in await asyncio.to_thread(self._claim, self._clock()):
                    self._start(sender, claimed)
                failures = 0
            except Exception:
                # A database that restarts is waited for; the publisher beside it ends if it stays away.
                if failures % LOG_EVERY == 0:
                    logger.exception("the outbox could not be asked (%d times in a row)", failures + 1)
                failures += 1
                self.report.errors += 1
            await self._pause()

    async def deliver_due(self) -> DeliveryReport:
        """Deliver until nothing is due any more, then return: for whoever asks for it by hand."""
        async with WebhookSender(self._settings, clock=self._clock) as sender:
            while claimed := await asyncio.to_thread(self._claim, self._clock()):
                for one in claimed:
                    self._start(sender, one)
                await asyncio.wait(self._tasks)
        return self.report

    def _claim(self, now: datetime) -> list[ClaimedDelivery]:
        room = self._settings.concurrency - len(self._tasks)
        if room <= 0:
            return []
        with self._store.read() as session:
            ids = find_due(session, now, room)
        if not ids:
            return []
        with self._store.write() as session:
            return claim_deliveries(
                session, self._store.cipher, ids, owner=self.owner, now=now, lease=self._settings.lease
            )

    def _start(self, sender: WebhookSender, claimed: ClaimedDelivery) -> None:
        task = asyncio.create_task(self._deliver(sender, claimed), name=claimed.id)
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report.errors += 1
            logger.error("webhook delivery %s: %s", task.get_name(), error, exc_info=error)

    async def _deliver(self, sender: WebhookSender, claimed: ClaimedDelivery) -> None:
        attempt = await self._attempt(sender, claimed)
        status = await asyncio.to_thread(self._record, claimed, attempt)
        self.report.attempts[status or "deleted"] += 1
        if not attempt.delivered:
            logger.warning(
                "webhook %s, delivery %s: %s",
                claimed.endpoint_id,
                claimed.id,
                attempt.error or attempt.status,
            )

    async def _attempt(self, sender: WebhookSender, claimed: ClaimedDelivery) -> Attempt:
        at = self._clock()
        if claimed.fault is not None:
            return Attempt(at=at, milliseconds=0, error=claimed.fault)
        try:
            answer = await sender.send(
                claimed.url, event_id=claimed.event_id, body=claimed.body, secrets=claimed.secrets
            )
        except Exception as error:  # a fault of ours: as a failed attempt it backs off, and shows in the log
            self.report.errors += 1
            logger.exception("webhook delivery %s", claimed.id)
            return Attempt(at=at, milliseconds=0, error=f"unexpected {type(error).__name__}")
        return Attempt(
            at=at,
            milliseconds=answer.milliseconds,
            status=answer.status,
            error=answer.error,
            response=answer.body,
            retry_at=answer.retry_at,
        )

    def _record(self, claimed: ClaimedDelivery, attempt: Attempt) -> str | None:
        with self._store.write() as session:
            return record_attempt(session, claimed, attempt, owner=self.owner, now=self._clock())

    async def _pause(self) -> None:
        """Wait for the next turn: a second, or less when a delivery is done and may make room for another."""
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(
                {stopped, *self._tasks}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if self._tasks and not stopped.done():
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            stopped.cancel()


@asynccontextmanager
async def deliver_beside(
    store: Store, settings: WebhookSettings, *, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[WebhookDeliverer]:
    """Deliver events while the block does its own work, which waits for none of it.

    At the block's end what is under way is brought to its own; a block that fails ends it at once.
    """
    deliverer = WebhookDeliverer(store, settings, clock=clock)
    task = asyncio.create_task(deliverer.run(), name="webhook-deliverer")
    try:
        yield deliverer
        deliverer.stop()
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])
