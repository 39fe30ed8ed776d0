"""The store's clock: what counts when the machines' clocks disagree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from warehouse.store.clock import StoreClock, read_file_time, read_time, to_store_clock

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.store.database import Store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Clocks:
    """A process's two clocks and the store's, moved together; the process's own may be set wrong."""

    def __init__(self, *, ahead: float = 0.0, answer_takes: float = 0.0) -> None:
        self.elapsed = 100.0
        self.ahead = ahead
        self.answer_takes = answer_takes

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed + self.ahead)

    def monotonic(self) -> float:
        return self.elapsed

    def reference(self) -> datetime:
        self.elapsed += self.answer_takes / 2
        now = NOON + timedelta(seconds=self.elapsed)
        self.elapsed += self.answer_takes / 2
        return now

    def of(self, store: Store, *, carried_forward: bool) -> StoreClock:
        return StoreClock(
            store,
            wall=self.wall,
            monotonic=self.monotonic,
            reference=self.reference,
            carried_forward=carried_forward,
        )


@pytest.mark.parametrize("carried_forward", [True, False])
@pytest.mark.parametrize("ahead", [0.0, 1.9, -1.9, 2.1, -2.1, 300.0, -7200.0])
def test_a_wrong_clock_is_noticed_and_not_gone_by(
    store: Store, ahead: float, *, carried_forward: bool
) -> None:
    clocks = Clocks(ahead=ahead)
    clock = clocks.of(store, carried_forward=carried_forward)
    clock.sync()
    assert clock.skew == timedelta(seconds=ahead)
    assert clock.is_trusted == (abs(ahead) < 2)
    clocks.elapsed += 30
    # Within the tolerance SQLite goes by the machine's clock: its reference is rounded by the file system.
    error = ahead if abs(ahead) < 2 and not carried_forward else 0.0
    assert clock() == NOON + timedelta(seconds=clocks.elapsed + error)


def test_a_slow_answer_makes_the_comparison_unsure_not_the_clock_wrong(store: Store) -> None:
    slow = Clocks(ahead=5.0, answer_takes=8.0).of(store, carried_forward=True)
    slow.sync()
    assert slow.skew == timedelta(seconds=5)
    assert slow.is_trusted
    quick = Clocks(ahead=5.0, answer_takes=1.0).of(store, carried_forward=True)
    quick.sync()
    assert not quick.is_trusted


def test_a_clock_that_is_set_while_the_process_runs_moves_nothing_before_the_next_look(store: Store) -> None:
    clocks = Clocks()
    clock = clocks.of(store, carried_forward=True)
    clock.sync()
    clocks.ahead = 3600.0
    clocks.elapsed += 1
    assert clock() == NOON + timedelta(seconds=clocks.elapsed)
    clock.sync()
    assert not clock.is_trusted
    clocks.ahead = 0.0
    clock.sync()
    assert clock.is_trusted


def test_this_machine_agrees_with_itself_on_both_databases(any_store: Store) -> None:
    clock = StoreClock(any_store)
    clock.sync()
    assert clock.is_trusted
    assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=2)
    with any_store.read() as session:
        assert abs(read_time(session) - datetime.now(UTC)) < timedelta(seconds=2)


def test_sqlite_is_compared_with_the_file_system(tmp_path: Path, store: Store) -> None:
    ahead = StoreClock(store, wall=lambda: datetime.now(UTC) + timedelta(minutes=5))
    ahead.sync()
    assert not ahead.is_trusted
    assert abs(ahead.skew - timedelta(minutes=5)) < timedelta(seconds=2)
    assert abs(ahead() - datetime.now(UTC)) < timedelta(seconds=2)
    before = set(tmp_path.iterdir())
    read_file_time(tmp_path)
    assert set(tmp_path.iterdir()) == before


def test_an_injected_clock_is_its_own_judge(store: Store) -> None:
    clock = to_store_clock(store, lambda: NOON)
    clock.sync()
    assert (clock(), clock.is_trusted) == (NOON, True)
    assert to_store_clock(store, clock) is clock
