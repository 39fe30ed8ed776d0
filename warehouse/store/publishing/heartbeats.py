"""Which publishers are awake: each keeps a row with a heartbeat, by the store's clock.

What a publisher has claimed is free again as soon as its heartbeat stops (`warehouse.store.publishing.recovery`).
What it was *sending* is not, for a publisher that is merely cut off from the store may still be sending: there only
its certain end counts (`ended_at`), or the end of its lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, String, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.clock import CLOCK_TOLERANCE
from warehouse.store.models import Base

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

BEAT = timedelta(seconds=2)
"""How often a publisher says that it is awake."""
STALE_AFTER = timedelta(seconds=8)
"""After this long without a heartbeat a publisher's claims are free for others."""
KEPT = timedelta(days=1)
"""How long the row of a publisher that has ended is kept, with its report."""


class PublisherRow(Base):
    """A publisher at work, or one that has ended lately. One about this installation, so without a workspace."""

    __tablename__ = "publishers"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    """Its lease name: host, process and a random part."""
    began_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """Set once its process surely sends nothing any more: by itself, or by who saw that it is dead."""
    clock_skew: Mapped[float] = mapped_column(Float, default=0.0)
    """Seconds by which its machine's clock is ahead of the store's."""
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What it has done so far."""


@dataclass(frozen=True, slots=True)
class PublishersState:
    """How many publishers are awake, and how far their clocks are off."""

    awake: int
    """With a fresh heartbeat and a clock that agrees with the store's."""
    clock_skew_seconds: float
    """The largest difference between a live publisher's own clock and the store's."""


def begin_beating(
    session: Session, owner: str, now: datetime, *, clock_skew: timedelta = timedelta(0)
) -> None:
    """Note that this publisher is awake; rows that ended long ago are removed."""
    session.execute(delete(PublisherRow).where(PublisherRow.beat_at < now - KEPT))
    skew = clock_skew.total_seconds()
    session.add(PublisherRow(owner=owner, began_at=now, beat_at=now, clock_skew=skew))
    session.flush()


def beat(
    session: Session, owner: str, now: datetime, *, clock_skew: timedelta, report: dict[str, Any]
) -> bool:
    """Note that it still is; False = its row says that it has ended, so that others took over its work."""
    statement = (
        update(PublisherRow)
        .where(PublisherRow.owner == owner, PublisherRow.ended_at.is_(None))
        .values(beat_at=now, clock_skew=clock_skew.total_seconds(), report=report)
        .returning(PublisherRow.owner)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def mark_ended(session: Session, owners: Collection[str], now: datetime) -> None:
    """Note that these publishers send nothing any more: others may take over all their work."""
    statement = update(PublisherRow).where(PublisherRow.owner.in_(owners), PublisherRow.ended_at.is_(None))
    session.execute(statement.values(ended_at=now).execution_options(synchronize_session=False))


def list_running(session: Session, *, except_owner: str | None = None) -> list[str]:
    """Return the lease names of the publishers whose end nobody has noted."""
    query = select(PublisherRow.owner).where(PublisherRow.ended_at.is_(None))
    return [owner for owner in session.scalars(query) if owner != except_owner]


def list_publishers(session: Session, *, since: datetime) -> Sequence[PublisherRow]:
    """Return the publishers that were awake at some moment after `since`, the oldest first."""
    query = select(PublisherRow).where(PublisherRow.beat_at >= since)
    return session.scalars(query.order_by(PublisherRow.began_at, PublisherRow.owner)).all()


def get_publishers_state(session: Session, now: datetime) -> PublishersState:
    """Return how many are awake at `now` (by the store's clock)."""
    query = select(PublisherRow.clock_skew).where(
        PublisherRow.ended_at.is_(None), PublisherRow.beat_at > now - STALE_AFTER
    )
    skews = list(session.scalars(query))
    awake = sum(1 for skew in skews if abs(skew) <= CLOCK_TOLERANCE.total_seconds())
    return PublishersState(awake, max(skews, key=abs, default=0.0))


def select_silent(now: datetime) -> Select[str]:
    """Select the publishers that have ended, or whose heartbeat has stopped."""
    silent = or_(PublisherRow.ended_at.is_not(None), PublisherRow.beat_at <= now - STALE_AFTER)
    return select(PublisherRow.owner).where(silent)


def select_ended() -> Select[str]:
    """Select the publishers that surely send nothing any more."""
    return select(PublisherRow.owner).where(PublisherRow.ended_at.is_not(None))
