"""Leases of pieces of work that many workers share: each piece is taken by one of them at a time.

A worker that dies stops renewing, its leases expire by the database's clock, and another worker takes the pieces. A
lease avoids work done twice; what the work stores must tolerate that it is done twice nevertheless.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import String, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.clock import read_time
from warehouse.store.models import Base

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

_CHUNK = 500


class WorkLease(Base):
    """One piece of work that a worker has. Not tied to a workspace; rows live as long as the work."""

    __tablename__ = "work_leases"

    kind: Mapped[str] = mapped_column(String(60), primary_key=True)
    """What is done, such as a flow's name."""
    item: Mapped[str] = mapped_column(String(60), primary_key=True)
    """What it is done to, such as an account's id."""
    owner: Mapped[str] = mapped_column(String(120), index=True)
    began_at: Mapped[datetime]
    lease_until: Mapped[datetime]


def take_work(
    session: Session, kind: str, items: Sequence[str], *, owner: str, lease: timedelta, limit: int
) -> list[str]:
    """Lease the first `limit` of these items that nobody else has; return them in the order given.

    Two workers that ask at once get different items. A worker's own items are not given to it twice.
    """
    now = read_time(session)
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    taken: list[str] = []
    place = 0
    while len(taken) < limit and place < len(items):
        wanted = items[place : place + min(limit - len(taken), _CHUNK)]
        place += len(wanted)
        free = set(wanted) - _list_held(session, kind, wanted, now)
        if not free:
            continue
        # In one order everywhere: two workers that wait for each other's rows would be a deadlock.
        rows = [
            {"kind": kind, "item": item, "owner": owner, "began_at": now, "lease_until": now + lease}
            for item in sorted(free)
        ]
        statement = insert(WorkLease).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=[WorkLease.kind, WorkLease.item],
            set_={name: statement.excluded[name] for name in ("owner", "began_at", "lease_until")},
            where=WorkLease.lease_until <= now,
        )
        got = set(session.scalars(statement.returning(WorkLease.item)))
        taken += [item for item in wanted if item in got]
    return taken


def renew_work(session: Session, owner: str, lease: timedelta) -> int:
    """Renew all leases of this worker that nobody else has taken; return how many."""
    renewed = (
        update(WorkLease)
        .where(WorkLease.owner == owner)
        .values(lease_until=read_time(session) + lease)
        .returning(WorkLease.item)
    )
    return len(list(session.scalars(renewed)))


def release_work(session: Session, owner: str, kind: str | None = None, items: Collection[str] = ()) -> None:
    """Give up these items, or with `kind` None everything that this worker has."""
    if kind is None:
        session.execute(delete(WorkLease).where(WorkLease.owner == owner))
        return
    ids = sorted(items)
    for start in range(0, len(ids), _CHUNK):
        session.execute(
            delete(WorkLease).where(
                WorkLease.kind == kind,
                WorkLease.item.in_(ids[start : start + _CHUNK]),
                WorkLease.owner == owner,
            )
        )


def list_work(session: Session, kind: str) -> list[WorkLease]:
    """Return the leases of this kind that have not expired, the oldest first."""
    query = select(WorkLease).where(WorkLease.kind == kind, WorkLease.lease_until > read_time(session))
    return list(session.scalars(query.order_by(WorkLease.began_at, WorkLease.item)))


def list_owners(session: Session) -> list[str]:
    """Return the workers that have leases, expired ones too."""
    return list(session.scalars(select(WorkLease.owner).distinct().order_by(WorkLease.owner)))


def count_work(session: Session) -> dict[str, int]:
    """Return the number of leases that have not expired, by kind."""
    query = select(WorkLease.kind, func.count()).where(WorkLease.lease_until > read_time(session))
    return {kind: count for kind, count in session.execute(query.group_by(WorkLease.kind))}  # noqa: C416 (a Row is no pair)


def forget_expired_work(session: Session, older_than: timedelta) -> None:
    """Remove leases of workers that died, once they expired this long ago."""
    session.execute(delete(WorkLease).where(WorkLease.lease_until <= read_time(session) - older_than))


def forget_all_work(session: Session) -> None:
    """Remove all leases, of an installation that nobody works on."""
    session.execute(delete(WorkLease))


def _list_held(session: Session, kind: str, items: Sequence[str], now: datetime) -> set[str]:
    query = select(WorkLease.item).where(
        WorkLease.kind == kind, WorkLease.item.in_(items), WorkLease.lease_until > now
    )
    return set(session.scalars(query))
