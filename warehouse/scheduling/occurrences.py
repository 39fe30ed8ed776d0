"""Occurrences of recurring posts: turned into posts ahead of time, each exactly once; changed and canceled.

Every function works under the lock of the rule's row. The primary key (rule, occurrence) and the post are written in
one transaction, so that neither a crash nor a second process duplicates or loses an occurrence.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from connectors.types import PostContent
from warehouse.errors import ConflictError
from warehouse.scheduling.local_times import LocalInstant, describe_resolution
from warehouse.scheduling.recurrence_rules import parse_rule
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.posts import PostDraft, cancel_post, create_post, update_post
from warehouse.store.schedules.recurrence_models import Recurrence, RecurrenceOccurrence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from warehouse.scheduling.recurrence_rules import Occurrence, RecurrenceRule

WORDING = ("media", "link", "thread", "first_comment", "options", "variants")


def rule_of(row: Recurrence) -> RecurrenceRule:
    """Return a stored rule as an expandable rule."""
    starts_at = datetime.fromisoformat(row.starts_at)
    return parse_rule(row.rrule, starts_at, ZoneInfo(row.timezone), frozenset(row.skipped))


def list_due_rules(session: Session, *, before: datetime, limit: int) -> list[str]:
    """Return the ids of rules whose posts exist only up to a time before `before`, furthest behind first."""
    query = select(Recurrence.id).where(Recurrence.deleted_at.is_(None), Recurrence.made_until < before)
    return list(session.scalars(query.order_by(Recurrence.made_until, Recurrence.id).limit(limit)))


def extend_rule(session: Session, recurrence_id: str, *, until: datetime, now: datetime) -> list[str]:
    """Create the missing posts of occurrences up to `until` (UTC); return their ids.

    Also [] while another process holds the rule. Occurrences missed while nothing ran are created as well; the
    publisher decides by their lateness.
    """
    query = select(Recurrence).where(Recurrence.id == recurrence_id, Recurrence.deleted_at.is_(None))
    locked = query.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    row = session.scalars(locked).one_or_none()
    if row is None or row.made_until is None or row.made_until >= until:
        return []
    return _make(session, row, after=row.made_until, until=until, now=now)


def _make(session: Session, row: Recurrence, *, after: datetime, until: datetime, now: datetime) -> list[str]:
    occurrences = rule_of(row).between(after, until)
    made = [_make_post(session, row, occurrence, now) for occurrence in occurrences.found]
    row.made_until = None if occurrences.ended else until
    return [post_id for post_id in made if post_id is not None]


def _make_post(session: Session, row: Recurrence, occurrence: Occurrence, now: datetime) -> str | None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    is_new = session.scalar(
        insert(RecurrenceOccurrence)
        .values(
            recurrence_id=row.id,
            occurrence=occurrence.key,
            workspace_id=row.workspace_id,
            at=occurrence.at,
            made_at=now,
        )
        .on_conflict_do_nothing()
        .returning(RecurrenceOccurrence.occurrence)
    )
    if is_new is None:
        return None
    draft = _draft(session, row, occurrence)
    if not draft.targets:
        return None
    post = create_post(session, row.workspace_id, draft, now)
    session.get_one(RecurrenceOccurrence, (row.id, occurrence.key)).post_id = post.id
    session.flush()
    return post.id


def rearrange(
    session: Session, row: Recurrence, before_change: Mapping[str, Any], *, until: datetime, now: datetime
) -> None:
    """Update the unsent posts of a changed rule, then create the missing ones.

    `before_change`: content and details from which the rule's posts were created. Skips posts that are sent,
    being sent, canceled, or changed by hand.
    """
    wanted = {one.key: one for one in rule_of(row).between(now, until).found}
    for known in _future(session, row, now):
        post = session.get(Post, known.post_id) if known.post_id else None
        occurrence = wanted.get(known.occurrence)
        if post is None:
            session.delete(known)  # its accounts may be connected again, or replaced by others
        elif _is_untouched(session, post, known, before_change):
            _adapt(session, row, known, post, occurrence, now)
    session.flush()
    _make(session, row, after=now, until=until, now=now)


def _adapt(  # noqa: PLR0917 (the occurrence and its new values)
    session: Session,
    row: Recurrence,
    known: RecurrenceOccurrence,
    post: Post,
    occurrence: Occurrence | None,
    now: datetime,
) -> None:
    draft = None if occurrence is None else _draft(session, row, occurrence)
    try:
        # A publisher may claim it in the meantime: then it is published unchanged.
        with session.begin_nested():
            if occurrence is None or draft is None or not draft.targets:
                cancel_post(session, row.workspace_id, post.id, now)
                session.delete(known)
            else:
                update_post(session, row.workspace_id, post.id, draft, now)
                known.at = occurrence.at
    except ConflictError as error:
        if error.code != "already_claimed":
            raise


def cancel_unsent(session: Session, row: Recurrence, now: datetime) -> int:
    """Cancel the rule's posts of which nothing is sent or being sent; return the number."""
    query = (
        select(RecurrenceOccurrence.post_id)
        .join(Post, Post.id == RecurrenceOccurrence.post_id)
        .where(RecurrenceOccurrence.recurrence_id == row.id, Post.status.in_(("scheduled", "draft")))
    )
    canceled = 0
    for post_id in session.scalars(query):
        try:
            with session.begin_nested():
                cancel_post(session, row.workspace_id, str(post_id), now)
        except ConflictError as error:
            if error.code != "already_claimed":
                raise
        else:
            canceled += 1
    return canceled


