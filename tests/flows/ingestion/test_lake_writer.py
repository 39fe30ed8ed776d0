"""Several accounts share a commit of the lake; an account that waits for it keeps no other from being read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import flows.ingestion.lake_writer
from flows.account_runs import Slots
from flows.ingestion.lake_writer import LakeWriter
from warehouse.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Written:
    """Records the batches; an item `bad` cannot be written, and with `away` none can."""

    def __init__(self, *, away: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.away = away
        self.tries = 0

    def __call__(self, items: Sequence[str]) -> None:
        if self.away:
            raise ConflictError("another process is writing")
        self.tries += 1
        if "bad" in items or "store away" in items:
            raise ValueError("bad")
        self.batches.append(list(items))


async def test_readers_that_wait_for_a_commit_share_it_and_lend_their_slots() -> None:
    written, slots, at_once = Written(), Slots(2), 0

    async def read(name: str) -> None:
        nonlocal at_once
        await slots.acquire()
        at_once += 1
        await writer.save(name, 1)
        slots.release()

    async with LakeWriter[str].open(written, slots) as writer:
        # Five readers, two slots: each lends its own while it waits, so that all five are written in one go.
        await asyncio.gather(*(read(str(number)) for number in range(5)))
    assert at_once == 5
    assert written.batches == [["0", "1", "2", "3", "4"]]
    assert slots.idle


async def test_one_accounts_error_is_its_own_and_a_lake_that_is_away_is_everybodys() -> None:
    async def save_all(written: Written, *names: str) -> list[object]:
        slots = Slots(len(names))
        for _ in names:
            await slots.acquire()
        async with LakeWriter[str].open(written, slots) as writer:
            tasks = (writer.save(name, 1) for name in names)
            return list(await asyncio.gather(*tasks, return_exceptions=True))

    written = Written()
    first, bad, last = await save_all(written, "a", "bad", "b")
    assert (first, last) == (None, None)
    assert isinstance(bad, ValueError)
    assert sorted(written.batches) == [["a"], ["b"]]
    away = await save_all(Written(away=True), "a", "b", "c")
    assert [type(error) for error in away] == [ConflictError] * 3
    store_away = Written()
    lost = await save_all(store_away, *["store away"] * 9)
    assert [type(error) for error in lost] == [ValueError] * 9
    assert store_away.tries == 4, "all at once, then three alone: the rest need not be tried"


async def test_an_error_that_nobody_waits_for_ends_the_block_as_itself() -> None:
    async def read_for_ever() -> None:
        async with LakeWriter[str].open(Written(away=True), Slots(1)) as writer:
            await writer.put("a", 1)
            await asyncio.Event().wait()  # the readers, which the error cancels

    with pytest.raises(ConflictError):
        await read_for_ever()


async def test_an_error_that_nobody_waits_for_keeps_no_other_item_from_being_written() -> None:
    written, slots = Written(), Slots(1)
    await slots.acquire()

    async def read() -> None:
        async with LakeWriter[str].open(written, slots) as writer:
            for name in ("bad", "a", "b"):
                await writer.put(name, 1)

    with pytest.raises(ValueError, match="bad"):
        await read()
    assert written.batches == [["a"], ["b"]]


async def test_too_much_that_waits_is_written_early_and_holds_back_the_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flows.ingestion.lake_writer, "ROWS_PER_WRITE", 10)
    monkeypatch.setattr(flows.ingestion.lake_writer, "_FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(flows.ingestion.lake_writer, "_PATIENCE", 1e9)
    written, slots = Written(), Slots(1)
    await slots.acquire()  # something is being read all the time
    async with LakeWriter[str].open(written, slots) as writer:
        for number in range(8):
            await writer.put(str(number), 5)
    # Ten rows a commit: without the limit, the first would have waited for an hour.
    assert written.batches == [["0", "1"], ["2", "3"], ["4", "5"], ["6", "7"]]
