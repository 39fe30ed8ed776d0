"""Group commit: the steps of many publications in one transaction.

Each step of a publication must be durable before its task continues, but 1,000 posts due in the same second
must not cost 2,000 disk flushes. Steps that arrive during a commit share the next one.

A step that the store refuses (it restarts, its disk is full) is tried again for half a lease, which its publisher keeps
renewing: a post must not wait for the end of a lease because the store was away for a moment, and what a platform
answered must not be forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from warehouse.store.publishing.outcomes import (
    Granted,
    Outcome,
    begin_sending,
    record_outcomes,
    save_send_states,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from warehouse.store.database import Store

BATCH = 200
TRY_AGAIN_SECONDS = 1.0
MOST_ALONE = 2
"""Consecutive steps that fail alone after their batch did: then it is the store that fails, and the rest waits."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Begin:
    publication_id: str
    done: asyncio.Future[Granted | None]
    give_up_at: float | None = None


@dataclass(slots=True)
class _SaveState:
    publication_id: str
    state: Mapping[str, Any]
    done: asyncio.Future[bool]
    give_up_at: float | None = None


@dataclass(slots=True)
class _Record:
    outcome: Outcome
    done: asyncio.Future[str]
    give_up_at: float | None = None


_Step = _Begin | _SaveState | _Record


class StoreWriter:
    """Commits the steps of one publisher. Use as an async context manager; exiting commits pending steps."""

    def __init__(
        self,
        store: Store,
        *,
        owner: str,
        lease: timedelta,
        clock: Callable[[], datetime],
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_failure` is called for each commit that failed."""
        self._store = store
        self._on_failure = on_failure
        self._owner = owner
        self._lease = lease
        self._clock = clock
        self._waiting: asyncio.Queue[_Step | None] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work(), name="store-writer")
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._waiting.put_nowait(None)
        if self._worker is not None:
            await self._worker

    async def begin(self, publication_id: str) -> Granted | None:
        """Commit `sending`; None = the claim is no longer ours, so nothing may be sent."""
        step = _Begin(publication_id, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(step)
        return await step.done

    async def save_state(self, publication_id: str, state: Mapping[str, Any]) -> bool:
        """Commit a connector's state; False = the lease is no longer ours."""
        step = _SaveState(publication_id, state, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(step)
        return await step.done

    async def record(self, outcome: Outcome) -> str:
        """Commit an outcome and return the publication's resulting status."""
        step = _Record(outcome, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(step)
        return await step.done

    async def _work(self) -> None:
        ended = False
        while not ended:
            steps = [await self._waiting.get()]
            while len(steps) < BATCH and not self._waiting.empty():
                steps.append(self._waiting.get_nowait())
            ended = None in steps
            # A send that was broken off before it began must not be marked as begun.
            batch = [
                step
                for step in steps
                if step is not None and not (isinstance(step, _Begin) and step.done.cancelled())
            ]
            # A transaction never holds two steps of one publication: its task awaits the first before the
            # next.
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[_Step]) -> None:
        if await self._try_to_commit(batch, retry=len(batch) == 1):
            return
        if len(batch) == 1:
            return
        # One invalid step must not fail the others in the batch: commit each alone.
        failed = 0
        for number, step in enumerate(batch):
            failed = 0 if await self._try_to_commit([step], retry=True) else failed + 1
            if failed >= MOST_ALONE:
                for left in batch[number + 1 :]:
                    self._try_later(left, None)
                return

    async def _try_to_commit(self, batch: list[_Step], *, retry: bool) -> bool:
        try:
            answers = await asyncio.to_thread(self._write, batch)
        except Exception as error:  # noqa: BLE001 (tried again, then every waiting caller gets it)
            self._on_failure()
            if retry:
                self._try_later(batch[0], error)
            return False
        for step, answer in zip(batch, answers, strict=True):
            if not step.done.cancelled():
                step.done.set_result(answer)
        return True

    def _try_later(self, step: _Step, error: Exception | None) -> None:
        """Queue a step again, or fail it if it was tried for too long; without an error it was not tried itself."""
        loop = asyncio.get_running_loop()
        if step.give_up_at is None:
            step.give_up_at = loop.time() + self._lease.total_seconds() / 2
            if error is not None:
                logger.warning("publication %s: the store refuses a step: %s", _name(step), error)
        if error is not None and loop.time() >= step.give_up_at:
            if not step.done.cancelled():
                step.done.set_exception(error)
            return
        loop.call_later(TRY_AGAIN_SECONDS, self._waiting.put_nowait, step)

    def _write(self, batch: list[_Step]) -> list[Any]:
        now = self._clock()
        begins = [step.publication_id for step in batch if isinstance(step, _Begin)]
        states = {step.publication_id: step.state for step in batch if isinstance(step, _SaveState)}
        outcomes = [step.outcome for step in batch if isinstance(step, _Record)]
        with self._store.write() as session:
            granted = (
                begin_sending(session, begins, owner=self._owner, now=now, lease_until=now + self._lease)
                if begins
                else {}
            )
            held = save_send_states(session, states, owner=self._owner, now=now) if states else set()
            statuses = record_outcomes(session, outcomes, owner=self._owner, now=now) if outcomes else {}
        answers: list[Any] = []
        for step in batch:
            if isinstance(step, _Begin):
                answers.append(granted.get(step.publication_id))
            elif isinstance(step, _SaveState):
                answers.append(step.publication_id in held)
            else:
                answers.append(statuses[step.outcome.publication_id])
        return answers


def _name(step: _Step) -> str:
    return step.outcome.publication_id if isinstance(step, _Record) else step.publication_id
