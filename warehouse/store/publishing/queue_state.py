"""State of the publishing queue over all workspaces: counts for monitoring, no content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from warehouse.store.models import AccountRow, Publication, Workspace
from warehouse.store.publishing.later_parts import FAILED, is_resting

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

LATE_AFTER = timedelta(minutes=1)
STALE_UNKNOWN_AFTER = timedelta(minutes=10)
UNREAD_AFTER = timedelta(hours=1)
"""How long a due snapshot may wait for the ingest, which runs every five minutes."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """One reading of the queue."""

    by_status: dict[str, int]
    late: int
    """Publications more than LATE_AFTER past their time, for any reason but a manual pause."""
    oldest_late_seconds: float
    revoked: int
    """Accounts whose token the platform rejects."""
    stale_unknown: int
    """Publications whose outcome has been unknown for STALE_UNKNOWN_AFTER."""
    failed_parts: int
    """Published posts of which a later part was refused and can be retried."""


def get_queue_state(session: Session, now: datetime) -> QueueState:
    """Return the queue's state at `now`."""
    by_status = select(Publication.status, func.count()).group_by(Publication.status)
    planned = func.coalesce(Publication.rest_at, Publication.scheduled_at)
    late, oldest = session.execute(
        select(func.count(), func.min(planned))
        .select_from(Publication)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .join(Workspace, Workspace.id == Publication.workspace_id)
        .where(
            or_(Publication.status.in_(("scheduled", "claimed", "sending")), is_resting()),
            planned < now - LATE_AFTER,
            Publication.due_at.is_not(None),  # otherwise it waits for approval, which is a manual pause too
            AccountRow.paused_at.is_(None),
            Workspace.publishing_paused_at.is_(None),
        )
    ).one()
    stale_unknown = select(func.count()).where(
        Publication.status == "unknown", Publication.unknown_since < now - STALE_UNKNOWN_AFTER
    )
    failed_parts = select(func.count()).where(Publication.status == "published", Publication.rest == FAILED)
    revoked = select(func.count()).where(AccountRow.status == "revoked")
    return QueueState(
        by_status=dict(session.execute(by_status).all()),
        late=late,
        oldest_late_seconds=(now - oldest).total_seconds() if oldest is not None else 0.0,
        revoked=session.scalar(revoked) or 0,
        stale_unknown=session.scalar(stale_unknown) or 0,
        failed_parts=session.scalar(failed_parts) or 0,
    )


def get_oldest_unread(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """Return how many snapshots of connected accounts are due for over UNREAD_AFTER, and since when."""
    count, oldest = session.execute(
        select(func.count(), func.min(Publication.next_snapshot_at))
        .select_from(Publication)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(Publication.next_snapshot_at < now - UNREAD_AFTER, AccountRow.status == "active")
    ).one()
    return count, oldest
