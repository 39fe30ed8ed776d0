"""Write and read the audit log. There is no way to change or delete an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import or_, select

from warehouse.errors import InvalidInputError
from warehouse.store.audit.actors import Actor, current_actor
from warehouse.store.audit.models import AuditEntry
from warehouse.store.database import new_id
from warehouse.store.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

Action = Literal[
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "session_ended",
    "api_key_created",
    "api_key_revoked",
    "account_connection_started",
    "account_connection_failed",
    "account_changed",
    "account_connected",
    "account_disconnected",
    "account_paused",
    "account_resumed",
    "workspace_created",
    "workspace_changed",
    "publishing_paused",
    "publishing_resumed",
    "post_approved",
    "post_rejected",
    "post_edited",
    "post_unpublished",
    "post_marked_paid",
    "webhook_created",
    "webhook_changed",
    "webhook_deleted",
    "webhook_secret_rotated",
    "data_exported",
    "import_started",
    "import_finished",
    "import_failed",
    "import_undone",
    "accounts_merged",
    "backup_started",
    "backup_restored",
    "secret_rotation_started",
    "secret_rotated",
]
ACTIONS: tuple[str, ...] = get_args(Action)


def record(  # noqa: PLR0917 (what was done, to what, where, when)
    session: Session,
    action: Action,
    workspace_id: str | None,
    now: datetime,
    subject_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
    *,
    actor: Actor | None = None,
) -> None:
    """Add one entry in the transaction of what it tells of. `actor`: default is who acts in this task.

    `detail` must hold no secret, no token and no text of a post.
    """
    by = actor or current_actor()
    name = by.id
    if by.kind in {"api_key", "dashboard"}:
        name = session.scalar(select(ApiKey.name).where(ApiKey.id == by.id))
    session.add(
        AuditEntry(
            id=new_id("aud"),
            at=now,
            workspace_id=workspace_id,
            action=action,
            actor_kind=by.kind,
            actor_id=by.id,
            actor_name=name,
            session_id=by.session_id,
            address=by.address[:100] if by.address else None,
            subject_id=subject_id,
            detail=dict(detail or {}),
        )
    )
    session.flush()


def list_entries(
    session: Session,
    workspace_id: str,
    *,
    with_unassigned: bool = False,
    action: str | None = None,
    actor: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    before_id: str | None = None,
    limit: int | None = None,
) -> list[AuditEntry]:
    """Return entries, newest first; `actor` is the id or name of who acted, `end` is excluded.

    `with_unassigned`: also what belongs to no workspace. Raises InvalidInputError for an unknown action.
    """
    if action is not None and action not in ACTIONS:
        raise InvalidInputError(
            f"unknown action {action!r}: use one of {', '.join(ACTIONS)}",
            field="action",
            code="unknown_action",
        )
    own = AuditEntry.workspace_id == workspace_id
    query = select(AuditEntry).where(or_(own, AuditEntry.workspace_id.is_(None)) if with_unassigned else own)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if actor is not None:
        query = query.where(or_(AuditEntry.actor_id == actor, AuditEntry.actor_name == actor))
    if start is not None:
        query = query.where(AuditEntry.at >= start)
    if end is not None:
        query = query.where(AuditEntry.at < end)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def describe_entry(row: AuditEntry) -> dict[str, Any]:
    """Return an entry as every interface shows it."""
    return {
        "id": row.id,
        "at": row.at,
        "action": row.action,
        "actor": {
            "kind": row.actor_kind,
            "id": row.actor_id,
            "name": row.actor_name,
            "session_id": row.session_id,
        },
        "address": row.address,
        "subject_id": row.subject_id,
        "detail": row.detail,
    }
