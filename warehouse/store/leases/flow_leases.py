"""Leases that let one process at a time run a flow, with a heartbeat, by the database's clock.

The lease of a dead process expires, and the next run takes it over. The lease only avoids duplicate work; the flows
themselves must tolerate two runs at once. The same row stores the outcome of the flow's last runs.
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
"""A flow without a successful run for this many of its periods is behind."""
_LONGEST_REASON = 2_000


class FlowState(Base):
    """One flow of this installation: its lease and the outcome of its last runs. Not tied to a workspace."""

    __tablename__ = "flow_states"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    period_seconds: Mapped[int | None] = mapped_column(Integer)
    """Period of its schedule; None = no known schedule."""
    expected_since: Mapped[datetime | None]
    """When the schedule was first set up; a flow that never ran is behind as counted from then."""
    lease_owner: Mapped[str | None] = mapped_column(String(120))
    lease_began_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_started_at: Mapped[datetime | None]
    last_succeeded_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    """When a run last tried all its work and ended; single accounts may have failed."""
    last_failed_at: Mapped[datetime | None]
    last_failure: Mapped[str | None] = mapped_column(Text)
    """Why the last failed run failed; kept after a later success."""
    trouble_at: Mapped[datetime | None]
    """When Prefect last reported a run that failed, crashed or was not started."""
    trouble: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The process that runs a flow now."""

    owner: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RunTrouble:
    """A run that failed or was not started, after which no run has ended yet."""

    name: str
    since: datetime | None
    """When the last run ended; None = none yet."""
    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class FlowBehind:
    """A flow without a successful run for PERIODS_BEHIND of its periods."""

    name: str
    since: datetime
    """When its last successful run ended, or when its schedule was set up."""
    period: timedelta
    last_failure: str | None


def expect_flows(session: Session, periods: Mapping[str, timedelta]) -> None:
    """Store which flows are scheduled here and how often. Call it when the schedules are set up."""
    now = read_time(session)
    for name, period in periods.items():
        row = _get_row(session, name)
        row.period_seconds = round(period.total_seconds())
        row.expected_since = row.expected_since or now


def take_lease(session: Session, name: str, *, owner: str, lease: timedelta) -> LeaseHolder | None:
    """Take the lease of this flow. Returns None on success, else the process that has it."""
    row = _get_row(session, name)
    now = read_time(session)
    if row.lease_owner is not None and row.lease_until is not None and row.lease_until > now:
        return LeaseHolder(row.lease_owner, row.lease_began_at or now)
    row.lease_owner, row.lease_began_at, row.lease_until = owner, now, now + lease
    row.last_started_at = now
    return None


def renew_lease(session: Session, name: str, *, owner: str, lease: timedelta) -> bool:
    """Renew the lease. False = it had expired and another process has taken it."""
    row = _get_row(session, name)
    if row.lease_owner != owner:
        return False
    row.lease_until = read_time(session) + lease
    return True


def end_run(session: Session, name: str, *, owner: str, outcome: Outcome, reason: str | None = None) -> None:
    """Release the lease and store the outcome of the run. `reason` must not contain a secret."""
    row = _get_row(session, name)
    now = read_time(session)
    if row.lease_owner == owner:
        row.lease_owner = row.lease_began_at = row.lease_until = None
    _note_outcome(row, now, outcome, reason)


def _note_outcome(row: FlowState, now: datetime, outcome: Outcome, reason: str | None) -> None:
    if outcome == "succeeded":
        row.last_succeeded_at = now
    else:
        row.last_failed_at = now
        row.last_failure = _clean(reason)
    if outcome != "failed":
        row.last_finished_at = now


def note_start(session: Session, name: str) -> None:
    """Store that a run of a flow that takes no lease has started."""
    _get_row(session, name).last_started_at = read_time(session)


def note_outcome(session: Session, name: str, outcome: Outcome, reason: str | None = None) -> None:
    """Store the outcome of a flow that takes no lease. `reason` must not contain a secret."""
    _note_outcome(_get_row(session, name), read_time(session), outcome, reason)


def note_trouble(session: Session, name: str, words: str) -> None:
    """Store that a run failed or was not started. `words` must not contain a secret."""
    row = _get_row(session, name)
    row.trouble_at, row.trouble = read_time(session), _clean(words)


def find_trouble(session: Session) -> list[RunTrouble]:
    """Return the flows with a reported run after which none has ended yet, by name."""
    return [
        RunTrouble(row.name, row.last_finished_at, row.trouble_at, row.trouble or "")
        for row in list_flow_states(session)
        if row.trouble_at is not None
        and (row.last_finished_at is None or row.trouble_at > row.last_finished_at)
    ]


def list_flow_states(session: Session) -> list[FlowState]:
    """Return the state of every flow, by name."""
    return list(session.scalars(select(FlowState).order_by(FlowState.name)))


def find_flows_behind(session: Session, now: datetime) -> list[FlowBehind]:
    """Return the scheduled flows without a successful run for PERIODS_BEHIND periods, by name."""
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
    """Return the flow's row, locked for this transaction; create it if it is missing."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(FlowState).values(name=name).on_conflict_do_nothing())
    query = select(FlowState).where(FlowState.name == name).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _clean(reason: str | None) -> str | None:
    """Return text that every database can store: no NUL, no lone surrogate, of limited length."""
    if reason is None:
        return None
    return reason.replace("\0", "").encode("utf-8", "replace").decode()[:_LONGEST_REASON]
