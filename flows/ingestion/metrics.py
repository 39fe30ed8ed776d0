"""Read the metrics of publications whose next snapshot is due: fetch -> lake -> mark in the store.

Any number of runs share the accounts: a run leases some, reads what is due of them, and takes the next.

After a crash between two steps the same publications are read again, without duplicate rows: the lake keeps
one row per publication and time, and only what is in the lake is marked.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from flows.account_runs import serve_shares, utc_now
from flows.errors import OddAnswerError
from flows.ingestion.data_checks import note_findings
from flows.ingestion.lake_rows import publication_dim
from flows.ingestion.placing import Placed, fetch_placed
from flows.run_report import RunReport
from flows.work_sharing import LARGEST_SHARE, share_accounts
from warehouse.store.measuring.events import announce_metrics
from warehouse.store.measuring.export_cursors import list_cursors
from warehouse.store.measuring.measurements import (
    DueAccount,
    list_due_accounts,
    list_due_snapshots,
    put_off_young,
    record_measured,
)
from warehouse.store.measuring.read_budgets import grant_reads
from warehouse.store.publishing.events import announce_deleted
from warehouse.store.schedules.placements import list_client_refs, list_placements

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from flows.resources import Resources
    from flows.work_sharing import SharedAccounts
    from warehouse.lake.rows import PublicationDim
    from warehouse.store.models import AccountRow, Publication

logger = logging.getLogger(__name__)

BATCH = 100
"""Publications per batch: the most that any platform accepts in one request; other connectors split it."""
ROWS_PER_WRITE = 50_000
"""Each commit has a fixed cost (0.4 s of CPU measured), so a run writes few large ones."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One platform response to be written to the lake."""

    captured_at: datetime
    placed: Placed
    done: str | None = None
    """The account of which this is the last: once it is written, another run may have the account."""


