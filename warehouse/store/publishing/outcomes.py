"""Record outcomes: the publisher's state transitions from claimed onward, in batches.

`begin_sending` is committed before any request is sent, the outcome right after the response. Each is its own
transaction (of a batch of publications, never of two steps of one). An outcome is dropped if the lease was
lost, except for a receipt: a published post is a fact whoever reports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, inspect, select, update

from connectors.types import SENT_ELSEWHERE, STEP
from warehouse.store.bulk import update_rows
from warehouse.store.measuring.measurements import next_snapshot_at
from warehouse.store.models import AccountRow, Publication
from warehouse.store.publishing.claims import (
    join_limits,
    may_call,
    pause_account_until,
    pause_platform_until,
    release_claims,
)
from warehouse.store.publishing.events import announce_outcomes
from warehouse.store.publishing.later_parts import FAILED, WAITING, begin_rest, end_rest
from warehouse.store.publishing.ledger import HEAD, LedgerEvent, chain_event, head_of, insert_opened
from warehouse.store.publishing.publications import refresh_post_status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.errors import RateLimitScope
    from connectors.types import PublishedPost

OutcomeKind = Literal[
    "published", "found", "retry", "failed", "unknown", "still_unknown", "not_found", "needs_review"
]

_STATUS: Mapping[str, str] = {
    "published": "published",
    "found": "published",
    "retry": "scheduled",
    "not_found": "scheduled",
    "failed": "failed",
    "unknown": "unknown",
    "still_unknown": "unknown",
    "needs_review": "needs_review",
}
PERMISSION_MISSING = "permission_missing"
"""Code of a failure that the account's owner must fix: every further post would fail for it."""
_LATER_EVENTS = {"published": "part_published", "found": "part_found", "failed": "part_failed"}
"""How the ledger names the outcome of a later part: the post itself was published before."""
_OPEN = frozenset({"scheduled", "claimed", "sending", "unknown", "needs_review"})


@dataclass(frozen=True, slots=True)
class PartCounts:
    """How many parts of a thread are out (its first comment is a part as well)."""

    before: int
    """Known to be out before this attempt or look-up."""
    out: int
    """Known to be out after it."""
    total: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt or one look-up.

    `receipt` with published and found; `next_at` (UTC) with retry, not_found, unknown and still_unknown: when
    to send or look up again. `code` and `message` give the reason, in the platform's own words if it gave
    any.
    """

    publication_id: str
    kind: OutcomeKind
    code: str | None = None
    message: str | None = None
    next_at: datetime | None = None
    receipt: PublishedPost | None = None
    pause: RateLimitScope | None = None
    """With retry: nothing else of this account, or of this platform, is sent before `next_at`."""
    parts: PartCounts | None = None
    """For a publication of several parts; None = it has one, or nothing was sent or looked up."""
    rest_at: datetime | None = None
    """With a receipt: when the next part is due, if parts are left that are published later."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Permission to send: the number of this attempt, and the time of the first one."""

    attempt: int
    first_attempt_at: datetime


def begin_sending(
    session: Session, ids: Collection[str], *, owner: str, now: datetime, lease_until: datetime
) -> dict[str, Granted]:
    """Mark claimed publications as sending; only the returned ones may be sent.

    Omitted: publications that `owner` no longer holds, and (released again) those that may not be sent now.
    """
    mine = (
        Publication.id.in_(ids),
        Publication.status == "claimed",
        Publication.lease_owner == owner,
        Publication.lease_until > now,
    )
    allowed = join_limits(select(Publication.id)).where(*mine, *may_call(now))
    columns = (*HEAD, Publication.first_attempt_at)
    rows = session.execute(select(*columns).where(Publication.id.in_(allowed)).with_for_update()).all()
    granted = {row.id: Granted(row.attempts + 1, row.first_attempt_at or now) for row in rows}
    held_back = set(ids) - set(granted)
    if held_back:
        # It was claimed ahead of time, and its account, platform or workspace was paused meanwhile.
        release_claims(session, owner=owner, now=now, ids=held_back, reason="waits until sending is allowed")
    events = [
        chain_event(
            row, LedgerEvent(row.id, "sending"), now=now, owner=owner, attempt=granted[row.id].attempt
        )
        for row in rows
    ]
    update_rows(
        session,
        Publication,
        [
            head_of(event) | {"attempts": g.attempt, "first_attempt_at": g.first_attempt_at}
            for event in events
            for g in (granted[event["publication_id"]],)
        ],
        status="sending",
        lease_until=lease_until,
        updated_at=now,
    )
    insert_opened(session, events)
    # The post's status is not refreshed: claimed and sending are both "publishing".
    return granted


