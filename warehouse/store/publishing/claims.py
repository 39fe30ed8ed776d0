"""Claims with leases: which publisher may work on which publication.

Any number of publishers run at once, on any number of machines; the lease arbitrates. A claim is one short
transaction for a whole batch. Leases are far longer than the 15 s that writers were seen to wait on a
saturated SQLite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVarTuple

from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.orm import aliased

from connectors.types import PostContent
from warehouse.store.models import AccountRow, PlatformLimit, Post, Publication, Workspace
from warehouse.store.publishing.heartbeats import select_silent
from warehouse.store.publishing.later_parts import is_resting, unless_resting
from warehouse.store.publishing.ledger import LedgerEvent, append_events
from warehouse.store.publishing.publications import refresh_post_status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

_Columns = TypeVarTuple("_Columns")


@dataclass(frozen=True, slots=True)
class ClaimedPublication:
    """What a publisher needs to send or look up one publication."""

    id: str
    post_id: str
    workspace_id: str
    account_id: str
    platform: str
    content: PostContent
    status: str
    scheduled_at: datetime
    """The planned time: that of the next part, once the first one is out."""
    due_at: datetime
    attempts: int
    first_attempt_at: datetime | None
    unknown_since: datetime | None
    send_state: dict[str, Any]
    approved_media: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 (hex) of the approved bytes, by URL of the media; {} = any bytes may be sent."""


_OPEN_AND_DUE = (
    select(Publication.id)
    .where(
        Publication.status.in_(("scheduled", "unknown", "published")),
        Publication.due_at <= bindparam("horizon"),
    )
    .limit(1)
)
"""Built once: every publisher runs it every second, mostly without result, and building costs most."""


def claim_due(
    session: Session, *, owner: str, now: datetime, horizon: datetime, limit: int, lease: timedelta
) -> list[ClaimedPublication]:
    """Claim publications due before `horizon`, at most `limit`, round-robin over the accounts.

    Skipped: paused workspaces, accounts and platforms, and accounts that are not active. The lease starts at
    each publication's due time, so that an early claim does not expire before it.
    """
    due = _due(horizon)
    ready = (
        join_limits(select(Publication.id, Publication.account_id, Publication.due_at))
        .where(due, *may_call(now))
        .subquery()
    )
    turn = func.row_number().over(partition_by=ready.c.account_id, order_by=(ready.c.due_at, ready.c.id))
    # Round-robin: an account with 1,000 due posts must not delay an account with one.
    ordered = select(ready.c.id).order_by(turn, ready.c.due_at, ready.c.id).limit(limit)
    chosen = list(session.scalars(ordered))
    rows = take(
        session,
        chosen,
        due,  # checked again under the lock: it may have been rescheduled or sent back for approval meanwhile
        status="claimed",
        lease_owner=owner,
        lease_until=max(now, horizon) + lease,
        updated_at=now,
    )
    events = [LedgerEvent(row.id, "claimed") for row in rows]
    append_events(session, events, now=now, owner=owner)
    refresh_post_status(session, {row.post_id for row in rows}, now)
    approved = _read_approved_media(session, rows)
    claimed = (_claimed(row, approved.get(row.post_id)) for row in rows)
    return sorted(claimed, key=lambda row: (row.due_at, row.id))


def claim_unknown(
    session: Session, *, owner: str, now: datetime, limit: int, lease: timedelta
) -> list[ClaimedPublication]:
    """Claim publications with an unknown outcome whose next look-up is due, oldest first."""
    due = _unknown(now)
    readable = join_limits(select(Publication.id)).where(due, *may_call(now, for_reading=True))
    chosen = list(session.scalars(readable.order_by(Publication.due_at, Publication.id).limit(limit)))
    rows = take(session, chosen, due, lease_owner=owner, lease_until=now + lease)
    return [_claimed(row) for row in rows]


def has_work(session: Session, *, now: datetime, horizon: datetime) -> bool:
    """Return whether `claim_due` or `claim_unknown` would find anything, without taking a lock."""
    if session.scalar(_OPEN_AND_DUE, {"horizon": horizon}) is None:
        return False
    sendable = join_limits(select(Publication.id)).where(_due(horizon), *may_call(now)).limit(1)
    readable = (
        join_limits(select(Publication.id)).where(_unknown(now), *may_call(now, for_reading=True)).limit(1)
    )
    return any(session.scalar(query) is not None for query in (sendable, readable))


def renew_leases(session: Session, ids: Collection[str], *, owner: str, until: datetime) -> set[str]:
    """Extend the leases that `owner` still holds; return their ids."""
    statement = (
        update(Publication)
        .where(Publication.id.in_(ids), Publication.lease_owner == owner)
        .values(lease_until=until)
        .returning(Publication.id)
        .execution_options(synchronize_session=False)
    )
    return set(session.scalars(statement))


