"""One process at a time runs a flow: a lease with a heartbeat, by the database's clock.

A process that dies leaves its lease to expire, and the next run takes it over. The lease saves double work; that a
doubled run does no harm is the task of the flows themselves. The same row keeps how the flow's last runs ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Integer, String, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.clock import read_time
from warehouse.store.models import Base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

Outcome = Literal["succeeded", "partly_failed", "failed"]

PERIODS_BEHIND = 3
"""A flow that has not done its work for this many of its periods is behind."""
_LONGEST_REASON = 2_000


class FlowState(Base):
    """One flow of this installation: who runs it, and how its last runs ended. Without a workspace."""

    __tablename__ = "flow_states"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    period_seconds: Mapped[int | None] = mapped_column(Integer)
    """How often its schedule starts it; None = no schedule is known."""
    expected_since: Mapped[datetime | None]
    """When the schedule was first set up here: a flow that never ran is behind, counted from then."""
    lease_owner: Mapped[str | None] = mapped_column(String(120))
    lease_began_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_started_at: Mapped[datetime | None]
    last_succeeded_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    """When a run last came to its end with all its work tried, whatever single accounts failed in it."""
    last_failed_at: Mapped[datetime | None]
    last_failure: Mapped[str | None] = mapped_column(Text)
    """Why the last failed run failed; kept after a success, which is the later of the two."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who runs a flow at present."""

    owner: str
    since: datetime


@dataclass(frozen=True, slots=True)
class FlowBehind:
    """A flow that has not done its work for PERIODS_BEHIND of its periods."""

    name: str
    since: datetime
    """When it last did its work, or when its schedule was set up."""
    period: timedelta
    last_failure: str | None


def expect_flows(session: Session, periods: Mapping[str, timedelta]) -> None:
    """Note which flows are scheduled here, and how often. To be called when the schedules are set up."""
    now = read_time(session)
    for name, period in periods.items():
        row = _get_row(session, name)
        row.period_seconds = round(period.total_seconds())
        row.expected_since = row.expected_since or now


def take_lease(session: Session, name: str, *, owner: str, lease: timedelta) -> LeaseHolder | None:
    """Become the one process that runs this flow; returns None, or who runs it already."""
    row = _get_row(session, name)
    now = read_time(session)
    if row.lease_owner is not None and row.lease_until is not None and row.lease_until > now:
        return LeaseHolder(row.lease_owner, row.lease_began_at or now)
    row.lease_owner, row.lease_began_at, row.lease_until = owner, now, now + lease
    row.last_started_at = now
    return None


def renew_lease(session: Session, name: str, *, owner: str, lease: timedelta) -> bool:
    """Show a sign of life; False = the lease had expired and another process has taken it."""
    row = _get_row(session, name)
    if row.lease_owner != owner:
        return False
    row.lease_until = read_time(session) + lease
    return True


def end_run(session: Session, name: str, *, owner: str, outcome: Outcome, reason: str | None = None) -> None:
    """Give the lease back and keep how the run ended. `reason` must hold no secret."""
    row = _get_row(session, name)
    now = read_time(session)
    if row.lease_owner == owner:
        row.lease_owner = row.lease_began_at = row.lease_until = None
    if outcome == "succeeded":
        row.last_succeeded_at = now
    else:
        row.last_failed_at = now
        row.last_failure = _clean(reason)
    if outcome != "failed":
        row.last_finished_at = now


def list_flow_states(session: Session) -> list[FlowState]:
    """Return what is known of every flow, by name."""
    return list(session.scalars(select(FlowState).order_by(FlowState.name)))


def find_flows_behind(session: Session, now: datetime) -> list[FlowBehind]:
    """Return the scheduled flows that have not done their work for PERIODS_BEHIND periods, by name."""
    behind = []
    for row in list_flow_states(session):
        if row.period_seconds is None or row.expected_since is None:
            continue
        since = row.last_finished_at or row.expected_since
        period = timedelta(seconds=row.period_seconds)
        if now - since > period * PERIODS_BEHIND:
            failed = row.last_failed_at is not None and row.last_failed_at >= since
            behind.append(FlowBehind(row.name, since, period, row.last_failure if failed else None))
    return behind


def _get_row(session: Session, name: str) -> FlowState:
    """Return the flow's row, made where it is missing, locked for this transaction."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(FlowState).values(name=name).on_conflict_do_nothing())
    query = select(FlowState).where(FlowState.name == name).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _clean(reason: str | None) -> str | None:
    """Return what every database can keep: no NUL, no half of a surrogate pair, no endless text."""
    if reason is None:
        return None
    return reason.replace("\0", "").encode("utf-8", "replace").decode()[:_LONGEST_REASON]