def posts_of(session: Session, recurrence_id: str, *, after: datetime) -> dict[str, str | None]:
    """Return the posts of a rule's occurrences at or after an instant, as occurrence -> post id."""
    query = select(RecurrenceOccurrence.occurrence, RecurrenceOccurrence.post_id).where(
        RecurrenceOccurrence.recurrence_id == recurrence_id, RecurrenceOccurrence.at >= after
    )
    return dict(session.execute(query).all())


def _future(session: Session, row: Recurrence, now: datetime) -> list[RecurrenceOccurrence]:
    query = select(RecurrenceOccurrence).where(
        RecurrenceOccurrence.recurrence_id == row.id, RecurrenceOccurrence.at >= now
    )
    return list(session.scalars(query.order_by(RecurrenceOccurrence.at)))


def _is_untouched(
    session: Session, post: Post, known: RecurrenceOccurrence, before_change: Mapping[str, Any]
) -> bool:
    statuses = set(session.scalars(select(Publication.status).where(Publication.post_id == post.id)))
    said: dict[str, Any] = before_change["details"]
    return (
        bool(statuses)
        and statuses <= {"scheduled", "draft"}
        and post.scheduled_at == known.at
        and post.content == before_change["content"]
        and all((post.details.get(name) or None) == (said.get(name) or None) for name in WORDING)
    )


def _draft(session: Session, row: Recurrence, occurrence: Occurrence) -> PostDraft:
    accounts = session.scalars(
        select(AccountRow)
        # A revoked account may be reconnected in time; otherwise the publication fails with the reason.
        .where(AccountRow.id.in_(list(row.contents)), AccountRow.status.in_(("active", "revoked")))
        .order_by(AccountRow.id)
        .with_for_update()
    )
    zone = ZoneInfo(row.timezone)
    instant = LocalInstant(occurrence.at, occurrence.resolution)
    return PostDraft(
        content=row.content,
        targets=[
            Target(account, PostContent.model_validate(row.contents[account.id])) for account in accounts
        ],
        scheduled_at=occurrence.at,
        details={
            **row.details,
            "scheduling": {
                "requested": occurrence.key,
                "timezone": row.timezone,
                "resolution": occurrence.resolution,
                "note": describe_resolution(occurrence.key, instant, zone),
            },
            "recurrence": {"id": row.id, "occurrence": occurrence.key},
        },
        client_ref=row.client_ref,
        # A rule repeats content on purpose.
        allow_duplicate=True,
    )
