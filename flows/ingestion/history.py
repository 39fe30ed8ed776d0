"""Read an account's history, newest first; can stop anywhere and continues where it stopped.

A batch of pages is marked in the store once its posts and their metrics are saved: after a crash the same
batch is read again, and its posts and metrics that already exist are not duplicated.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from connectors.errors import GiveUpError, RateLimitedError
from connectors.types import MetricsBatch, Platform
from flows.account_runs import Slots, name_account, serve_shares, utc_now
from flows.errors import OddAnswerError
from flows.ingestion.data_checks import note_findings
from flows.ingestion.lake_rows import publication_dim
from flows.ingestion.lake_writer import LakeWriter
from flows.ingestion.placing import Placed, fetch_placed, find_readable_posts, place_batch
from flows.run_report import RunReport
from flows.work_sharing import share_accounts
from warehouse.lake.dimensions import account_dims
from warehouse.store.accounts.identity import any_marked
from warehouse.store.measuring.backfills import (
    begin_backfill,
    finish_backfill,
    list_accounts_to_backfill,
    save_backfill_place,
)
from warehouse.store.measuring.events import announce_metrics
from warehouse.store.measuring.measurements import list_publications_by_external_id, record_measured
from warehouse.store.measuring.read_budgets import count_reads, note_reads
from warehouse.store.posts.external_posts import record_external_posts
from warehouse.store.publishing.events import announce_deleted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from connectors.types import HistoryPage, ListedPost
    from flows.resources import Resources
    from warehouse.store.database import Session
    from warehouse.store.models import AccountRow, Publication

    Progress = Callable[[str, int], None]

logger = logging.getLogger(__name__)

STRETCH = 500
"""Posts per batch: what is read again after a crash."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A batch of pages of an account's history, and the cursor of the next one (None = the end)."""

    posts: Sequence[ListedPost]
    next_cursor: str | None
    odd: Sequence[str] = ()
    """Items that the platform listed and that could not be read."""


@dataclass(slots=True)
class _Batch:
    """A batch to be written to the lake, and then what came of it."""

    account: AccountRow
    posts: Sequence[ListedPost]
    publications: Mapping[str, Publication]
    """By external id."""
    placed: Placed
    now: datetime
    marks: Callable[[Session], None] | None = None
    """Marks in the store how far the history is read, in the transaction that marks what was measured."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is new in a batch."""

    new_posts: int
    problems: Sequence[str] = ()


async def read_histories(
    resources: Resources,
    pool: ConnectorPool,
    *,
    run_id: str,
    account_ids: Collection[str] | None = None,
    days: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    anew: bool = False,
    dry_run: bool = False,
    on_posts: Progress = lambda _account, _posts: None,
    clock: Callable[[], datetime] = utc_now,
) -> RunReport:
    """Read the histories that are unread, incomplete or a day old; with `account_ids`, always these.

    `days`: how far back a first reading goes (default: the setting). `anew`: start again from there. With `since` or
    `until`, only posts published in [since, until) are read, and where the usual reading continues stays as it is.
    `dry_run` only counts the accounts.
    `on_posts` is called with the account's name and the number of posts read. Raises ConflictError,
    SetupError.
    """
    report = RunReport("reading history", counts={"posts": 0, "new_posts": 0, "snapshots": 0})
    slots = Slots(resources.flows.fetch_concurrency)
    always = anew or since is not None or until is not None or account_ids is not None
    rows = await asyncio.to_thread(_list_accounts, resources, clock(), account_ids, always=always)
    if not rows or dry_run:
        report.accounts = len(rows)
        return report
    await asyncio.to_thread(_merge_doubles, resources, clock())
    windowed = since is not None or until is not None
    first = since or clock() - timedelta(days=days or resources.flows.backfill_days)

    async def read(row: AccountRow, connector: Connector) -> None:
        if windowed:  # a detached copy: the store keeps its own place
            row.backfill_since, row.backfill_cursor = first, None
        else:
            row = await asyncio.to_thread(_begin, resources, row.id, first, anew=anew, now=clock())
        problems: list[str] = []
        async for stretch in _read_stretches(resources, row, connector, clock):
            on_posts(name_account(row), len(stretch.posts))
            version = pool.api_version(connector.account.platform)
            problems += stretch.odd
            posts = find_readable_posts(stretch.posts, problems)
            if windowed:
                posts = [
                    post
                    for post in posts
                    if post.published_at >= first and (until is None or post.published_at < until)
                ]
            kept = await _keep(
                resources,
                writer,
                row,
                connector,
                posts,
                marks=None if windowed else partial(_note, row.id, stretch, clock()),
                api_version=version,
                clock=clock,
            )
            problems += kept.problems
            report.add(posts=len(stretch.posts), new_posts=kept.new_posts)
        if problems:  # everything else of the history is saved, and it is not read again for a day
            raise OddAnswerError(problems)

    with share_accounts(
        resources.store,
        "backfill-history",
        [row.id for row in rows],
        least=resources.flows.fetch_concurrency,
        report=report,
    ) as accounts:
        async with LakeWriter[_Batch].open(
            lambda batches: _write(resources, batches, run_id, report), slots
        ) as writer:
            await serve_shares(
                lambda: accounts.take(lambda ids: _list_accounts(resources, clock(), ids, always=always)),
                read,
                store=resources.store,
                pool=pool,
                report=report,
                slots=slots,
                on_done=accounts.release,
                clock=clock,
            )
    await asyncio.to_thread(note_findings, resources, run_id, report)
    return report


