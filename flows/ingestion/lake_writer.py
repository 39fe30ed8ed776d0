"""Write what the accounts of a run gave to the lake, for several accounts in one commit.

All writers of all machines take turns (`warehouse.lake.locks`), and a commit has a fixed cost, whatever its size. So a
run collects for some time between two commits: longer, the longer the last one took, also because it waited for its
turn. Then any number of runs share the lake without spending their time on commits.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from warehouse.errors import ConflictError, SetupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from flows.account_runs import Slots

ROWS_PER_WRITE = 50_000
"""Snapshots from which on a commit does not wait. Twice as many waiting hold back the readers."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 20.0
"""What a killed run read in the last seconds is read again."""
_PATIENCE = 4
"""A run collects this many times as long as its last commit took."""

_FAILURES_BEFORE_ANY_SUCCESS = 3
"""Accounts of a batch that fail alone: the cause is then not one account's data."""

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item]):
    item: Item
    rows: int
    written: asyncio.Future[None] | None = field(default=None)
    """Set if somebody waits for it."""


class LakeWriter(Generic[Item]):
    """Collects items, and writes those that wait with one call of `write`, in a thread; see `open`.

    It writes at once when nothing more is being read (`slots`).
    """

    def __init__(self, write: Callable[[Sequence[Item]], None], slots: Slots) -> None:
        self._write, self._slots = write, slots
        self._waiting: list[_Waiting[Item]] = []
        self._rows = 0
        self._closed = False
        self._changed, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        slots.on_idle = self._changed.set

    @classmethod
    @asynccontextmanager
    async def open(
        cls, write: Callable[[Sequence[Item]], None], slots: Slots
    ) -> AsyncIterator[LakeWriter[Item]]:
        """Yield a writer; at the end of the block, everything is written.

        An error of `write` that nobody waits for cancels the block, and is raised.
        """
        writer = cls(write, slots)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(writer._run(), name="lake-writer")
                yield writer
                writer._close()
        except ExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0] from None

    async def put(self, item: Item, rows: int) -> None:
        """Have an item of so many rows written later; waits if too much is waiting.

        An error of it ends the block of `open`.
        """
        await self._room.wait()
        self._add(_Waiting(item, rows))

    async def save(self, item: Item, rows: int) -> None:
        """Have an item written, and wait until it is; the account's slot is free meanwhile. Raises its error."""
        await self._room.wait()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(_Waiting(item, rows, written))
        async with self._slots.lend():
            await written

    def _close(self) -> None:
        """Let `_run` end once everything is written."""
        self._closed = True
        self._changed.set()

    async def _run(self) -> None:
        """Write until `_close`."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while not (self._closed and not self._waiting):
            if not self._waiting:
                await self._wait(None)
                continue
            ends = loop.time() + pause
            while not self._must_write() and (left := ends - loop.time()) > 0:
                await self._wait(left)
            batch = self._take()
            began = loop.time()
            await self._write_batch(batch)
            pause = min(_PATIENCE * (loop.time() - began), _LONGEST_PAUSE_S)

    def _add(self, waiting: _Waiting[Item]) -> None:
        self._waiting.append(waiting)
        self._rows += waiting.rows
        if self._rows >= 2 * ROWS_PER_WRITE:
            self._room.clear()
        self._changed.set()

    def _must_write(self) -> bool:
        return self._closed or self._rows >= ROWS_PER_WRITE or self._slots.idle

    async def _wait(self, seconds: float | None) -> None:
        """Wait until something may have changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def _take(self) -> list[_Waiting[Item]]:
        batch: list[_Waiting[Item]] = []
        rows = 0
        while self._waiting and rows < ROWS_PER_WRITE:
            batch.append(self._waiting.pop(0))
            rows += batch[-1].rows
        self._rows -= rows
        if self._rows < 2 * ROWS_PER_WRITE:
            self._room.set()
        return batch

    async def _write_batch(self, batch: list[_Waiting[Item]]) -> None:
        error = await self._try(batch)
        if error is None:
            return
        # With these the lake is away for all of them.
        if len(batch) == 1 or isinstance(error, (ConflictError, SetupError)):
            self._fail(batch, error)
            return
        unheard: Exception | None = None  # the first error that nobody waits for
        failed_before = 0
        for place, one in enumerate(batch):  # one account's data must not keep back the others'
            alone = await self._try([one])
            if alone is None:
                continue
            failed_before += 1
            if one.written is None:
                unheard = unheard or alone
            else:
                self._fail([one], alone)
            if failed_before == place + 1 == _FAILURES_BEFORE_ANY_SUCCESS:
                self._fail(batch[place + 1 :], error)
                break
        if unheard is not None:
            raise unheard

    async def _try(self, batch: list[_Waiting[Item]]) -> Exception | None:
        """Write, and tell those that wait; return the error."""
        try:
            await asyncio.to_thread(self._write, [one.item for one in batch])
        except Exception as error:  # noqa: BLE001 (any error of one account's data: it is raised where it belongs)
            return error
        for one in batch:
            if one.written is not None and not one.written.done():
                one.written.set_result(None)
        return None

    def _fail(self, batch: list[_Waiting[Item]], error: Exception) -> None:
        for one in batch:
            if one.written is None:
                raise error
            if not one.written.done():
                one.written.set_exception(error)
