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

from flows.account_runs import Slots, serve_shares, utc_now
from flows.errors import OddAnswerError
from flows.ingestion.data_checks import note_findings
from flows.ingestion.lake_rows import publication_dim
from flows.ingestion.lake_writer import LakeWriter
from flows.ingestion.placing import Placed, fetch_placed
from flows.run_report import RunReport
from flows.work_sharing import LARGEST_SHARE, share_accounts
from warehouse.lake.dimensions import account_dims
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
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from flows.resources import Resources
    from warehouse.lake.rows import AccountDim, PublicationDim
    from warehouse.store.models import AccountRow

logger = logging.getLogger(__name__)

BATCH = 100
"""Publications per batch: the most that any platform accepts in one request; other connectors split it."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One platform response to be written to the lake, with what its rows refer to."""

    captured_at: datetime
    placed: Placed
    account: AccountDim | None = None
    publications: Sequence[PublicationDim] = ()
    done: str | None = None
    """The account of which this is the last: once it is written, another run may have the account."""


@dataclass(frozen=True, slots=True)
class DescribedAccount:
    """What is due of an account, and its dimension rows in the lake."""

    due: DueAccount
    account: AccountDim
    publications: Mapping[str, PublicationDim]
    """By id: one for each that is due."""


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
    by_account: dict[str, DescribedAccount] = {}
    slots = Slots(resources.flows.fetch_concurrency)
    budget = _Budget(resources, report)

    def load(ids: list[str]) -> list[AccountRow]:
        due = budget.grant(_list_due(resources, clock() + ahead, replace(window, account_ids=ids)), clock())
        report.add(due=sum(len(account.publications) for account in due))
        described = describe_accounts(resources, due, report) if due else []
        by_account.update({account.account.account_id: account for account in described})
        return [account.due.account for account in described]

    async def read(row: AccountRow, connector: Connector) -> None:
        account = by_account[row.id]
        publications = account.due.publications
        problems: list[str] = []
        for start in range(0, len(publications), BATCH):
            asked = {
                item.external_id: item for item in publications[start : start + BATCH] if item.external_id
            }
            placed = await fetch_placed(connector, asked, pool.api_version(connector.account.platform))
            dims = [account.publications[item.id] for item in asked.values()]
            reading = _Reading(clock(), placed, account.account, dims)
            await writer.put(reading, len(placed.snapshots))
            problems += placed.problems
        if problems:  # write what was read so far
            raise OddAnswerError(problems)

    async def end(row: AccountRow) -> None:
        del by_account[row.id]
        await writer.put(_Reading(clock(), Placed(), done=row.id), 0)

    def write(readings: Sequence[_Reading]) -> None:
        if read := [reading for reading in readings if reading.done is None]:
            write_readings(resources, read, run_id, report)
        accounts.release_all([reading.done for reading in readings if reading.done is not None])

    with share_accounts(
        resources.store, "ingest-metrics", candidates, least=least, report=report
    ) as accounts:
        async with LakeWriter[_Reading].open(write, slots) as writer:
            await serve_shares(
                lambda: accounts.take(load),
                read,
                store=resources.store,
                pool=pool,
                report=report,
                slots=slots,
                on_done=end,
                clock=clock,
            )
    await asyncio.to_thread(note_findings, resources, run_id, report)
    await asyncio.to_thread(_keep_quick, resources, clock())
    return report


def describe_accounts(
    resources: Resources, due: Sequence[DueAccount], report: RunReport
) -> list[DescribedAccount]:
    """Return what is due with its dimension rows, which the lake needs before the snapshots that refer to them.

    Publications that cannot be written to the lake are left out; the report has the reasons.
    """
    with resources.store.read() as session:
        posts = {row.post_id for item in due for row in item.publications}
        placements, client_refs = list_placements(session, posts), list_client_refs(session, posts)
        accounts = {dim.account_id: dim for dim in account_dims(session, [item.account for item in due])}
    described: list[DescribedAccount] = []
    for item in due:
        dims: dict[str, PublicationDim] = {}
        for row in item.publications:
            try:
                dims[row.id] = publication_dim(row, placements.get(row.post_id), client_refs.get(row.post_id))
            except (ValueError, TypeError, AttributeError, KeyError) as error:  # a damaged row of the store
                report.failures[f"publication {row.id}"] = f"{type(error).__name__}: {error}"
        if dims:
            fit = DueAccount(item.account, tuple(row for row in item.publications if row.id in dims))
            described.append(DescribedAccount(fit, accounts[item.account.id], dims))
    return described


def write_readings(
    resources: Resources, readings: Sequence[_Reading], run_id: str, report: RunReport
) -> None:
    """Load into the lake, then mark in the store; each in its own transaction, in this order."""
    from warehouse.lake.dimensions import mark_promoted, sync_marks  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.load import load_readings  # noqa: PLC0415 (see flows.resources)

    inserted = load_readings(
        resources.lake,
        list(
            {reading.account.account_id: reading.account for reading in readings if reading.account}.values()
        ),
        [dim for reading in readings for dim in reading.publications],
        [snapshot for reading in readings for snapshot in reading.placed.snapshots],
        run_id,
    )
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
