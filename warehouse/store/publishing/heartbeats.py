"""Running publishers: each keeps a row with a heartbeat, by the store's clock.

What a publisher has claimed is released as soon as its heartbeat stops
(`warehouse.store.publishing.recovery`). What it was *sending* is not, because a publisher that is only cut
off from the store may still be sending: then only its confirmed end (`ended_at`) or the end of its lease
counts.
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
"""Interval of a publisher's heartbeat."""
STALE_AFTER = timedelta(seconds=8)
"""After this long without a heartbeat a publisher's claims are released."""
KEPT = timedelta(days=1)
"""How long the row of an ended publisher is kept, with its report."""


class PublisherRow(Base):
    """A publisher that is running or ended recently. Belongs to the installation, not to a workspace."""

    __tablename__ = "publishers"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    """Its lease name: host, process and a random part."""
    began_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """Set once its process certainly sends nothing more: by itself, or by another that saw it dead."""
    clock_skew: Mapped[float] = mapped_column(Float, default=0.0)
    """Seconds by which its machine's clock is ahead of the store's."""
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Its report so far."""


@dataclass(frozen=True, slots=True)
class PublishersState:
    """The number of running publishers, and the deviation of their clocks."""

    awake: int
    """With a fresh heartbeat and a clock that agrees with the store's."""
    clock_skew_seconds: float
    """The largest difference between a running publisher's own clock and the store's."""
    errors: int = 0
    """What failed in the running publishers since they began: turns that the store refused, steps not recorded."""


def begin_beating(
    session: Session, owner: str, now: datetime, *, clock_skew: timedelta = timedelta(0)
) -> None:
    """Record that this publisher runs; remove rows that ended long ago."""
    session.execute(delete(PublisherRow).where(PublisherRow.beat_at < now - KEPT))
    skew = clock_skew.total_seconds()
    session.add(PublisherRow(owner=owner, began_at=now, beat_at=now, clock_skew=skew))
    session.flush()


def beat(
    session: Session, owner: str, now: datetime, *, clock_skew: timedelta, report: dict[str, Any]
) -> bool:
    """Record the heartbeat; False = the row is marked ended, so others have taken over its work."""
    statement = (
        update(PublisherRow)
        .where(PublisherRow.owner == owner, PublisherRow.ended_at.is_(None))
        .values(beat_at=now, clock_skew=clock_skew.total_seconds(), report=report)
        .returning(PublisherRow.owner)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def mark_ended(session: Session, owners: Collection[str], now: datetime) -> None:
    """Record that these publishers send nothing more: others may take over all their work."""
    statement = update(PublisherRow).where(PublisherRow.owner.in_(owners), PublisherRow.ended_at.is_(None))
    session.execute(statement.values(ended_at=now).execution_options(synchronize_session=False))


def list_running(session: Session, *, except_owner: str | None = None) -> list[str]:
    """Return the lease names of the publishers without a recorded end."""
    query = select(PublisherRow.owner).where(PublisherRow.ended_at.is_(None))
    return [owner for owner in session.scalars(query) if owner != except_owner]


def list_publishers(session: Session, *, since: datetime) -> Sequence[PublisherRow]:
    """Return the publishers that were running at any time after `since`, oldest first."""
    query = select(PublisherRow).where(PublisherRow.beat_at >= since)
    return session.scalars(query.order_by(PublisherRow.began_at, PublisherRow.owner)).all()


def get_publishers_state(session: Session, now: datetime) -> PublishersState:
    """Return how many are running at `now` (by the store's clock)."""
    query = select(PublisherRow.clock_skew, PublisherRow.report).where(
        PublisherRow.ended_at.is_(None), PublisherRow.beat_at > now - STALE_AFTER
    )
    rows = session.execute(query).all()
    skews = [skew for skew, _report in rows]
    awake = sum(1 for skew in skews if abs(skew) <= CLOCK_TOLERANCE.total_seconds())
    errors = sum(int(report.get("errors", 0)) for _skew, report in rows)
    return PublishersState(awake, max(skews, key=abs, default=0.0), errors)


def select_silent(now: datetime) -> Select[str]:
    """Select the publishers that have ended, or whose heartbeat has stopped."""
    silent = or_(PublisherRow.ended_at.is_not(None), PublisherRow.beat_at <= now - STALE_AFTER)
    return select(PublisherRow.owner).where(silent)


def select_ended() -> Select[str]:
    """Select the publishers that certainly send nothing more."""
    return select(PublisherRow.owner).where(PublisherRow.ended_at.is_not(None))
