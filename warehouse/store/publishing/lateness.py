"""How late posts went out: counts for monitoring, no content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from warehouse.store.models import Publication

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

WINDOW = timedelta(hours=1)
BOUNDS_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
MOST = 50_000
"""At more publications than this in an hour, the newest are counted: one reading stays bounded."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Publications of the last hour by how late they were published."""

    cumulative: tuple[int, ...]
    """Per bound of BOUNDS_SECONDS, then for infinity: publications that were at most so late."""
    sum_seconds: float


def measure_lateness(session: Session, now: datetime) -> Lateness:
    """Return the lateness of what was published in the hour before `now`.

    Lateness is from the time that the author set until the platform had the post; a post that is sent a moment early
    counts as 0 s. Posts that were written elsewhere have no such time and do not count.
    """
    rows = session.execute(
        select(Publication.published_at, Publication.scheduled_at)
        .where(
            Publication.published_at > now - WINDOW,
            Publication.published_at <= now,
            Publication.scheduled_at.is_not(None),
            Publication.origin == "socialflow",
        )
        .order_by(Publication.published_at.desc())
        .limit(MOST)
    )
    seconds = [
        max((published - scheduled).total_seconds(), 0.0)
        for published, scheduled in rows
        if published is not None and scheduled is not None
    ]
    within = tuple(sum(one <= bound for one in seconds) for bound in BOUNDS_SECONDS)
    return Lateness((*within, len(seconds)), sum(seconds))