async def read_due_metrics(
    resources: Resources,
    pool: ConnectorPool,
    *,
    run_id: str,
    ahead: timedelta = timedelta(0),
    account_ids: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    anew: bool = False,
    dry_run: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> RunReport:
    """Measure what is due now (plus `ahead`, for callers that do not want to wait) and return the report.

    `since` and `until` narrow it to posts published in [since, until); `anew` measures them whether due or not, which
    adds a snapshot and changes none. `dry_run` only counts.

    Raises ConflictError and SetupError if the lake cannot be written; the data is then fetched again by the
    next run.
    """
    report = RunReport(
        "reading metrics", counts={"due": 0, "measured": 0, "snapshots": 0, "deleted": 0, "missing": 0}
    )
    window = _Window(account_ids, since, until, anew)
    if dry_run:
        listed = await asyncio.to_thread(_list_due, resources, clock() + ahead, window)
        report.accounts = len(listed)
        report.add(due=sum(len(account.publications) for account in listed))
        return report
    candidates = await asyncio.to_thread(_list_accounts, resources, clock() + ahead, window)
    if not candidates:
        return report
    # A budget goes to the longest overdue of a share: the larger the shares, the nearer to the longest overdue of all.
    least = LARGEST_SHARE if resources.flows.reads_per_day else resources.flows.fetch_concurrency
    by_account: dict[str, Sequence[Publication]] = {}
    readings: asyncio.Queue[_Reading | None] = asyncio.Queue()

    budget = _Budget(resources, report)

    def load(ids: list[str]) -> list[AccountRow]:
        due = budget.grant(_list_due(resources, clock() + ahead, replace(window, account_ids=ids)), clock())
        report.add(due=sum(len(account.publications) for account in due))
        due = sync_dimensions(resources, due, report) if due else due
        by_account.update({account.account.id: account.publications for account in due})
        return [account.account for account in due]

    async def read(row: AccountRow, connector: Connector) -> None:
        publications = by_account[row.id]
        problems: list[str] = []
        for start in range(0, len(publications), BATCH):
            asked = {
                item.external_id: item for item in publications[start : start + BATCH] if item.external_id
            }
            placed = await fetch_placed(connector, asked, pool.api_version(connector.account.platform))
            readings.put_nowait(_Reading(clock(), placed))
            problems += placed.problems
        if problems:  # write what was read so far
            raise OddAnswerError(problems)

    async def end(row: AccountRow) -> None:
        del by_account[row.id]
        readings.put_nowait(_Reading(clock(), Placed(), done=row.id))

    with share_accounts(
        resources.store, "ingest-metrics", candidates, least=least, report=report
    ) as accounts:
        async with asyncio.TaskGroup() as tasks:
            writing = _write_readings(resources, readings, run_id, report, accounts)
            tasks.create_task(writing, name="lake-writer")
            await serve_shares(
                lambda: accounts.take(load),
                read,
                store=resources.store,
                pool=pool,
                report=report,
                concurrency=resources.flows.fetch_concurrency,
                on_done=end,
                clock=clock,
            )
            readings.put_nowait(None)
    await asyncio.to_thread(note_findings, resources, run_id, report)
    await asyncio.to_thread(_keep_quick, resources, clock())
    return report


def sync_dimensions(resources: Resources, due: Sequence[DueAccount], report: RunReport) -> list[DueAccount]:
    """Write accounts and publications to the lake, because snapshots refer to them.

    Returns `due` without the publications that cannot be written; the report has the reasons.
    """
    from warehouse.lake.dimensions import sync_accounts  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.load import load_publications  # noqa: PLC0415 (same)

    sync_accounts(resources.store, resources.lake)
    with resources.store.read() as session:
        posts = {row.post_id for item in due for row in item.publications}
        placements, client_refs = list_placements(session, posts), list_client_refs(session, posts)
    dims: list[PublicationDim] = []
    kept: list[DueAccount] = []
    for item in due:
        fit: list[Publication] = []
        for row in item.publications:
            try:
                dims.append(publication_dim(row, placements.get(row.post_id), client_refs.get(row.post_id)))
                fit.append(row)
            except (ValueError, TypeError, AttributeError, KeyError) as error:  # a damaged row of the store
                report.failures[f"publication {row.id}"] = f"{type(error).__name__}: {error}"
        if fit:
            kept.append(DueAccount(item.account, tuple(fit)))
    load_publications(resources.lake, dims)
    return kept


def write_readings(
    resources: Resources, readings: Sequence[_Reading], run_id: str, report: RunReport
) -> None:
    """Load into the lake, then mark in the store; each in its own transaction, in this order."""
    from warehouse.lake.dimensions import mark_promoted, sync_marks  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.load import load_post_snapshots  # noqa: PLC0415 (see flows.resources)

    rows = [snapshot for reading in readings for snapshot in reading.placed.snapshots]
    inserted = load_post_snapshots(resources.lake, rows, run_id)
    mark_promoted(resources.lake, [one for reading in readings for one in reading.placed.promoted])
    report.snapshot_id = resources.lake.snapshot_id()
    any_deleted = False
    with resources.store.write() as session:
        for reading in readings:
            placed = reading.placed
            ids = {
                "measured": [publication.id for publication, _metrics in placed.measured],
                "deleted": placed.deleted,
                "missing": placed.missing,
            }
            gone = record_measured(session, reading.captured_at, **ids, ages=resources.flows.ages_by_platform)
            announce_deleted(session, gone, reading.captured_at)
            any_deleted = any_deleted or bool(gone)
            announce_metrics(session, placed.measured, reading.captured_at, snapshot_id=report.snapshot_id)
            report.add(**{outcome: len(found) for outcome, found in ids.items()})
    report.add(snapshots=inserted)
    if any_deleted:  # after the store; the daily timing run does the same for what a crash left out
        sync_marks(resources.store, resources.lake)


async def _write_readings(
    resources: Resources,
    readings: asyncio.Queue[_Reading | None],
    run_id: str,
    report: RunReport,
    accounts: SharedAccounts,
) -> None:
    """Write what arrived during the previous write: few large commits instead of one per account."""
    finished = False
    while not finished:
        batch: list[_Reading] = []
        item = await readings.get()
        while item is not None:
            batch.append(item)
            if readings.empty() or sum(len(reading.placed.snapshots) for reading in batch) >= ROWS_PER_WRITE:
                break
            item = readings.get_nowait()
        finished = item is None
        if read := [reading for reading in batch if reading.done is None]:
            await asyncio.to_thread(write_readings, resources, read, run_id, report)
        if done := [reading.done for reading in batch if reading.done is not None]:
            await asyncio.to_thread(accounts.release_all, done)


def _keep_quick(resources: Resources, now: datetime) -> None:
    from warehouse.lake.maintenance import merge_if_many  # noqa: PLC0415 (see flows.resources)

    with resources.store.read() as session:
        kept = list_cursors(session, now)
    if merge_if_many(resources.lake, now, kept=kept):
        logger.info("merging the lake's small files")


@dataclass(frozen=True, slots=True)
class _Window:
    """What narrows or widens a reading."""

    account_ids: Collection[str] | None
    since: datetime | None
    until: datetime | None
    anew: bool


def _list_accounts(resources: Resources, by: datetime, window: _Window) -> list[str]:
    with resources.store.read() as session:
        return list_due_accounts(
            session,
            by,
            account_ids=window.account_ids,
            since=window.since,
            until=window.until,
            anew=window.anew,
        )


def _list_due(resources: Resources, by: datetime, window: _Window) -> list[DueAccount]:
    own_ages = resources.flows.ages_by_platform
    with resources.store.read() as session:
        due = list_due_snapshots(
            session,
            by,
            # What is not due does not stay due for the next run, so all of it is read at once.
            sys.maxsize if window.anew else resources.flows.snapshots_per_account,
            account_ids=window.account_ids,
            since=window.since,
            until=window.until,
            anew=window.anew,
        )
    if not own_ages or not due or window.anew:
        return due
    with resources.store.write() as session:
        return put_off_young(session, due, by, own_ages)


class _Budget:
    """Grants the reads of a run's shares, and lists in its report what the budgets hold back."""

    def __init__(self, resources: Resources, report: RunReport) -> None:
        self._resources, self._report = resources, report
        self._limits = {str(platform): limit for platform, limit in resources.flows.reads_per_day.items()}
        self._held_back: Counter[str] = Counter()

    def grant(self, due: list[DueAccount], now: datetime) -> list[DueAccount]:
        """Return what the budgets of paid reads allow; the rest stays due."""
        if not self._limits or not due:
            return due
        with self._resources.store.write() as session:
            grant = grant_reads(session, due, self._limits, now)
        tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        for platform, count in grant.held_back.items():
            self._held_back[platform] += count
            reason = (
                f"{self._held_back[platform]} publications wait: the day's {self._limits[platform]} reads "
                "(SOCIALFLOW_READS_PER_DAY) are used up"
            )
            self._report.defer(platform, reason, tomorrow)
            self._report.add(held_back=count)
        return grant.accounts