def release_claims(
    session: Session,
    *,
    owner: str,
    now: datetime,
    ids: Collection[str] | None = None,
    reason: str | None = None,
) -> None:
    """Release what `owner` claimed (of `ids`; None = everything) and has not started to send."""
    mine = and_(Publication.status == "claimed", Publication.lease_owner == owner)
    chosen = list(session.scalars(select(Publication.id).where(mine))) if ids is None else list(ids)
    status = unless_resting("scheduled")
    rows = take(session, chosen, mine, status=status, lease_owner=None, lease_until=None, reason=reason)
    events = [LedgerEvent(row.id, "released", {"message": reason} if reason else {}) for row in rows]
    append_events(session, events, now=now, owner=owner)
    refresh_post_status(session, {row.post_id for row in rows}, now)


def pause_account_until(session: Session, account_id: str, until: datetime, reason: str) -> None:
    """Pause sending for this account until then; a longer pause is kept. Other accounts are not affected."""
    longer = or_(AccountRow.rate_limited_until.is_(None), AccountRow.rate_limited_until < until)
    session.execute(
        update(AccountRow)
        .where(AccountRow.id == account_id, longer)
        .values(rate_limited_until=until, rate_limit_reason=reason)
    )


def pause_platform_until(session: Session, platform: str, until: datetime, reason: str) -> None:
    """Pause sending on this platform until then, for a limit of the app rather than of an account."""
    limit = session.get(PlatformLimit, platform, with_for_update=True)
    if limit is None:
        session.add(PlatformLimit(platform=platform, paused_until=until, reason=reason))
    elif limit.paused_until < until:
        limit.paused_until, limit.reason = until, reason


def join_limits(query: Select[*_Columns]) -> Select[*_Columns]:
    """Join a query on publications with everything that may pause their sending."""
    return (
        query.join(AccountRow, AccountRow.id == Publication.account_id)
        .join(Workspace, Workspace.id == Publication.workspace_id)
        .outerjoin(PlatformLimit, PlatformLimit.platform == Publication.platform)
    )


def may_call(now: datetime, *, for_reading: bool = False) -> list[ColumnElement[bool]]:
    """Conditions under which the platform may be called for a publication."""
    conditions: list[ColumnElement[bool]] = [
        AccountRow.status == "active",
        or_(AccountRow.rate_limited_until.is_(None), AccountRow.rate_limited_until <= now),
        or_(PlatformLimit.paused_until.is_(None), PlatformLimit.paused_until <= now),
    ]
    if not for_reading:  # a manual pause stops sending; look-ups of outcomes continue
        conditions += [AccountRow.paused_at.is_(None), Workspace.publishing_paused_at.is_(None)]
    return conditions


def take(
    session: Session,
    ids: Sequence[str],
    condition: ColumnElement[bool],
    **values: Any,  # noqa: ANN401 (column values)
) -> list[Publication]:
    """Update those of `ids` that still satisfy `condition` and are not locked by another transaction."""
    if not ids:
        return []
    row = aliased(Publication)
    lock = select(row.id).where(row.id.in_(ids)).with_for_update(skip_locked=True)
    statement = (
        update(Publication)
        .where(Publication.id.in_(lock), condition)
        .values(**values)
        .returning(Publication)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return list(session.scalars(statement))


def _due(horizon: datetime) -> ColumnElement[bool]:
    # Both halves name the status and the time, so that the index on them serves each.
    return or_(
        and_(Publication.status == "scheduled", Publication.due_at <= horizon),
        and_(is_resting(), Publication.due_at <= horizon),
    )


def _unknown(now: datetime) -> ColumnElement[bool]:
    free = or_(
        Publication.lease_until.is_(None),
        Publication.lease_until <= now,
        Publication.lease_owner.in_(select_silent(now)),  # looking up twice is harmless
    )
    return and_(Publication.status == "unknown", Publication.due_at <= now, free)


def _read_approved_media(session: Session, rows: Sequence[Publication]) -> dict[str, dict[str, str]]:
    """Return the approved media of the posts of publications with media, by post id."""
    ids = {row.post_id for row in rows if _has_media(row.content)}
    if not ids:
        return {}
    query = select(Post.id, Post.approved_media).where(Post.id.in_(ids), Post.approved_media.is_not(None))
    return {post_id: dict(approved or {}) for post_id, approved in session.execute(query)}


def _has_media(content: Mapping[str, Any]) -> bool:
    """Return whether any part has media; a part that is a string is only a text."""
    parts = [content, *(content.get("thread") or ()), content.get("first_comment")]
    return any(isinstance(part, dict) and part.get("media") for part in parts)


def _claimed(row: Publication, approved_media: Mapping[str, str] | None = None) -> ClaimedPublication:
    if row.scheduled_at is None or row.due_at is None:
        raise AssertionError(f"publication {row.id} is {row.status} without a time")
    return ClaimedPublication(
        id=row.id,
        post_id=row.post_id,
        workspace_id=row.workspace_id,
        account_id=row.account_id,
        platform=row.platform,
        content=PostContent.model_validate(row.content),
        status=row.status,
        scheduled_at=row.rest_at or row.scheduled_at,
        due_at=row.due_at,
        attempts=row.attempts,
        first_attempt_at=row.first_attempt_at,
        unknown_since=row.unknown_since,
        send_state=dict(row.send_state),
        approved_media=approved_media or {},
    )
