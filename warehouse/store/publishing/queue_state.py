"""State of the publishing queue over all workspaces: counts for monitoring, no content."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, literal_column, select, union_all

from warehouse.store.models import AccountRow, Publication, Workspace, is_in_progress, is_planned
from warehouse.store.publishing.later_parts import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

LATE_AFTER = timedelta(minutes=1)
STALE_UNKNOWN_AFTER = timedelta(minutes=10)
UNREAD_AFTER = timedelta(hours=1)
"""How long a due snapshot may wait for the ingest, which runs every five minutes."""


QUEUE = ("draft", "scheduled", "claimed", "sending", "unknown", "needs_review")
HISTORY = ("published", "failed", "canceled")
"""Statuses in which publications stay: their number grows for as long as the installation lives."""
HISTORY_COUNTED_EVERY = timedelta(minutes=10)
HISTORY_REMEMBERED_FROM = 50_000
"""A shorter history is counted each time, in milliseconds."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """One reading of the queue."""

    late: int
    """Publications more than LATE_AFTER past their time, for any reason but a manual pause."""
    oldest_late_seconds: float
    revoked: int
    """Accounts whose token the platform rejects."""
    stale_unknown: int
    """Publications whose outcome has been unknown for STALE_UNKNOWN_AFTER."""
    unknown: int
    """Publications whose outcome is unknown."""
    needs_review: int
    """Publications that wait for a person's decision."""
    failed_parts: int
    """Published posts of which a later part was refused and can be retried."""
    retrying: int
    """Scheduled publications whose last attempt did not reach the platform, or was refused for the time being."""


def get_queue_state(session: Session, now: datetime) -> QueueState:
    """Return the queue's state at `now`. Its cost grows with the queue, not with what is published."""
    by_status = (
        select(Publication.status, func.count())
        .where(Publication.status.in_(("unknown", "needs_review")))
        .group_by(Publication.status)
    )
    planned = func.coalesce(Publication.rest_at, Publication.scheduled_at)
    late_ones = [
        select(Publication.account_id, Publication.workspace_id, planned.label("planned")).where(
            is_one,
            planned < now - LATE_AFTER,
            Publication.due_at.is_not(None),  # otherwise it waits for approval, which is a manual pause too
        )
        # Two parts, each with an index of its own; what waits for a later part is in progress from its time on.
        for is_one in (
            and_(is_in_progress(), Publication.scheduled_at < now - LATE_AFTER),
            and_(is_planned(), Publication.status == "published"),
        )
    ]
    both = union_all(*late_ones).subquery()
    # Grouped first: joined directly, PostgreSQL was seen to read the history of each account.
    waiting = (
        select(
            both.c.account_id,
            both.c.workspace_id,
            func.count().label("number"),
            func.min(both.c.planned).label("oldest"),
        )
        .group_by(both.c.account_id, both.c.workspace_id)
        .subquery()
    )
    late, oldest = session.execute(
        select(func.sum(waiting.c.number), func.min(waiting.c.oldest))
        .join(AccountRow, AccountRow.id == waiting.c.account_id)
        .join(Workspace, Workspace.id == waiting.c.workspace_id)
        .where(AccountRow.paused_at.is_(None), Workspace.publishing_paused_at.is_(None))
    ).one()
    stale_unknown = select(func.count()).where(
        Publication.status == "unknown", Publication.unknown_since < now - STALE_UNKNOWN_AFTER
    )
    failed_parts = select(func.count()).where(
        Publication.status == "published", Publication.rest == literal_column(f"'{FAILED}'")
    )
    revoked = select(func.count()).where(AccountRow.status == "revoked")
    # Only what has fallen due can have been tried: the index of what is in progress finds it.
    retrying = select(func.count()).where(
        is_in_progress(),
        Publication.status == "scheduled",
        Publication.scheduled_at <= now,
        Publication.attempts > 0,
    )
    counts: dict[str, int] = dict(session.execute(by_status).all())
    return QueueState(
        late=int(late or 0),
        oldest_late_seconds=(now - oldest).total_seconds() if oldest is not None else 0.0,
        revoked=session.scalar(revoked) or 0,
        stale_unknown=session.scalar(stale_unknown) or 0,
        unknown=counts.get("unknown", 0),
        needs_review=counts.get("needs_review", 0),
        failed_parts=session.scalar(failed_parts) or 0,
        retrying=session.scalar(retrying) or 0,
    )


class StatusCounter:
    """Counts publications by status, for a process that is asked again and again.

    Where the history is long, its count is remembered for HISTORY_COUNTED_EVERY: counting ten million rows takes a
    second, and monitoring asks every 15 seconds.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic`: for tests."""
        self._monotonic = monotonic
        self._history: dict[str, int] = {}
        self._counted_at: float | None = None

    def read(self, session: Session) -> dict[str, int]:
        """Return the number of publications by status; statuses without any are left out."""
        query = select(Publication.status, func.count()).group_by(Publication.status)
        now = self._monotonic()
        if self._counted_at is None or now - self._counted_at >= HISTORY_COUNTED_EVERY.total_seconds():
            history = dict(session.execute(query.where(Publication.status.in_(HISTORY))).all())
            self._history = history
            self._counted_at = now if sum(history.values()) > HISTORY_REMEMBERED_FROM else None
        return self._history | dict(session.execute(query.where(Publication.status.in_(QUEUE))).all())


def get_oldest_unread(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """Return how many snapshots of connected accounts are due for over UNREAD_AFTER, and since when."""
    count, oldest = session.execute(
        select(func.count(), func.min(Publication.next_snapshot_at))
        .select_from(Publication)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(Publication.next_snapshot_at < now - UNREAD_AFTER, AccountRow.status == "active")
    ).one()
    return count, oldest
