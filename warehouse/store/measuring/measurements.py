"""Measurement schedule of publications and accounts, and the outcome of the last reading.

The metrics are in the lake; the store holds only the schedule. A snapshot is marked here after it is in the lake: a
crash in between makes the next run read the same publications again, without loss or duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import aliased

from warehouse.store.models import AccountRow, PlatformLimit, Publication

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

SNAPSHOT_AGES = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    *(timedelta(days=days) for days in (1, 2, 3, 5, 7, 14, 30, 60, 90)),
)
"""Ages at which a publication is measured: often while it is young, rarely later."""

_EARLY = 0.1
"""A reading earlier by up to this share of an age counts as the reading at that age: platforms charge for each."""
_FIRST_PAUSE = timedelta(minutes=15)
_LONGEST_PAUSE = timedelta(days=1)
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account with its publications to measure now, the longest overdue first."""

    account: AccountRow
    publications: tuple[Publication, ...]


def next_snapshot_at(
    published_at: datetime, measured_at: datetime, ages: Sequence[timedelta] = SNAPSHOT_AGES
) -> datetime | None:
    """Return the next measurement time of a publication measured at `measured_at`; None = never again."""
    age = measured_at - published_at
    return next((published_at + mark for mark in ages if age < mark * (1 - _EARLY)), None)


def put_off_young(
    session: Session, due: Sequence[DueAccount], now: datetime, ages: Mapping[str, Sequence[timedelta]]
) -> list[DueAccount]:
    """Return `due` without publications younger than the first of their platform's own ages; plan those for that age.

    Publishing plans the first reading by SNAPSHOT_AGES, regardless of the platform's own `ages`.
    """
    ready = []
    for item in due:
        own = ages.get(item.account.platform)
        kept = []
        for row in item.publications:
            first = None if own is None or row.published_at is None else row.published_at + own[0]
            if own is None or first is None or row.snapshot_count or now >= first - own[0] * _EARLY:
                kept.append(row)
            else:
                session.execute(
                    update(Publication).where(Publication.id == row.id).values(next_snapshot_at=first)
                )
        if kept:
            ready.append(DueAccount(item.account, tuple(kept)))
    return ready


def list_due_snapshots(
    session: Session,
    now: datetime,
    limit_per_account: int,
    *,
    account_ids: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    anew: bool = False,
) -> list[DueAccount]:
    """Return the publications due at `now`, grouped by account, the longest overdue account first.

    `since` and `until` narrow them to those published in [since, until). With `anew`, all of them are returned, due
    or not.

    Skips accounts that are not connected, and accounts and platforms paused by a rate limit. Publications beyond
    `limit_per_account` stay due.
    """
    due = _due(
        select(Publication.id, Publication.account_id, Publication.next_snapshot_at),
        now,
        account_ids=account_ids,
        since=since,
        until=until,
        anew=anew,
    )
    waiting = due.subquery()
    turn = func.row_number().over(
        partition_by=waiting.c.account_id, order_by=(waiting.c.next_snapshot_at, waiting.c.id)
    )
    ranked = select(waiting.c.id, turn.label("turn")).subquery()
    publication = aliased(Publication)
    rows = session.execute(
        select(AccountRow, publication)
        .join(publication, publication.account_id == AccountRow.id)
        .join(ranked, ranked.c.id == publication.id)
        .where(ranked.c.turn <= limit_per_account)
        .order_by(publication.next_snapshot_at, publication.id)
    )
    by_account: dict[str, tuple[AccountRow, list[Publication]]] = {}
    for account, row in rows:
        by_account.setdefault(account.id, (account, []))[1].append(row)
    return [DueAccount(account, tuple(found)) for account, found in by_account.values()]


def list_due_accounts(
    session: Session,
    now: datetime,
    *,
    account_ids: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    anew: bool = False,
) -> list[str]:
    """Return the ids of the accounts for which `list_due_snapshots` has publications, the longest overdue first."""
    query = _due(
        select(Publication.account_id), now, account_ids=account_ids, since=since, until=until, anew=anew
    )
    oldest = func.min(Publication.next_snapshot_at)
    return list(
        session.scalars(query.group_by(Publication.account_id).order_by(oldest, Publication.account_id))
    )


def _due(
    query: Any,  # noqa: ANN401 (a Select of whichever columns)
    now: datetime,
    *,
    account_ids: Collection[str] | None,
    since: datetime | None,
    until: datetime | None,
    anew: bool,
) -> Any:  # noqa: ANN401 (same)
    due = _readable(query, now).where(Publication.status == "published", Publication.external_id.is_not(None))
    if not anew:
        due = due.where(Publication.next_snapshot_at <= now)
    else:
        due = due.where(Publication.platform_deleted_at.is_(None))
    if since is not None:
        due = due.where(Publication.published_at >= since)
    if until is not None:
        due = due.where(Publication.published_at < until)
    if account_ids is not None:
        due = due.where(AccountRow.id.in_(list(account_ids)))
    return due


