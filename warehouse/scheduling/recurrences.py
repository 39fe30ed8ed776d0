"""Create, read, change and delete recurrence rules; each change updates their unsent posts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.errors import ConflictError, NotFoundError
from warehouse.scheduling.occurrences import cancel_unsent, extend_rule, rearrange
from warehouse.store.database import new_id
from warehouse.store.posts.media import note_uses
from warehouse.store.schedules.recurrence_models import Recurrence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.scheduling.recurrence_rules import RecurrenceRule
    from warehouse.store.posts.duplicates import Target


@dataclass(frozen=True, slots=True)
class RecurrenceDraft:
    """A recurrence rule as planned, already checked against the platforms' limits."""

    rule: RecurrenceRule
    content: str
    targets: Sequence[Target]
    details: dict[str, Any] = field(default_factory=dict)
    """The same fields as a post's details: media, link, variants, thread, first_comment."""
    client_ref: str | None = None
    allow_duplicate: bool = False


def create_recurrence(
    session: Session, workspace_id: str, draft: RecurrenceDraft, *, until: datetime, now: datetime
) -> Recurrence:
    """Save a rule and create its posts from now up to `until`.

    Raises ConflictError (code duplicate) if the same rule with the same content exists.
    """
    row = Recurrence(
        id=new_id("rec"),
        workspace_id=workspace_id,
        version=1,
        made_until=now,
        created_at=now,
        updated_at=now,
    )
    _fill(row, draft)
    if not draft.allow_duplicate:
        _refuse_duplicate(session, row)
    session.add(row)
    session.flush()
    contents = [target.content for target in draft.targets]
    note_uses(session, workspace_id, row.id, draft.details, contents, is_new=True)
    extend_rule(session, row.id, until=until, now=now)
    return row


def get_recurrence(session: Session, workspace_id: str, recurrence_id: str) -> Recurrence:
    """Return the rule. Raises NotFoundError, also for a deleted rule or one of another workspace."""
    row = session.get(Recurrence, recurrence_id)
    if row is None or row.workspace_id != workspace_id or row.deleted_at is not None:
        raise NotFoundError(f"there is no recurrence {recurrence_id} in this workspace")
    return row


def list_recurrences(
    session: Session, workspace_id: str, *, before_id: str | None = None, limit: int = 20
) -> tuple[list[Recurrence], bool]:
    """Return one page of rules, newest first, and whether more follow."""
    query = select(Recurrence).where(Recurrence.workspace_id == workspace_id, Recurrence.deleted_at.is_(None))
    if before_id is not None:
        query = query.where(Recurrence.id < before_id)
    rows = list(session.scalars(query.order_by(Recurrence.id.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def update_recurrence(
    session: Session,
    workspace_id: str,
    recurrence_id: str,
    draft: RecurrenceDraft,
    now: datetime,
    *,
    until: datetime,
    expected_version: int | None = None,
) -> Recurrence:
    """Change a rule and its unsent posts; posts sent or changed by hand stay.

    Raises ConflictError (code stale) if `expected_version` is not the current version.
    """
    row = _lock(session, workspace_id, recurrence_id)
    _require_version(row, expected_version)
    before_change = {"content": row.content, "details": dict(row.details)}
    made_until = row.made_until
    _fill(row, draft)
    row.version += 1
    row.updated_at = now
    contents = [target.content for target in draft.targets]
    note_uses(session, workspace_id, row.id, draft.details, contents, is_new=False)
    session.flush()
    rearrange(session, row, before_change, until=max(until, made_until or until), now=now)
    return row


def delete_recurrence(
    session: Session,
    workspace_id: str,
    recurrence_id: str,
    now: datetime,
    *,
    cancel_posts: bool,
    expected_version: int | None = None,
) -> tuple[Recurrence, int]:
    """End a rule; with `cancel_posts` also cancel its unsent posts. Returns the rule and the number canceled."""
    row = _lock(session, workspace_id, recurrence_id)
    _require_version(row, expected_version)
    row.deleted_at = row.updated_at = now
    row.version += 1
    canceled = cancel_unsent(session, row, now) if cancel_posts else 0
    return row, canceled


def _fill(row: Recurrence, draft: RecurrenceDraft) -> None:
    row.rrule = draft.rule.text
    row.starts_at = draft.rule.starts_at.isoformat()
    row.timezone = draft.rule.zone.key
    row.skipped = sorted(draft.rule.skipped)
    row.content = draft.content
    row.details = draft.details
    row.contents = {target.account.id: target.content.model_dump(mode="json") for target in draft.targets}
    row.client_ref = draft.client_ref
    told = [row.rrule, row.starts_at, row.timezone, row.contents]
    row.fingerprint = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _refuse_duplicate(session: Session, row: Recurrence) -> None:
    query = select(Recurrence.id).where(
        Recurrence.workspace_id == row.workspace_id,
        Recurrence.fingerprint == row.fingerprint,
        Recurrence.deleted_at.is_(None),
    )
    existing = session.scalars(query.order_by(Recurrence.id).limit(1)).one_or_none()
    if existing is not None:
        raise ConflictError(
            f"recurrence {existing} has the same content and times: set allow_duplicate to true if that is intended",
            code="duplicate",
            existing_id=existing,
        )


def _lock(session: Session, workspace_id: str, recurrence_id: str) -> Recurrence:
    get_recurrence(session, workspace_id, recurrence_id)
    query = select(Recurrence).where(Recurrence.id == recurrence_id, Recurrence.deleted_at.is_(None))
    locked = query.with_for_update().execution_options(populate_existing=True)
    row = session.scalars(locked).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no recurrence {recurrence_id} in this workspace")
    return row


def _require_version(row: Recurrence, expected_version: int | None) -> None:
    if expected_version is not None and row.version != expected_version:
        raise ConflictError(
            "the recurrence was changed since it was read: read it again and repeat the change", code="stale"
        )
