"""Let requests that wait for the same answer share one computation of it.

A request may use a computation that began after the request arrived: the answer is then at least as new as one
computed for it alone. It never uses one that was already running, unless it knows that nothing has changed since.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

Key = TypeVar("Key", bound="Hashable")
Result = TypeVar("Result")


class Run(Generic[Result]):
    """One computation. `outcome` never raises; its result is None if there is nothing to share."""

    __slots__ = ("mark", "number", "outcome")

    def __init__(self, number: int, mark: int | None) -> None:
        self.number = number
        self.mark = mark
        self.outcome: asyncio.Future[Result | None] = asyncio.get_running_loop().create_future()


class SharedRuns(Generic[Key, Result]):
    """At most one computation per key at a time. For one event loop."""

    def __init__(self) -> None:
        self._running: dict[Key, Run[Result]] = {}
        self._number = 0

    def arrive(self) -> int:
        """Return the number of a request that has just arrived: computations with a higher one began later."""
        self._number += 1
        return self._number

    def find(self, key: Key) -> Run[Result] | None:
        """Return the computation that is running for the key."""
        return self._running.get(key)

    def begin(self, key: Key, mark: int | None = None) -> Run[Result]:
        """Note that the caller begins to compute, from a state with this change mark. Call `end` in any case."""
        run: Run[Result] = Run(self.arrive(), mark)
        self._running[key] = run
        return run

    def end(self, key: Key, run: Run[Result], result: Result | None) -> None:
        """Give the result to everyone who waits for it; None = everyone computes it alone."""
        if self._running.get(key) is run:
            del self._running[key]
        run.outcome.set_result(result)

    async def share(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of a `work` that begins after this call. An error reaches only who ran the work."""
        arrived = self.arrive()
        while (run := self._running.get(key)) is not None:
            # Shielded: a caller that is canceled must not cancel what others wait for.
            result = await asyncio.shield(run.outcome)
            if run.number > arrived:
                return await work() if result is None else result
        run, result = self.begin(key), None
        try:
            result = await work()
        finally:
            self.end(key, run, result)
        return result
