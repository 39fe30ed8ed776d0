"""Runs at once share the accounts: each is read by one of them, and a dead run's accounts by the next."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from flows.errors import FlowBusyError
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.run_results import result_of
from flows.work_sharing import WorkLeases, run_shared
from warehouse.store.leases.flow_leases import list_flow_states
from warehouse.store.leases.work_leases import list_work, take_work

if TYPE_CHECKING:
    from flows.run_report import RunReport
    from tests.flows.conftest import Floor

LEASE = timedelta(minutes=5)
READERS = {
    "backfill-history": read_histories,
    "ingest-metrics": read_due_metrics,
    "ingest-followers": read_due_followers,
}


async def read(floor: Floor, flow: str, **options: Any) -> RunReport:
    reader: Any = READERS[flow]
    return await reader(floor.resources, floor.pool, run_id=flow, clock=floor.clock, **options)


def hold(floor: Floor, flow: str, platform: str, lease: timedelta) -> None:
    with floor.resources.store.write() as session:
        account_id = floor.accounts[platform].id
        assert take_work(session, flow, [account_id], owner="other", lease=lease, limit=1)


async def test_two_runs_at_once_read_each_account_once(floor: Floor) -> None:
    floor.resources.flows = floor.resources.flows.model_copy(update={"fetch_concurrency": 1})
    for flow in READERS:
        if flow == "ingest-metrics":
            floor.clock.now += timedelta(days=9)
        before = floor.world.requests.copy()
        one, two = await asyncio.gather(read(floor, flow), read(floor, flow))
        assert min(one.accounts, two.accounts) >= 1, flow
        done = [name for report in (one, two) for name, how in report.by_account.items() if how == "done"]
        assert len(done) == len(set(done)) == len(floor.accounts), flow
        assert one.failures == two.failures == {}
        assert floor.world.requests != before
    floor.assert_no_doubles()


@pytest.mark.parametrize("flow", READERS)
async def test_another_runs_account_is_left_to_it_until_its_lease_expires(floor: Floor, flow: str) -> None:
    if flow == "ingest-metrics":
        await read(floor, "backfill-history")
        floor.clock.now += timedelta(days=9)
    floor.fault("forbidden", "mastodon", "any", count=None)
    hold(floor, flow, "twitter", LEASE)
    report = await read(floor, flow)
    ids = {name: row.id for name, row in floor.accounts.items()}
    endings = {name.rpartition("(")[2].rstrip(")"): how for name, how in report.by_account.items()}
    # One failing account and one of another run: neither keeps back the other two.
    assert endings == {
        ids["twitter"]: "elsewhere",
        ids["mastodon"]: "failed",
        ids["instagram"]: "done",
        ids["bluesky"]: "done",
    }
    assert report.as_dict()["elsewhere"] == {ids["twitter"]: "another run works on it"}
    result = result_of(flow, report, {}, None)
    assert [result.by_account[name] for name in list(result.by_account)[:2]] != ["done", "done"]
    with floor.resources.store.write() as session:
        assert [row.item for row in list_work(session, flow)] == [ids["twitter"]], "its own are released"
        for row in list_work(session, flow):  # the other run died long ago
            row.lease_until = row.began_at - LEASE
    again = await read(floor, flow)
    assert "elsewhere" not in again.as_dict()
    assert [how for name, how in again.by_account.items() if ids["twitter"] in name] == ["done"]


async def test_a_process_of_this_machine_that_was_killed_is_not_waited_for(floor: Floor) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220 (it ends at once)
    process.wait()
    mine = WorkLeases(floor.resources.store, "x").owner
    machine, _, name = mine.split(":")
    with floor.resources.store.write() as session:
        for owner, platform in (
            (f"{machine}:{process.pid}:{name}", "twitter"),
            (f"{machine}:{os.getppid()}:{name}", "mastodon"),
            (f"elsewhere/1:{process.pid}:{name}", "bluesky"),
        ):
            taken = [floor.accounts[platform].id]
            assert take_work(session, "ingest-followers", taken, owner=owner, lease=LEASE, limit=1)
    report = await read(floor, "ingest-followers")
    elsewhere = {name for name, how in report.by_account.items() if how == "elsewhere"}
    assert elsewhere == {floor.accounts[platform].id for platform in ("mastodon", "bluesky")}


async def test_no_more_runs_at_once_than_the_setting_allows(floor: Floor) -> None:
    store = floor.resources.store
    with run_shared(store, "ingest-metrics", most=2), run_shared(store, "ingest-metrics", most=2):
        with (
            pytest.raises(FlowBusyError, match="already running"),
            run_shared(store, "ingest-metrics", most=2),
        ):
            raise AssertionError
        with run_shared(store, "ingest-followers", most=1):
            pass
    with pytest.raises(ValueError, match="disk"), run_shared(store, "ingest-metrics", most=2):
        raise ValueError("disk")
    with store.read() as session:
        states = {row.name: row for row in list_flow_states(session)}
        assert list_work(session, "ingest-metrics/runs") == []
    assert states["ingest-metrics"].last_failure == "ValueError: disk"
    assert states["ingest-followers"].last_succeeded_at is not None
