"""What waits longer than it should: late and ambiguous publications, and posts that a person must look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from warehouse.store.models import AccountRow, PlatformLimit, Publication, Workspace

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

LATE_AFTER = timedelta(minutes=1)
UNKNOWN_AFTER = timedelta(minutes=10)
UNREAD_AFTER = timedelta(hours=1)
"""How long a snapshot may wait for the ingest, which runs every five minutes."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Counts over all workspaces; the moments are those of the one that has waited longest."""

    late: int
    """Publications that nothing holds back and that should be out for more than a minute."""
    late_since: datetime | None
    unknown: int
    """Publications of which nobody has found out for more than ten minutes whether they are out."""
    unknown_since: datetime | None
    needs_review: int
    unread: int
    """Snapshots of connected accounts that have been due for more than an hour."""


def measure_backlog(session: Session, now: datetime) -> Backlog:
    """Return what waits too long. What a person or a platform's limit holds back is not late."""
    late, late_since = session.execute(
        select(func.count(), func.min(Publication.due_at))
        .select_from(Publication)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .join(Workspace, Workspace.id == Publication.workspace_id)
        .outerjoin(PlatformLimit, PlatformLimit.platform == Publication.platform)
        .where(
            Publication.status.in_(("scheduled", "claimed")),
            Publication.due_at < now - LATE_AFTER,
            AccountRow.paused_at.is_(None),
            Workspace.publishing_paused_at.is_(None),
            func.coalesce(AccountRow.rate_limited_until, now) <= now,
            func.coalesce(PlatformLimit.paused_until, now) <= now,
        )
    ).one()
    unknown, unknown_since = session.execute(
        select(func.count(), func.min(Publication.unknown_since)).where(
            Publication.status == "unknown", Publication.unknown_since < now - UNKNOWN_AFTER
        )
    ).one()
    needs_review = session.scalar(select(func.count()).where(Publication.status == "needs_review"))
    unread = session.scalar(
        select(func.count())
        .select_from(Publication)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(Publication.next_snapshot_at < now - UNREAD_AFTER, AccountRow.status == "active")
    )
    return Backlog(late, late_since, unknown, unknown_since, needs_review or 0, unread or 0)
