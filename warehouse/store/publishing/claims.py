"""Claims with leases: which publisher may work on which publication.

Any number of publishers run at once, on any number of machines; the lease arbitrates. A claim is one short
transaction for a whole batch. Leases are far longer than the 15 s that writers were seen to wait on a
saturated SQLite.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVarTuple

from sqlalchemy import and_, bindparam, func, or_, select, true, update
from sqlalchemy.orm import aliased

from connectors.types import PostContent
from warehouse.store.models import AccountRow, PlatformLimit, Post, Publication, Workspace, is_planned
from warehouse.store.publishing.heartbeats import select_silent
from warehouse.store.publishing.later_parts import unless_resting
from warehouse.store.publishing.ledger import LedgerEvent, append_events
from warehouse.store.publishing.publications import refresh_post_status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, Select, Subquery
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


FEW_DUE = 2_000
"""Up to this many due publications are read to find the accounts that have a turn."""

_Candidate = aliased(Publication)

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
    session: Session,
    *,
    owner: str,
    now: datetime,
    horizon: datetime,
    limit: int,
    lease: timedelta,
    account_limit: int | None = None,
    full: Collection[str] = (),
) -> list[ClaimedPublication]:
    """Claim publications due before `horizon`, at most `limit`, in turns over the accounts.

    An account with 1,000 due posts must not delay an account with one. At most `account_limit` are of one account,
    and none of the accounts in `full`. Skipped: paused workspaces, accounts and platforms, accounts that are not
    active, and what another publisher is claiming at the same moment; what is due after that is claimed instead. The
    lease starts at each publication's due time, so that an early claim does not expire before it.
    """
    due = _due(horizon)
    accounts = _list_accounts_in_turn(session, now=now, horizon=horizon, limit=limit, full=full)
    rows: list[Publication] = []
    while accounts and (room := limit - len(rows)) > 0:
        turn, later = accounts[:room], accounts[room:]
        share = min(max(1, room // len(turn)), account_limit or limit)
        taken = take(
            session,
            _choose(session, turn, due=_due(horizon, _Candidate), share=share),
            due,  # checked again under the lock: it may have been rescheduled or sent back for approval meanwhile
            status="claimed",
            lease_owner=owner,
            lease_until=max(now, horizon) + lease,
            updated_at=now,
        )
        rows += taken
        counts = Counter(row.account_id for row in taken)
        totals = Counter(row.account_id for row in rows)
        # The others of this turn have nothing more that is free.
        accounts = later + [
            account
            for account in turn
            if counts[account] == share and (account_limit is None or totals[account] < account_limit)
        ]
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
    readable = (
        join_limits(select(Publication.id))
        .where(due, *may_call(now, for_reading=True))
        .order_by(Publication.due_at, Publication.id)
        .limit(limit)
        .with_for_update(of=Publication, skip_locked=True)
    )
    rows = take(session, list(session.scalars(readable)), due, lease_owner=owner, lease_until=now + lease)
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


def _list_accounts_in_turn(
    session: Session, *, now: datetime, horizon: datetime, limit: int, full: Collection[str]
) -> list[str]:
    """Return up to `limit` accounts with something due that may be called, the one that waits longest first.

    Reads the due publications where there are few, else one index entry for each account that has planned posts: the
    cost of a claim must not grow with the backlog.
    """
    due = _due(horizon)
    few = select(Publication.id).where(due).limit(FEW_DUE + 1).subquery()
    if (session.scalar(select(func.count()).select_from(few)) or 0) <= FEW_DUE:
        waiting = (
            select(Publication.account_id, func.min(Publication.due_at).label("first_due"))
            .where(due)
            .group_by(Publication.account_id)
            .subquery()
        )
    else:
        waiting = _find_first_due(horizon)
    query = (
        select(AccountRow.id)
        .join(waiting, waiting.c.account_id == AccountRow.id)
        .join(Workspace, Workspace.id == AccountRow.workspace_id)
        .outerjoin(PlatformLimit, PlatformLimit.platform == AccountRow.platform)
        .where(AccountRow.id.not_in(full), *may_call(now))
        .order_by(waiting.c.first_due, AccountRow.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def _find_first_due(horizon: datetime) -> Subquery:
    """Select each account with a due publication and the time of its first, in steps from account to account."""
    planned = is_planned(_Candidate)
    account_id = _Candidate.account_id
    first = select(account_id).where(planned).order_by(account_id).limit(1)
    walk = select(first.scalar_subquery().label("account_id")).cte("planned_accounts", recursive=True)
    following = (
        select(account_id).where(planned, account_id > walk.c.account_id).order_by(account_id).limit(1)
    )
    walk = walk.union_all(
        select(following.correlate(walk).scalar_subquery()).where(walk.c.account_id.is_not(None))
    )
    first_due = (
        select(_Candidate.due_at)
        .where(_due(horizon, _Candidate), account_id == walk.c.account_id)
        .order_by(_Candidate.due_at)
        .limit(1)
        .correlate(walk)
        .scalar_subquery()
    )
    found = select(walk.c.account_id, first_due.label("first_due")).subquery()
    return select(found).where(found.c.first_due.is_not(None)).subquery()


def _choose(
    session: Session, accounts: Collection[str], *, due: ColumnElement[bool], share: int
) -> list[str]:
    """Return, and lock on PostgreSQL, the first `share` publications of each account that nobody else has locked.

    The lock is taken within the choice. If it came after the limit, publishers that claim at the same time would all
    choose the same publications, and all but one of them would get nothing.
    """
    of_account = (
        select(_Candidate.id)
        .where(_Candidate.account_id == AccountRow.id, due)
        .order_by(_Candidate.due_at, _Candidate.id)
        .limit(share)
        .correlate(AccountRow)
    )
    if session.get_bind().dialect.name == "postgresql":
        mine = of_account.with_for_update(skip_locked=True).lateral()
        chosen = select(mine.c.id).select_from(AccountRow).join(mine, true())
    else:  # SQLite knows neither LATERAL nor locks of rows: it has one writer at a time
        chosen = (
            select(Publication.id).select_from(AccountRow).join(Publication, Publication.id.in_(of_account))
        )
    return list(session.scalars(chosen.where(AccountRow.id.in_(accounts))))


def _due(horizon: datetime, table: type[Publication] = Publication) -> ColumnElement[bool]:
    return and_(is_planned(table), table.due_at <= horizon)


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
