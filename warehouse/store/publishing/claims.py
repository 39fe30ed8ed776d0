"""Claims with leases: which publisher may work on which publication.

Any number of publishers run at once, on any number of machines; the lease arbitrates. A claim is one short
transaction for a whole batch. Leases are far longer than the 15 s that writers were seen to wait on a
saturated SQLite.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVarTuple

from sqlalchemy import String, and_, bindparam, case, func, literal_column, or_, select, text, true, update
from sqlalchemy.orm import aliased

from connectors.types import PostContent
from warehouse.store.bulk import update_rows
from warehouse.store.models import (
    PLANNED,
    AccountRow,
    PlatformLimit,
    Post,
    Publication,
    UtcDateTime,
    Workspace,
    is_planned,
)
from warehouse.store.publishing.heartbeats import select_silent
from warehouse.store.publishing.later_parts import unless_resting
from warehouse.store.publishing.ledger import (
    HEAD,
    LedgerEvent,
    append_events,
    chain_event,
    head_of,
    insert_opened,
)
from warehouse.store.publishing.publications import note_publishing, refresh_post_status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, Row, Select, Subquery
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
"""So many due publications, the longest due, are read to find the accounts that have a turn."""
WALK = 2_000
"""At most so many accounts are asked one by one for their first due publication."""
MORE_HEADS = 3
"""How often, with more accounts than that, FEW_DUE due publications of accounts not seen yet are read."""

_Candidate = aliased(Publication)

_WALK_SQLITE = f"""
WITH RECURSIVE planned_accounts(account_id, step) AS (
  SELECT (
    SELECT account_id FROM publications INDEXED BY ix_publications_turn WHERE {PLANNED} ORDER BY account_id LIMIT 1
  ), 1
  UNION ALL
  SELECT (
    SELECT later.account_id FROM publications AS later INDEXED BY ix_publications_turn
    WHERE ({PLANNED}) AND later.account_id > planned_accounts.account_id
    ORDER BY later.account_id LIMIT 1
  ), step + 1
  FROM planned_accounts WHERE planned_accounts.account_id IS NOT NULL AND step <= :walk
)
SELECT account_id, (
  SELECT own.due_at FROM publications AS own INDEXED BY ix_publications_turn
  WHERE ({PLANNED}) AND own.due_at <= :horizon AND own.account_id = planned_accounts.account_id
  ORDER BY own.due_at LIMIT 1
) AS due_at
FROM planned_accounts
"""  # noqa: S608 (a constant is put in)
_CLAIMED_COLUMNS = tuple(
    getattr(_Candidate, column.key)
    for column in (
        *HEAD, Publication.post_id, Publication.account_id, Publication.platform, Publication.content,
        Publication.scheduled_at, Publication.due_at, Publication.first_attempt_at, Publication.unknown_since,
        Publication.send_state, Publication.rest, Publication.rest_at,
    )
)  # fmt: skip
"""What a claim reads: what is sent, and the end of the ledger."""

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
    # A claim that a crash of PostgreSQL undoes is only a claim less: `begin_sending` looks for it, and is durable.
    _commit_without_waiting(session)
    accounts = _list_accounts_in_turn(session, now=now, horizon=horizon, limit=limit, full=full)
    found: list[Row[Any]] = []
    while accounts and (room := limit - len(found)) > 0:
        turn, later = accounts[:room], accounts[room:]
        share = min(max(1, room // len(turn)), account_limit or limit)
        chosen = _choose(session, turn, horizon=horizon, share=share)
        _mark_claimed(session, chosen, owner=owner, now=now, lease_until=max(now, horizon) + lease)
        found += chosen
        counts = Counter(row.account_id for row in chosen)
        totals = Counter(row.account_id for row in found)
        # The others of this turn have nothing more that is free.
        accounts = later + [
            account
            for account in turn
            if counts[account] == share and (account_limit is None or totals[account] < account_limit)
        ]
    approved = _read_approved_media(session, found)
    claimed = (_claimed(row, "claimed", approved.get(row.post_id)) for row in found)
    return sorted(claimed, key=lambda row: (row.due_at, row.id))


def _mark_claimed(
    session: Session, rows: Sequence[Row[Any]], *, owner: str, now: datetime, lease_until: datetime
) -> None:
    """Give the publications that `_choose` locked to `owner`, with their ledgers and posts."""
    events = [chain_event(row, LedgerEvent(row.id, "claimed"), now=now, owner=owner) for row in rows]
    update_rows(
        session,
        Publication,
        [head_of(event) for event in events],
        status="claimed",
        lease_owner=owner,
        lease_until=lease_until,
        updated_at=now,
    )
    insert_opened(session, events)
    # A post with a claimed publication is "publishing", whatever the others are; a later part changes nothing.
    note_publishing(session, {row.post_id for row in rows if row.rest is None}, now)


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
    return [_claimed(row, row.status) for row in rows]


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


def _commit_without_waiting(session: Session) -> None:
    """Let this transaction's commit return before it is on the disk; only for what may be lost."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL synchronous_commit = off"))


