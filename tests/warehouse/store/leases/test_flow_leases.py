"""One process at a time runs a flow; a dead one's lease expires; how runs ended is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from flows.errors import FlowBusyError, PartlyFailedError
from flows.exclusive_runs import Pace, run_exclusively
from warehouse.store.clock import read_time
from warehouse.store.leases.flow_leases import (
    FlowState,
    end_run,
    expect_flows,
    find_flows_behind,
    list_flow_states,
    renew_lease,
    take_lease,
)

if TYPE_CHECKING:
    from warehouse.store.database import Store

LONG, SHORT = timedelta(hours=1), timedelta(0)


def state(store: Store, name: str = "flow") -> FlowState:
    with store.read() as session:
        return next(row for row in list_flow_states(session) if row.name == name)


def test_the_databases_clock_is_aware_and_moves(any_store: Store) -> None:
    with any_store.write() as session:
        first = read_time(session)
        assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
        assert read_time(session) >= first


def test_a_second_process_learns_who_works(any_store: Store) -> None:
    with any_store.write() as session:
        assert take_lease(session, "flow", owner="a", lease=LONG) is None
    with any_store.write() as session:
        holder = take_lease(session, "flow", owner="b", lease=LONG)
        assert holder is not None
        assert holder.owner == "a"
        assert take_lease(session, "another flow", owner="b", lease=LONG) is None


def test_an_expired_lease_is_taken_over_and_its_old_owner_learns_it(any_store: Store) -> None:
    with any_store.write() as session:
        take_lease(session, "flow", owner="a", lease=SHORT)
    with any_store.write() as session:
        assert take_lease(session, "flow", owner="b", lease=LONG) is None
    with any_store.write() as session:
        assert not renew_lease(session, "flow", owner="a", lease=LONG)
        assert renew_lease(session, "flow", owner="b", lease=LONG)
        end_run(session, "flow", owner="a", outcome="succeeded")
    assert state(any_store).lease_owner == "b"


def test_of_many_at_once_one_gets_the_lease(any_store: Store) -> None:
    def take(owner: str) -> bool:
        with any_store.write() as session:
            return take_lease(session, "flow", owner=owner, lease=LONG) is None

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, map(str, range(16)))) == 1


def test_a_run_gives_its_lease_back_and_keeps_how_it_ended(any_store: Store) -> None:
    with run_exclusively(any_store, "flow"):
        assert state(any_store).lease_owner is not None
        with (
            pytest.raises(FlowBusyError, match=state(any_store).lease_owner or ""),
            run_exclusively(any_store, "flow"),
        ):
            raise AssertionError("never begun")
    good = state(any_store)
    assert good.lease_owner is None
    assert good.last_succeeded_at == good.last_finished_at is not None
    with pytest.raises(ValueError, match="boom"), run_exclusively(any_store, "flow"):
        raise ValueError("boom\0 \ud83d")
    bad = state(any_store)
    assert bad.lease_owner is None
    assert bad.last_failure == "ValueError: boom ?"
    assert (bad.last_succeeded_at, bad.last_finished_at) == (good.last_succeeded_at, good.last_finished_at)


def test_a_partly_failed_run_has_done_its_work_but_is_no_success(any_store: Store) -> None:
    with pytest.raises(PartlyFailedError), run_exclusively(any_store, "flow"):
        raise PartlyFailedError("reading", {"one": "why"}, of=2)
    row = state(any_store)
    assert row.last_succeeded_at is None
    assert row.last_finished_at == row.last_failed_at is not None


def test_a_heartbeat_keeps_the_lease_beyond_its_length(any_store: Store) -> None:
    pace = Pace(heartbeat=timedelta(milliseconds=20), lease=timedelta(seconds=5))
    with run_exclusively(any_store, "flow", pace=pace):
        first = state(any_store).lease_until
        assert first is not None
        renewed = threading.Event()
        while not renewed.wait(0.01):
            until = state(any_store).lease_until
            if until is not None and until > first:
                renewed.set()
    assert not [thread for thread in threading.enumerate() if thread.name == "lease-flow"]


def test_a_flow_is_behind_after_three_periods_without_work(any_store: Store) -> None:
    with any_store.write() as session:
        expect_flows(session, {"flow": timedelta(minutes=5), "other": timedelta(hours=1)})
        now = read_time(session)
    with any_store.read() as session:
        assert find_flows_behind(session, now + timedelta(minutes=14)) == []
        (late,) = find_flows_behind(session, now + timedelta(minutes=16))
    assert (late.name, late.period, late.last_failure) == ("flow", timedelta(minutes=5), None)
    with pytest.raises(ValueError, match="disk"), run_exclusively(any_store, "flow"):
        raise ValueError("the disk is full")
    with any_store.write() as session:
        # A restart sets the schedules up again, and forgives nothing.
        expect_flows(session, {"flow": timedelta(minutes=5)})
        (late,) = find_flows_behind(session, now + timedelta(minutes=16))
    assert late.last_failure == "ValueError: the disk is full"
    with run_exclusively(any_store, "flow"):
        pass
    with any_store.read() as session:
        assert find_flows_behind(session, now + timedelta(minutes=14)) == []