def measure_waits(session: Session, now: datetime) -> dict[str, tuple[int, float]]:
    """Return, by platform, how many snapshots are due at `now` and how many seconds the oldest has waited.

    Accounts that cannot be read (paused, revoked, rate limited) do not count; a platform without due ones is left out.
    """
    query = (
        _readable(select(Publication.platform, func.count(), func.min(Publication.next_snapshot_at)), now)
        # In this form, SQLite does not take the index of statuses, and with it the whole history.
        .where(Publication.next_snapshot_at <= now, func.lower(Publication.status) == "published")
        .group_by(Publication.platform)
    )
    return {
        platform: (count, (now - oldest).total_seconds())
        for platform, count, oldest in session.execute(query)
    }


def record_measured(
    session: Session,
    captured_at: datetime,
    *,
    measured: Collection[str] = (),
    deleted: Collection[str] = (),
    missing: Collection[str] = (),
    ages: Mapping[str, Sequence[timedelta]] | None = None,
) -> list[str]:
    """Record the outcome of one reading for these publications (ids) and plan the next.

    Returns the newly deleted ones.

    `ages`: ages by platform, for platforms with their own; all others use SNAPSHOT_AGES.

    `deleted`: the platform reports the post as deleted; it is never requested again. `missing`: absent from the
    response without a reason; it is requested again after a pause that doubles up to a day.
    """
    gone = []
    for publication, chunk_kind in _in_kinds(session, measured=measured, deleted=deleted, missing=missing):
        if chunk_kind == "deleted" and publication.platform_deleted_at is None:
            gone.append(publication.id)
        _plan(publication, chunk_kind, captured_at, (ages or {}).get(publication.platform, SNAPSHOT_AGES))
    session.flush()
    return gone


def count_measured(session: Session) -> int:
    """Return the number of publications that have been measured and so must be in the lake."""
    return session.scalar(select(func.count()).where(Publication.snapshot_count > 0)) or 0


def list_publications_by_external_id(
    session: Session, account_id: str, external_ids: Collection[str]
) -> dict[str, Publication]:
    """Return the account's publications with these external ids."""
    found: dict[str, Publication] = {}
    for chunk in _chunks(list(external_ids)):
        query = select(Publication).where(
            Publication.account_id == account_id, Publication.external_id.in_(chunk)
        )
        found |= {row.external_id: row for row in session.scalars(query) if row.external_id is not None}
    return found


def list_due_followers(
    session: Session, now: datetime, *, account_ids: Collection[str] | None = None, anew: bool = False
) -> list[AccountRow]:
    """Return the connected accounts whose followers are due at `now`, the longest overdue first; `anew`: all."""
    query = _readable_accounts(now)
    if not anew:
        query = query.where(AccountRow.next_followers_at <= now)
    if account_ids is not None:
        query = query.where(AccountRow.id.in_(list(account_ids)))
    return list(session.scalars(query.order_by(AccountRow.next_followers_at, AccountRow.id)))


def record_followers_measured(session: Session, account_ids: Collection[str], next_at: datetime) -> None:
    """Plan the next reading of these accounts' followers."""
    for chunk in _chunks(list(account_ids)):
        session.execute(update(AccountRow).where(AccountRow.id.in_(chunk)).values(next_followers_at=next_at))


def record_account_error(session: Session, account_id: str, error: str | None) -> None:
    """Store why the last reading of the account failed, for its owner; None = it succeeded."""
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(last_error=error))


def _in_kinds(session: Session, **kinds: Collection[str]) -> Iterator[tuple[Publication, str]]:
    for kind, ids in kinds.items():
        for chunk in _chunks(list(ids)):
            for row in session.scalars(select(Publication).where(Publication.id.in_(chunk))):
                yield row, kind


def _plan(publication: Publication, kind: str, captured_at: datetime, ages: Sequence[timedelta]) -> None:
    published_at = publication.published_at or captured_at
    if kind == "deleted":
        publication.platform_deleted_at = publication.platform_deleted_at or captured_at
        publication.next_snapshot_at = None
    elif kind == "missing":
        publication.snapshot_failures += 1
        # 2 ** 7 quarters of an hour exceed a day; the bound keeps the power small.
        pause = min(_FIRST_PAUSE * 2 ** min(publication.snapshot_failures - 1, 7), _LONGEST_PAUSE)
        again = captured_at + pause
        publication.next_snapshot_at = again if again <= published_at + ages[-1] else None
    else:
        publication.snapshot_count += 1
        publication.snapshot_failures = 0
        publication.platform_deleted_at = None
        publication.next_snapshot_at = next_snapshot_at(published_at, captured_at, ages)


def _readable(query: Any, now: datetime) -> Any:  # noqa: ANN401 (a Select of whichever columns)
    return (
        query.join(AccountRow, AccountRow.id == Publication.account_id)
        .outerjoin(PlatformLimit, PlatformLimit.platform == AccountRow.platform)
        .where(*_may_read(now))
    )


def _readable_accounts(now: datetime) -> Any:  # noqa: ANN401 (a Select of accounts)
    return (
        select(AccountRow)
        .outerjoin(PlatformLimit, PlatformLimit.platform == AccountRow.platform)
        .where(*_may_read(now))
    )


def _may_read(now: datetime) -> list[ColumnElement[bool]]:
    return [
        AccountRow.status == "active",
        AccountRow.credentials.is_not(None),
        or_(AccountRow.rate_limited_until.is_(None), AccountRow.rate_limited_until <= now),
        or_(PlatformLimit.paused_until.is_(None), PlatformLimit.paused_until <= now),
    ]


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