def save_send_states(
    session: Session, states: Mapping[str, Mapping[str, Any]], *, owner: str, now: datetime
) -> set[str]:
    """Save what a connector needs to recognise its own request; return the ids that `owner` still holds."""
    held = set()
    for publication_id, state in states.items():
        statement = (
            update(Publication)
            .where(Publication.id == publication_id, Publication.lease_owner == owner)
            .values(send_state=dict(state), updated_at=now)
            .returning(Publication.id)
            .execution_options(synchronize_session=False)
        )
        held |= set(session.scalars(statement))
    return held


def record_outcomes(
    session: Session, outcomes: Sequence[Outcome], *, owner: str, now: datetime
) -> dict[str, str]:
    """Record the outcomes of publications; return the resulting status of each.

    A second receipt with another id for a published publication is recorded in the ledger as `duplicate`: it
    should never happen, and must never be hidden.
    """
    query = select(Publication).where(Publication.id.in_([outcome.publication_id for outcome in outcomes]))
    rows = {
        row.id: row
        for row in session.scalars(query.with_for_update().execution_options(populate_existing=True))
    }
    events, post_ids = [], set()
    # Each publication is written once, with the end of its ledger: not before each of the statements in between.
    with session.no_autoflush:
        for outcome in outcomes:
            row = rows[outcome.publication_id]
            event = _apply(row, outcome, owner=owner, now=now)
            if event is not None:
                events.append(event)
                post_ids.add(row.post_id)
            if outcome.pause is not None and outcome.next_at is not None:
                _pause(session, row, outcome.pause, outcome.next_at, outcome.message or "rate limited")
            if event is not None and outcome.code == PERMISSION_MISSING:
                reason = f"{outcome.message}; connect the account again with this permission"
                _mark_limited(session, row.account_id, reason, now)
        _clear_limits(session, {rows[one.publication_id].account_id for one in outcomes if one.receipt}, now)
    _append(session, rows, events, owner=owner, now=now)
    refresh_post_status(session, post_ids, now)
    announce_outcomes(session, events, now)
    return {row.id: row.status for row in rows.values()}


def _append(
    session: Session,
    rows: Mapping[str, Publication],
    events: Sequence[LedgerEvent],
    *,
    owner: str,
    now: datetime,
) -> None:
    """Append events of loaded publications: the ends of their ledgers are written together with what has changed."""
    chained = []
    for event in events:
        row = rows[event.publication_id]
        ledger_row = chain_event(row, event, now=now, owner=owner)
        row.ledger_rows, row.ledger_hash = ledger_row["seq"], ledger_row["hash"]
        chained.append(ledger_row)
    _save(session, list(rows.values()))
    insert_opened(session, chained)


_CHANGING = (
    "status", "reason_code", "reason", "lease_owner", "lease_until", "due_at", "unknown_since", "send_state",
    "first_attempt_at", "external_id", "permalink", "published_at", "next_snapshot_at", "rest", "rest_at",
    "ledger_rows", "ledger_hash", "updated_at",
)  # fmt: skip
"""Columns that an outcome may change."""


def _save(session: Session, rows: Sequence[Publication]) -> None:
    """Write what has changed: on PostgreSQL with one statement for all, after which the session forgets the objects."""
    if session.get_bind().dialect.name != "postgresql":
        session.flush()
        return
    changed = [row for row in rows if inspect(row).modified]
    if not changed:
        return
    values = {name: [getattr(row, name) for row in changed] for name in _CHANGING}
    # Most columns have one value for all: sent once instead of once for each row.
    shared = {name: column[0] for name, column in values.items() if all(one == column[0] for one in column)}
    own = {name: column for name, column in values.items() if name not in shared}
    with session.no_autoflush:
        update_rows(
            session,
            Publication,
            [
                {"id": row.id} | {name: column[number] for name, column in own.items()}
                for number, row in enumerate(changed)
            ],
            **shared,
        )
    for row in changed:
        session.expunge(row)