async def _read_stretches(
    resources: Resources, row: AccountRow, connector: Connector, clock: Callable[[], datetime]
) -> AsyncIterator[_Stretch]:
    """Yield the history from the saved cursor on, a few hundred posts at a time.

    Raises GiveUpError if the platform's list repeats itself.
    """
    cursor = row.backfill_cursor
    posts: list[ListedPost] = []
    odd: list[str] = []
    while True:
        await asyncio.to_thread(_await_budget, resources, row.platform, len(posts), clock())
        page, used = await _fetch_page(resources, row, connector, cursor)
        posts += page.posts
        odd += page.odd
        if page.next_cursor is not None and page.next_cursor == used:
            raise GiveUpError("the platform repeats the same page of its list: reading stopped there")
        if page.next_cursor is None or len(posts) >= STRETCH:
            yield _Stretch(posts, page.next_cursor, odd)
            posts, odd = [], []
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


async def _fetch_page(
    resources: Resources, row: AccountRow, connector: Connector, cursor: str | None
) -> tuple[HistoryPage, str | None]:
    """Return the page at `cursor`; if the platform no longer knows a saved cursor, the first page."""
    since = row.backfill_since
    if since is None:
        raise ValueError(f"the backfill of {row.id} was not started")
    try:
        return await connector.list_publications(since=since, cursor=cursor), cursor
    except GiveUpError:
        if cursor is None or cursor != row.backfill_cursor:
            raise
        logger.info("%s: the saved cursor of its history is no longer valid; reading from the start", row.id)
        await asyncio.to_thread(_forget_place, resources, row.id)
        return await connector.list_publications(since=since, cursor=None), None


async def _keep(
    resources: Resources,
    writer: LakeWriter[_Batch],
    row: AccountRow,
    connector: Connector,
    posts: Sequence[ListedPost],
    *,
    marks: Callable[..., None] | None,
    api_version: str | None,
    clock: Callable[[], datetime],
) -> _Kept:
    """Store a batch's posts, read the metrics that the list does not have, and wait until the lake has both."""
    new_posts, placed = 0, Placed()
    publications: dict[str, Publication] = {}
    if posts:
        new_posts, publications = await asyncio.to_thread(_record_posts, resources, row, posts, clock())
        listed = tuple(post.metrics for post in posts if post.metrics is not None)
        asked = {
            metrics.external_id: publications[metrics.external_id]
            for metrics in listed
            if metrics.external_id in publications
        }
        placed = place_batch(asked, MetricsBatch(listed), api_version)
        unlisted = {key: row for key, row in publications.items() if key not in asked}
        if unlisted:
            placed.add(await fetch_placed(connector, unlisted, api_version))
    elif marks is None:
        return _Kept(0)
    batch = _Batch(row, posts, publications, placed, clock(), marks and partial(marks, new_posts=new_posts))
    await writer.save(batch, len(placed.snapshots))
    return _Kept(new_posts, placed.problems)


