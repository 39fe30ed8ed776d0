"""Deliver webhook events from the outbox to their endpoints. Runs in the publisher's process.

    every second, and after each delivery   claim due deliveries, up to the free slots -> one asyncio task each
    each task                               send -> commit the outcome

Any number of deliverers may run; the leases in the store arbitrate. Independent of Prefect.
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
"""Wait after a delivery finishes, so that several share the next claim."""
LOG_EVERY = 60
"""Of consecutive failed iterations, the first and then every n-th are logged."""


def utc_now() -> datetime:
    """Return the current time, aware UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class DeliveryReport:
    """Totals of one run: deliveries by the status after their attempt."""

    attempts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    """Errors of ours or of the store. Affected deliveries are retried once their lease expires."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report for logs and `--json`."""
        return {"attempts": dict(self.attempts), "errors": self.errors}


class WebhookDeliverer:
    """One deliverer with its own lease name. Call `run` only once."""

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
        """Stop claiming; deliveries in progress are finished."""
        self._stopping.set()

    async def run(self) -> DeliveryReport:
        """Deliver due events until `stop`, then let deliveries in progress finish, and return."""
        async with WebhookSender(self._settings, clock=self._clock) as sender:
            try:
                await self._loop(sender)
                if self._tasks:
                    await asyncio.wait(self._tasks)
            finally:
                for task in self._tasks:  # cancelled: the lease expires, and another deliverer retries
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
                # Wait for a database that restarts; the publisher in this process exits if it stays away.
                if failures % LOG_EVERY == 0:
                    logger.exception("the outbox could not be asked (%d times in a row)", failures + 1)
                failures += 1
                self.report.errors += 1
            await self._pause()

    async def deliver_due(self) -> DeliveryReport:
        """Deliver until nothing is due, then return. For manual runs."""
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
        except Exception as error:  # a bug of ours: it counts as a failed attempt, backs off, and is logged
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
        """Wait for the next iteration.

        That is a second, or less when a delivery finishes and makes room for another.
        """
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
    """Deliver events in the background while the block runs.

    When the block ends, deliveries in progress are finished; if the block raises, they are cancelled.
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