def _list_accounts_in_turn(
    session: Session, *, now: datetime, horizon: datetime, limit: int, full: Collection[str]
) -> list[str]:
    """Return up to `limit` accounts with something due that may be called, the one that waits longest first.

    Reads the FEW_DUE publications that are due for longest. Where these are of too few accounts, because some have a
    backlog or may not be called, each account with planned posts is asked for its first: the cost of a claim must not
    grow with the backlog. With more than WALK such accounts, the due publications of the others are read instead.
    """
    first = _read_waiting(session, _select_longest_due(horizon), now=now)
    found = [account for account in first.callable if account not in full]
    if len(found) >= limit or first.read <= FEW_DUE:
        return found[:limit]
    walked = _read_waiting(session, _walk_accounts(session, horizon), now=now)
    if walked.read <= WALK:
        return [account for account in walked.callable if account not in full][:limit]
    seen = first.accounts
    for _ in range(MORE_HEADS):
        more = _read_waiting(session, _select_longest_due(horizon, without=seen), now=now)
        found += [account for account in more.callable if account not in full]
        if len(found) >= limit or more.read <= FEW_DUE:
            break
        seen |= more.accounts
    return found[:limit]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Accounts with something due."""

    accounts: set[str]
    callable: list[str]
    """Those that may be called, the one that waits longest first."""
    read: int
    """How many rows the choice has read."""


def _read_waiting(session: Session, rows: Subquery, *, now: datetime) -> _Waiting:
    """Return the accounts in `rows` of an account and the time of something due (NULL: nothing is)."""
    waiting = (
        select(
            rows.c.account_id,
            func.min(rows.c.due_at).label("first_due"),
            func.sum(func.count()).over().label("read"),
        )
        .group_by(rows.c.account_id)
        .subquery()
    )
    query = (
        select(AccountRow.id, waiting.c.first_due, waiting.c.read, and_(*may_call(now)).label("may_call"))
        .join(waiting, waiting.c.account_id == AccountRow.id)
        .join(Workspace, Workspace.id == AccountRow.workspace_id)
        .outerjoin(PlatformLimit, PlatformLimit.platform == AccountRow.platform)
        .order_by(waiting.c.first_due, AccountRow.id)
    )
    found = [row for row in session.execute(query) if row.first_due is not None or row.read > WALK]
    return _Waiting(
        {row.id for row in found},
        [row.id for row in found if row.may_call and row.first_due is not None],
        int(found[0].read) if found else 0,
    )


def _select_longest_due(horizon: datetime, *, without: Collection[str] = ()) -> Subquery:
    """Select account and due time of the FEW_DUE publications that are due for longest, and of one more."""
    query = select(Publication.account_id, Publication.due_at).where(_due(horizon))
    if without:
        query = query.where(Publication.account_id.not_in(without))
    return query.order_by(Publication.due_at).limit(FEW_DUE + 1).subquery()


def _walk_accounts(session: Session, horizon: datetime) -> Subquery:
    """Select each account with planned posts, and when its first is due, by one index entry per account.

    At most WALK + 1 of them, in the order of their ids. The index of turns is named, or its order asked for: else the
    databases were seen to read the history, or everything due for each account.
    """
    if session.get_bind().dialect.name == "sqlite":
        until = bindparam("horizon", horizon, type_=UtcDateTime())
        walked = text(_WALK_SQLITE).bindparams(until, walk=WALK)
        return walked.columns(account_id=String(), due_at=UtcDateTime()).subquery()
    account_id, due_at = _Candidate.account_id, _Candidate.due_at
    step: ColumnElement[int] = literal_column("1").label("step")
    # Times that are not set come last there, so that the first entry of an account is its earliest.
    first = select(account_id, due_at).where(is_planned(_Candidate))
    first = first.order_by(account_id, due_at, _Candidate.id).limit(1)
    walk = select(first.subquery(), step).cte("planned_accounts", recursive=True)
    following = first.where(account_id > walk.c.account_id).correlate(walk).lateral()
    walk = walk.union_all(
        select(following, walk.c.step + 1)
        .select_from(walk)
        .join(following, true())
        .where(walk.c.step <= WALK)
    )
    earliest = case((walk.c.due_at <= horizon, walk.c.due_at))
    return select(walk.c.account_id, earliest.label("due_at")).subquery()


def _choose(
    session: Session, accounts: Collection[str], *, horizon: datetime, share: int
) -> Sequence[Row[Any]]:
    """Return, and lock on PostgreSQL, the first `share` publications of each account that nobody else has locked.

    The lock is taken within the choice. If it came after the limit, publishers that claim at the same time would all
    choose the same publications, and all but one of them would get nothing. What was rescheduled, or sent back for
    approval, before it was locked is left out: PostgreSQL checks the condition again under the lock.
    """
    of_account = (
        select(_Candidate)
        .where(_Candidate.account_id == AccountRow.id, _due(horizon, _Candidate))
        .order_by(_Candidate.due_at, _Candidate.id)
        .limit(share)
        .correlate(AccountRow)
    )
    if session.get_bind().dialect.name == "postgresql":
        mine = of_account.with_only_columns(*_CLAIMED_COLUMNS).with_for_update(skip_locked=True).lateral()
        chosen = select(mine).select_from(AccountRow).join(mine, true())
    else:  # SQLite knows neither LATERAL nor locks of rows: it has one writer at a time
        ids = of_account.with_only_columns(_Candidate.id).correlate(AccountRow)
        columns = [Publication.__table__.c[column.key] for column in _CLAIMED_COLUMNS]
        chosen = select(*columns).select_from(AccountRow).join(Publication, Publication.id.in_(ids))
    return session.execute(chosen.where(AccountRow.id.in_(accounts))).all()


def _due(horizon: datetime, table: type[Publication] = Publication) -> ColumnElement[bool]:
    return and_(is_planned(table), table.due_at <= horizon)


def _unknown(now: datetime) -> ColumnElement[bool]:
    free = or_(
        Publication.lease_until.is_(None),
        Publication.lease_until <= now,
        Publication.lease_owner.in_(select_silent(now)),  # looking up twice is harmless
    )
    return and_(Publication.status == "unknown", Publication.due_at <= now, free)


def _read_approved_media(session: Session, rows: Sequence[Row[Any]]) -> dict[str, dict[str, str]]:
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


def _claimed(
    row: Publication | Row[Any], status: str, approved_media: Mapping[str, str] | None = None
) -> ClaimedPublication:
    if row.scheduled_at is None or row.due_at is None:
        raise AssertionError(f"publication {row.id} is {row.status} without a time")
    return ClaimedPublication(
        id=row.id,
        post_id=row.post_id,
        workspace_id=row.workspace_id,
        account_id=row.account_id,
        platform=row.platform,
        content=PostContent.model_validate(row.content),
        status=status,
        scheduled_at=row.rest_at or row.scheduled_at,
        due_at=row.due_at,
        attempts=row.attempts,
        first_attempt_at=row.first_attempt_at,
        unknown_since=row.unknown_since,
        send_state=dict(row.send_state),
        approved_media=approved_media or {},
    )
