"""How the queue is doing, over all workspaces: counts for monitoring, no content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from warehouse.store.models import AccountRow, Publication

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

LATE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class QueueState:
    """One reading of the queue."""

    by_status: dict[str, int]
    late: int
    """Scheduled publications that have been due for longer than LATE_AFTER."""
    oldest_late_seconds: float
    revoked: int
    """Accounts whose token the platform refuses."""


def get_queue_state(session: Session, now: datetime) -> QueueState:
    """Return the queue's state at `now`."""
    by_status = select(Publication.status, func.count()).group_by(Publication.status)
    late, oldest = session.execute(
        select(func.count(), func.min(Publication.due_at)).where(
            Publication.status == "scheduled", Publication.due_at < now - LATE_AFTER
        )
    ).one()
    revoked = select(func.count()).where(AccountRow.status == "revoked")
    return QueueState(
        by_status=dict(session.execute(by_status).tuples().all()),
        late=late,
        oldest_late_seconds=(now - oldest).total_seconds() if oldest is not None else 0.0,
        revoked=session.scalar(revoked) or 0,
    )
