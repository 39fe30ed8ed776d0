"""Recover publications that no publisher can continue: dead owners, missed times, unusable accounts.

Each function is one short transaction that any publisher may run at any time. A row locked by another
transaction is left for the next run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, or_, select

from warehouse.store.models import AccountRow, Publication, is_in_progress, is_planned, is_scheduled
from warehouse.store.publishing.claims import take
from warehouse.store.publishing.events import announce_outcomes
from warehouse.store.publishing.heartbeats import select_ended, select_silent
from warehouse.store.publishing.later_parts import FAILED, WAITING, end_rest, is_resting, unless_resting
from warehouse.store.publishing.ledger import LedgerEvent, append_events
from warehouse.store.publishing.publications import refresh_post_status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

BATCH = 500
"""Maximum rows per housekeeping transaction, so that no writer waits long for it."""


def needs_recovery(session: Session, *, now: datetime, max_lateness: timedelta) -> bool:
    """Return whether the functions below would find anything, without taking a lock."""
    inactive = select(AccountRow.id).where(AccountRow.status != "active")
    conditions = (
        _abandoned_claim(now),
        _abandoned_send(now),
        _overdue(now, max_lateness),
        and_(_due(now), Publication.account_id.in_(inactive)),
        and_(Publication.status == "unknown", Publication.account_id.in_(inactive)),
    )
    return any(session.scalar(select(exists().where(condition))) for condition in conditions)


def expire_leases(session: Session, *, now: datetime) -> dict[str, int]:
    """Take over from dead publishers.

    A claim that was never sent returns to scheduled as soon as its owner's heartbeat has stopped. One that
    was being sent may be published: it becomes unknown once its owner has certainly ended or its lease has
    expired. Returns the counts: {"released": n, "unknown": n}.
    """
    claimed = _abandoned_claim(now)
    released = take(
        session,
        _ids(session, claimed),
        claimed,
        status=unless_resting("scheduled"),
        lease_owner=None,
        lease_until=None,
        updated_at=now,
    )
    message = "the publisher that had claimed it ended before sending"
    append_events(
        session, [LedgerEvent(row.id, "released", {"message": message}) for row in released], now=now
    )
    sending = _abandoned_send(now)
    message = "the publisher ended while sending: it may be published; the platform will be queried"
    unknown = take(
        session,
        _ids(session, sending),
        sending,
        status="unknown",
        lease_owner=None,
        lease_until=None,
        unknown_since=now,
        due_at=now,
        reason_code="publisher_died",
        reason=message,
        updated_at=now,
    )
    _append(session, unknown, "unknown", message, now)
    refresh_post_status(session, {row.post_id for row in (*released, *unknown)}, now)
    return {"released": len(released), "unknown": len(unknown)}


def review_overdue(session: Session, *, now: datetime, max_lateness: timedelta) -> int:
    """Move publications later than `max_lateness` to needs_review: nobody wants Friday's post on Monday."""
    overdue = _overdue(now, max_lateness)
    message = (
        f"not sent within {_words(max_lateness)} of its time (SOCIALFLOW_MAX_LATENESS): "
        "send it now, set a new time, or discard it"
    )
    found = session.execute(
        select(Publication.id, Publication.reason)
        .where(overdue)
        .order_by(Publication.scheduled_at)
        .limit(BATCH)
    ).all()
    rows = []
    for publication_id, why in found:
        # The reason for the delay is the first thing its author will ask for.
        reason = f"{message}. Before that: {why}" if why else message
        rows += take(
            session,
            [publication_id],
            overdue,
            status="needs_review",
            reason_code="too_late",
            reason=reason,
            updated_at=now,
        )
    events = [LedgerEvent(row.id, "needs_review", {"message": row.reason}) for row in rows]
    append_events(session, events, now=now)
    refresh_post_status(session, {row.post_id for row in rows}, now)
    announce_outcomes(session, events, now)
    return len(rows)


def fail_unusable(session: Session, *, now: datetime) -> int:
    """Fail publications due on an account that cannot publish (revoked, disconnected), with the reason."""
    due = _due(now)
    query = (
        select(Publication.id, AccountRow.status, AccountRow.handle, AccountRow.status_reason)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(due, AccountRow.status != "active")
        .limit(BATCH)
    )
    found = session.execute(query).all()
    events, post_ids = [], set()
    for publication_id, status, handle, why in found:
        message = f"the account {handle} is {status}" + (f": {why}" if why else "") + "; connect it again"
        rows = take(
            session,
            [publication_id],
            due,
            status=unless_resting("failed"),
            reason_code=f"account_{status}",
            reason=message,
            updated_at=now,
        )
        for row in rows:
            if row.rest == WAITING:
                end_rest(row, FAILED)
            event = "part_failed" if row.rest == FAILED else "failed"
            events.append(LedgerEvent(row.id, event, {"message": message}))
        post_ids |= {row.post_id for row in rows}
    append_events(session, events, now=now)
    refresh_post_status(session, post_ids, now)
    announce_outcomes(session, events, now)
    return len(events)


def review_unaskable(session: Session, *, now: datetime) -> int:
    """Move to needs_review what may be published on an account whose platform can no longer be asked."""
    unusable = select(AccountRow.id).where(AccountRow.status != "active")
    stuck = and_(Publication.status == "unknown", Publication.account_id.in_(unusable))
    message = (
        "it may be published, but the account's token no longer works, so the platform cannot be queried: look there, "
        "then resolve it (published, send or discard)"
    )
    rows = take(
        session,
        _ids(session, stuck),
        stuck,
        status="needs_review",
        reason_code="cannot_find_out",
        reason=message,
        updated_at=now,
    )
    events = _append(session, rows, "needs_review", message, now)
    refresh_post_status(session, {row.post_id for row in rows}, now)
    announce_outcomes(session, events, now)
    return len(rows)


def _abandoned_claim(now: datetime) -> ColumnElement[bool]:
    gone = or_(Publication.lease_until <= now, Publication.lease_owner.in_(select_silent(now)))
    return and_(Publication.status == "claimed", gone)


def _abandoned_send(now: datetime) -> ColumnElement[bool]:
    gone = or_(Publication.lease_until <= now, Publication.lease_owner.in_(select_ended()))
    return and_(Publication.status == "sending", gone)


def _overdue(now: datetime, max_lateness: timedelta) -> ColumnElement[bool]:
    return or_(
        and_(
            is_scheduled(),
            is_in_progress(),  # says nothing more, but names the index
            Publication.scheduled_at < now - max_lateness,
            Publication.due_at.is_not(None),  # a post that waits for approval is checked when it is approved
        ),
        and_(is_planned(), is_resting(), Publication.due_at <= now, Publication.rest_at < now - max_lateness),
    )


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(is_planned(), Publication.due_at <= now)


def _append(
    session: Session, rows: Sequence[Publication], event: str, message: str, now: datetime
) -> list[LedgerEvent]:
    events = [LedgerEvent(row.id, event, {"message": message}) for row in rows]
    append_events(session, events, now=now)
    return events


def _ids(session: Session, condition: ColumnElement[bool]) -> list[str]:
    return list(session.scalars(select(Publication.id).where(condition).limit(BATCH)))


def _words(duration: timedelta) -> str:
    minutes = round(duration.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