def _mark_limited(session: Session, account_id: str, reason: str, now: datetime) -> None:
    """Record that the account's token works but lacks a permission; it stays in use for everything else."""
    statement = update(AccountRow).where(AccountRow.id == account_id, AccountRow.status == "active")
    session.execute(statement.values(status_reason=reason, status_changed_at=now))


def _clear_limits(session: Session, account_ids: Collection[str], now: datetime) -> None:
    """Record that the platform accepts again what it had rejected for a missing permission."""
    limited = and_(AccountRow.status == "active", AccountRow.status_reason.is_not(None))
    statement = update(AccountRow).where(AccountRow.id.in_(account_ids), limited)
    if account_ids:
        values = {"status_reason": None, "status_changed_at": now}
        session.execute(statement.values(values).execution_options(synchronize_session=False))


def _apply(row: Publication, outcome: Outcome, *, owner: str, now: datetime) -> LedgerEvent | None:
    receipt = outcome.receipt
    if receipt is not None and row.status == "published":
        if row.external_id == receipt.external_id:
            return None
        return LedgerEvent(row.id, "duplicate", _detail(outcome) | {"known": row.external_id})
    if row.status not in _OPEN or not _may_tell(row, outcome, owner):
        return None
    is_later = row.rest == WAITING
    row.status = _STATUS[outcome.kind]
    row.reason_code, row.reason = outcome.code, outcome.message
    row.lease_owner = row.lease_until = None
    row.updated_at = now
    if receipt is not None:
        _take_receipt(row, outcome, receipt, now)
    elif row.status == "unknown":
        row.unknown_since = row.unknown_since or now
        row.due_at = outcome.next_at or now
    elif row.status == "scheduled":
        row.status = "published" if is_later else "scheduled"
        row.due_at = outcome.next_at or now
        row.unknown_since = None
        if outcome.kind == "not_found" and SENT_ELSEWHERE in row.send_state:
            # Nothing of another installation is there: from here on, what this one saves tells all.
            row.send_state = {key: kept for key, kept in row.send_state.items() if key != SENT_ELSEWHERE}
    elif is_later and row.status == "failed":
        end_rest(row, FAILED)
    else:
        row.due_at = None
    if outcome.kind == "still_unknown":
        return None  # looked up without a result: do not repeat the same line in the ledger
    event = _LATER_EVENTS.get(outcome.kind, outcome.kind) if is_later else outcome.kind
    return LedgerEvent(row.id, event, _detail(outcome))


def _take_receipt(row: Publication, outcome: Outcome, receipt: PublishedPost, now: datetime) -> None:
    if row.rest != WAITING:
        row.external_id = receipt.external_id
        row.permalink = receipt.permalink
        row.published_at = receipt.published_at
        row.next_snapshot_at = next_snapshot_at(receipt.published_at, now)
    end_rest(row, None)
    if outcome.rest_at is not None and outcome.parts is not None:
        begin_rest(row, sent=outcome.parts.out, at=outcome.rest_at)


def _may_tell(row: Publication, outcome: Outcome, owner: str) -> bool:
    """Return whether an outcome counts: its owner's, and every receipt that is not older than the current step."""
    if outcome.receipt is None:
        return row.lease_owner == owner
    if row.rest != WAITING:
        return True
    # Told late by a publisher that lost its lease, a part that is known to be out says nothing about the next one.
    return outcome.parts is not None and outcome.parts.out > int(row.send_state.get(STEP, 0))


def _pause(session: Session, row: Publication, scope: RateLimitScope, until: datetime, reason: str) -> None:
    if scope == "account":
        pause_account_until(session, row.account_id, until, reason)
    else:
        pause_platform_until(session, row.platform, until, reason)


def _detail(outcome: Outcome) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if outcome.code:
        detail["code"] = outcome.code
    if outcome.message:
        detail["message"] = outcome.message
    if outcome.next_at:
        detail["next_at"] = outcome.next_at.isoformat()
    if outcome.rest_at:
        detail["rest_at"] = outcome.rest_at.isoformat()
    if outcome.parts:
        detail["parts"] = {
            "before": outcome.parts.before,
            "out": outcome.parts.out,
            "of": outcome.parts.total,
        }
    if outcome.receipt:
        detail |= {
            "external_id": outcome.receipt.external_id,
            "permalink": outcome.receipt.permalink,
            "published_at": outcome.receipt.published_at.isoformat(),
        }
    return detail
