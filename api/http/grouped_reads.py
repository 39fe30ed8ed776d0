"""Read for requests that arrive at the same time together: one thread, one transaction, few statements for all.

While one group is being read, further requests gather and are the next: nobody waits for others to arrive. A request
joins a group that has not begun yet, so what it gets is at least as new as the request itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    Read = Callable[[Sequence[Any]], Sequence[Any]]
    """Answers each of several questions, in their order."""

_MOST = 32
"""Questions per group."""
_PATIENCE_S = 0.02
"""After this long those who came later no longer wait for a group: one slow question slows its own group only."""
_MOST_GROUPS = 8
"""Groups of one kind that are read at the same time."""


class _Waiting(NamedTuple):
    question: Any
    answer: asyncio.Future[Any]


class GroupedReads:
    """For one event loop."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, kind: Hashable, read: Read, question: object) -> Any:  # noqa: ANN401 (what `read` returns)
        """Return the answer of `read` to the question, read after this call together with others of its `kind`.

        An error of `read` reaches everyone of the group.
        """
        waiting = _Waiting(question, asyncio.get_running_loop().create_future())
        queue = self._queues.get(kind)
        if queue is not None:
            queue.append(waiting)
        else:
            self._queues[kind] = [waiting]
            self._start(self._drain(kind, read))
        return await waiting.answer

    async def finish(self) -> None:
        """Wait for what is being read, before the store is closed."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Any) -> asyncio.Task[None]:  # noqa: ANN401 (a coroutine)
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _drain(self, kind: Hashable, read: Read) -> None:
        slow: set[asyncio.Task[None]] = set()
        try:
            while queue := self._queues[kind]:
                group, queue[:_MOST] = queue[:_MOST], []
                task = self._start(_answer(group, read))
                await asyncio.wait({task}, timeout=_PATIENCE_S)
                slow = {one for one in (*slow, task) if not one.done()}
                if len(slow) >= _MOST_GROUPS:
                    await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Nobody is left if all went well. After an error nobody may wait for ever.
            for one in self._queues.pop(kind):
                one.answer.cancel()


async def _answer(group: Sequence[_Waiting], read: Read) -> None:
    try:
        answers = await run_in_threadpool(read, [one.question for one in group])
        for one, answer in zip(group, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
    except Exception as error:  # noqa: BLE001 (handed to who asked)
        for one in group:
            if not one.answer.done():
                one.answer.set_exception(error)
    finally:
        for one in group:
            one.answer.cancel()  # no effect on those that have an answer