def _await_budget(resources: Resources, platform: str, unnoted: int, now: datetime) -> None:
    """Raise RateLimitedError if the day's paid reads are used up; the next run continues from there."""
    limit = resources.flows.reads_per_day.get(Platform(platform))
    if limit is None:
        return
    with resources.store.read() as session:
        used = count_reads(session, platform, now) + unnoted
    if used >= limit:
        tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        raise RateLimitedError(
            f"the day's {limit} reads (SOCIALFLOW_READS_PER_DAY) are used up", retry_at=tomorrow
        )


def _record_posts(
    resources: Resources, row: AccountRow, posts: Sequence[ListedPost], now: datetime
) -> tuple[int, dict[str, Publication]]:
    with resources.store.write() as session:
        # Due at once: if this process dies before the metrics are in the lake, the next ingest run reads
        # them.
        recorded = record_external_posts(session, row, posts, now, next_snapshot_at=lambda _published: now)
        known = list_publications_by_external_id(session, row.id, recorded.publication_ids)
        if row.platform in resources.flows.reads_per_day:
            note_reads(session, row.platform, list(known.values()), now)
    return recorded.inserted, known


def _write(resources: Resources, batches: Sequence[_Batch], run_id: str, report: RunReport) -> None:
    """Load batches of several accounts into the lake in one commit, then mark them in the store in one transaction."""
    from warehouse.lake.dimensions import mark_promoted  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.load import load_readings  # noqa: PLC0415 (same)

    full = [batch for batch in batches if batch.publications]
    with resources.store.read() as session:
        accounts = account_dims(session, {batch.account.id: batch.account for batch in full}.values())
    dims = []
    for batch in full:
        listed = {post.external_id: post for post in batch.posts}
        dims += [publication_dim(item, listed=listed.get(key)) for key, item in batch.publications.items()]
    snapshots = [snapshot for batch in full for snapshot in batch.placed.snapshots]
    inserted = load_readings(resources.lake, accounts, dims, snapshots, run_id)
    mark_promoted(resources.lake, [one for batch in full for one in batch.placed.promoted])
    if full:
        report.snapshot_id = resources.lake.snapshot_id()
    with resources.store.write() as session:
        for batch in batches:
            gone = record_measured(
                session,
                batch.now,
                measured=[item.publication_id for item in batch.placed.snapshots],
                deleted=batch.placed.deleted,
                missing=batch.placed.missing,
                ages=resources.flows.ages_by_platform,
            )
            announce_deleted(session, gone, batch.now)
            if batch.placed.measured:
                announce_metrics(session, batch.placed.measured, batch.now, snapshot_id=report.snapshot_id)
            if batch.marks is not None:
                batch.marks(session)
    report.add(snapshots=inserted)


def _merge_doubles(resources: Resources, now: datetime) -> None:
    """Give the posts of an imported history to its account, which was connected later."""
    with resources.store.read() as session:
        doubles = any_marked(session)
    if doubles:
        from warehouse.lake.import_.accounts import merge_marked_accounts  # noqa: PLC0415 (see flows.resources)

        merge_marked_accounts(resources.store, resources.lake, now)


def _list_accounts(
    resources: Resources, now: datetime, account_ids: Collection[str] | None, *, always: bool
) -> list[AccountRow]:
    with resources.store.read() as session:
        return list_accounts_to_backfill(session, now, account_ids=account_ids, always=always)


def _begin(
    resources: Resources, account_id: str, since: datetime, *, anew: bool, now: datetime
) -> AccountRow:
    with resources.store.write() as session:
        return begin_backfill(session, account_id, now, first_since=since, anew=anew)


def _note(account_id: str, stretch: _Stretch, now: datetime, session: Session, *, new_posts: int) -> None:
    """Mark that a batch is in the lake; with the last one, that the history is read."""
    save_backfill_place(session, account_id, cursor=stretch.next_cursor, posts=new_posts)
    if stretch.next_cursor is None:
        finish_backfill(session, account_id, now)


def _forget_place(resources: Resources, account_id: str) -> None:
    with resources.store.write() as session:
        save_backfill_place(session, account_id, cursor=None, posts=0)
