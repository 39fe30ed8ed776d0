"""Daily read budgets for platforms that charge per post read.

A post counts once per platform and UTC day, as X counts it. A read is recorded before the request: a run that dies
in between has at most recorded too much, never spent too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.store.measuring.read_budget_models import ReadCharge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy.orm import Session

    from warehouse.store.measuring.measurements import DueAccount
    from warehouse.store.models import Publication

KEEP_CHARGES = timedelta(days=40)
"""Long enough to compare a monthly bill with the recorded reads."""
_CHUNK = 500
_LOCK = 0x72656164  # "read"


@dataclass(frozen=True, slots=True)
class Grant:
    """The reads granted to a run."""

    accounts: list[DueAccount]
    held_back: dict[str, int]
    """Platform -> publications that stay due because the day's budget is used up."""


def grant_reads(
    session: Session, due: Sequence[DueAccount], limits: Mapping[str, int], now: datetime
) -> Grant:
    """Record which of `due` may be read today, the longest overdue first over all accounts; the rest stays due.

    `limits`: posts per UTC day by platform; a platform not listed has no limit. Posts already read today are free.
    Concurrent runs share one budget: call this in a write transaction that ends before the first request.
    """
    day = now.astimezone(UTC).date()
    allowed: set[str] = set()
    held_back: dict[str, int] = {}
    for platform, limit in limits.items():
        rows = [row for item in due if item.account.platform == platform for row in item.publications]
        if not rows:
            continue
        _take_turns(session)
        read = _read_today(session, platform, day)
        left = max(limit - len(read), 0)
        oldest_first = sorted(
            (row for row in rows if row.id not in read), key=lambda row: (row.next_snapshot_at or now, row.id)
        )
        _note(session, platform, day, [row.id for row in oldest_first[:left]])
        allowed |= read | {row.id for row in oldest_first[:left]}
        if len(oldest_first) > left:
            held_back[platform] = len(oldest_first) - left
    accounts = []
    for item in due:
        kept = tuple(
            row for row in item.publications if item.account.platform not in limits or row.id in allowed
        )
        if kept:
            accounts.append(type(item)(item.account, kept))
    return Grant(accounts, held_back)


def note_reads(session: Session, platform: str, publications: Sequence[Publication], now: datetime) -> None:
    """Record posts returned by a listing: they were charged regardless of the budget."""
    _note(session, platform, now.astimezone(UTC).date(), [row.id for row in publications])


def count_reads(session: Session, platform: str, now: datetime) -> int:
    """Return the number of posts read on the platform this UTC day."""
    day = now.astimezone(UTC).date()
    query = select(func.count()).where(ReadCharge.platform == platform, ReadCharge.day == day)
    return session.scalar(query) or 0


def forget_reads(session: Session, now: datetime) -> int:
    """Delete reads older than KEEP_CHARGES; return the number of rows."""
    before = (now - KEEP_CHARGES).astimezone(UTC).date()
    ids = session.scalars(delete(ReadCharge).where(ReadCharge.day < before).returning(ReadCharge.day))
    return len(ids.all())


def _take_turns(session: Session) -> None:
    """Keep two runs from spending the same remaining budget. SQLite serialises writers anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _read_today(session: Session, platform: str, day: date) -> set[str]:
    query = select(ReadCharge.publication_id).where(ReadCharge.platform == platform, ReadCharge.day == day)
    return set(session.scalars(query))


def _note(session: Session, platform: str, day: date, ids: Sequence[str]) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for start in range(0, len(ids), _CHUNK):
        rows = [
            {"platform": platform, "day": day, "publication_id": publication_id}
            for publication_id in ids[start : start + _CHUNK]
        ]
        session.execute(insert(ReadCharge).values(rows).on_conflict_do_nothing())
