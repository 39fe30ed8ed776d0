"""Commit the changes of requests that arrive at the same time together.

A durable commit costs milliseconds of the disk, however much it holds. While one is on its way, further changes gather
and share the next: nobody waits for others to arrive, and everyone is answered after the commit of their own change.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool

from warehouse.store.posts.idempotency import GroupedWork, answer_together

if TYPE_CHECKING:
    from warehouse.store.database import Store
    from warehouse.store.posts.idempotency import Outcome, StoredAnswer, StoreSession

_MOST = 32
"""Changes per commit: as long as it is not committed, no other change of the store, or of its workspace, is."""


class _Waiting(NamedTuple):
    change: GroupedWork
    outcome: asyncio.Future[Outcome]


class GroupedWrites:
    """For one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queues: dict[str, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer_once(self, change: GroupedWork, workspace_id: str) -> tuple[StoredAnswer, bool]:
        """Like `warehouse.store.posts.idempotency.answer_once`; the work must only read and write the store."""
        # SQLite has one writer anyway. PostgreSQL locks a workspace's accounts: one commit holds those of one only.
        queue = "" if self._store.dialect == "sqlite" else workspace_id
        context, work = copy_context(), change.work

        def work_for_caller(session: StoreSession) -> StoredAnswer:
            return context.run(work, session)  # who acts, and the ids for the log

        waiting = _Waiting(replace(change, work=work_for_caller), asyncio.get_running_loop().create_future())
        if queue in self._queues:
            self._queues[queue].append(waiting)
        else:
            self._queues[queue] = [waiting]
            task = asyncio.create_task(self._drain(queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        outcome = await waiting.outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def finish(self) -> None:
        """Wait for what has been handed in, before the store is closed."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self, queue: str) -> None:
        waiting: list[_Waiting] = []
        try:
            while waiting := _take(self._queues[queue]):
                group = [one.change for one in waiting]
                outcomes = await run_in_threadpool(answer_together, self._store, group)
                for one, outcome in zip(waiting, outcomes, strict=True):
                    if not one.outcome.done():
                        one.outcome.set_result(outcome)
        finally:
            # Nobody is left if all went well. After an error nobody may wait for ever.
            for one in [*waiting, *self._queues.pop(queue)]:
                one.outcome.cancel()


def _take(queue: list[_Waiting]) -> list[_Waiting]:
    """Take the next changes off the queue; of several with the same key, only the first: the others wait for it."""
    taken: list[_Waiting] = []
    keys: set[tuple[str, str, str]] = set()
    left: list[_Waiting] = []
    for one in queue:
        request = one.change.request
        if len(taken) >= _MOST or (request is not None and request.identity in keys):
            left.append(one)
            continue
        taken.append(one)
        if request is not None:
            keys.add(request.identity)
    queue[:] = left
    return taken
