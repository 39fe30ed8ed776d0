"""Read the followers of accounts whose reading is due: fetch -> lake -> mark in the store.

Any number of runs share the accounts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flows.account_runs import Slots, serve_shares, utc_now
from flows.errors import OddAnswerError
from flows.ingestion.data_checks import note_findings, note_silence
from flows.ingestion.lake_rows import account_snapshot
from flows.run_report import RunReport
from flows.work_sharing import share_accounts
from warehouse.lake.rows import find_fault
from warehouse.store.measuring.measurements import list_due_followers, record_followers_measured

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime, timedelta

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from flows.resources import Resources
    from warehouse.lake.rows import AccountSnapshot
    from warehouse.store.models import AccountRow


async def read_due_followers(
    resources: Resources,
    pool: ConnectorPool,
    *,
    run_id: str,
    ahead: timedelta | None = None,
    account_ids: Collection[str] | None = None,
    anew: bool = False,
    dry_run: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> RunReport:
    """Read what is due now (plus `ahead`) and return the report. Raises ConflictError, SetupError.

    `anew` reads all accounts, due or not. `dry_run` only counts.
    """
    report = RunReport("reading followers", counts={"snapshots": 0})
    by = clock() + ahead if ahead else clock()
    rows = await asyncio.to_thread(_list_due, resources, by, account_ids, anew=anew)
    if not rows or dry_run:
        report.accounts = len(rows)
        return report
    readings: list[tuple[AccountRow, AccountSnapshot]] = []

    async def read(row: AccountRow, connector: Connector) -> None:
        version = pool.api_version(connector.account.platform)
        snapshot = account_snapshot(row, await connector.fetch_followers(), version)
        if (fault := find_fault(snapshot)) is not None:
            raise OddAnswerError([fault])
        readings.append((row, snapshot))

    with share_accounts(
        resources.store,
        "ingest-followers",
        [row.id for row in rows],
        least=resources.flows.fetch_concurrency,
        report=report,
    ) as accounts:
        await serve_shares(
            lambda: accounts.take(lambda ids: _list_due(resources, by, ids, anew=anew)),
            read,
            store=resources.store,
            pool=pool,
            report=report,
            slots=Slots(resources.flows.fetch_concurrency),
            clock=clock,
        )
        if readings:
            await asyncio.to_thread(_write, resources, readings, run_id, clock(), report)
    await asyncio.to_thread(note_silence, resources, run_id, clock())
    await asyncio.to_thread(note_findings, resources, run_id, report)
    return report


def _list_due(
    resources: Resources, by: datetime, account_ids: Collection[str] | None, *, anew: bool
) -> list[AccountRow]:
    with resources.store.read() as session:
        return list_due_followers(session, by, account_ids=account_ids, anew=anew)


def _write(
    resources: Resources,
    readings: list[tuple[AccountRow, AccountSnapshot]],
    run_id: str,
    now: datetime,
    report: RunReport,
) -> None:
    from warehouse.lake.dimensions import sync_accounts  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.load import load_account_snapshots  # noqa: PLC0415 (same)

    sync_accounts(resources.store, resources.lake)
    snapshots = [snapshot for _row, snapshot in readings]
    report.add(snapshots=load_account_snapshots(resources.lake, snapshots, run_id))
    report.snapshot_id = resources.lake.snapshot_id()
    with resources.store.write() as session:
        ids = [row.id for row, _snapshot in readings]
        record_followers_measured(session, ids, now + resources.flows.followers_interval)
