"""Publishers relieve each other: each begins a shift, and goes home once a later shift has begun.

Without this, two publishers would have to overlap by a fixed margin each minute (110 MB for each), and a run that
starts later than the margin would leave a gap in which nothing is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Integer, String, delete, exists, select
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

KEPT = timedelta(days=1)
"""Shifts of publishers that died are of no use to anybody but a person who looks for the reason."""


class PublisherShift(Base):
    """A publisher at work. One about this installation, so without a workspace."""

    __tablename__ = "publisher_shifts"
    # AUTOINCREMENT: SQLite would otherwise give the number of an ended shift to a later one.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (SQLAlchemy's own form)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    """The order of the shifts is the store's, not that of clocks, which differ between machines."""
    owner: Mapped[str] = mapped_column(String(80))
    """The publisher's lease name: host, process and a random part."""
    began_at: Mapped[datetime]


def begin_shift(session: Session, owner: str, now: datetime) -> int:
    """Note that this publisher is awake; returns the shift's number."""
    session.execute(delete(PublisherShift).where(PublisherShift.began_at < now - KEPT))
    shift = PublisherShift(owner=owner, began_at=now)
    session.add(shift)
    session.flush()
    return shift.id


def is_relieved(session: Session, shift: int) -> bool:
    """Return whether a later shift has begun."""
    return bool(session.scalar(select(exists().where(PublisherShift.id > shift))))


def end_shift(session: Session, shift: int) -> None:
    """Note that this publisher goes home."""
    session.execute(delete(PublisherShift).where(PublisherShift.id == shift))
