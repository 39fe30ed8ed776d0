"""Webhook events of publications, written in the transaction of the change they report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.webhooks.outbox import Happening, list_listened, write_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.publishing.ledger import LedgerEvent

_OUTCOMES = {
    "published": "post.published",
    "found": "post.published",
    "failed": "post.failed",
    "part_failed": "post.failed",
    "needs_review": "post.needs_review",
}


def announce_outcomes(session: Session, events: Sequence[LedgerEvent], now: datetime) -> None:
    """Write webhook events for the given ledger events; event types without a webhook are skipped.

    Call it after the posts' statuses are refreshed. One event per publication, because two accounts of one
    post may have different outcomes.
    """
    types = {event.publication_id: kind for event in events if (kind := _type_of(event)) is not None}
    if types:
        _announce(session, types, now)


def _announce(session: Session, types: Mapping[str, str], now: datetime) -> None:
    """Write one event for each publication id in `types`."""
    workspaces = select(Publication.workspace_id).where(Publication.id.in_(types))
    listened = list_listened(session, workspaces)
    if not listened:
        return
    query = (
        select(Publication, Post, AccountRow.handle)
        .join(Post, Post.id == Publication.post_id)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(Publication.id.in_(types))
        .order_by(Publication.id)
    )
    happenings = [
        Happening(row.workspace_id, types[row.id], _post_data(row, post, handle))
        for row, post, handle in session.execute(query)
        if (row.workspace_id, types[row.id]) in listened
    ]
    write_events(session, happenings, now)


def announce_deleted(session: Session, publication_ids: Sequence[str], now: datetime) -> None:
    """Write events for publications that no longer exist on their platform."""
    if publication_ids:
        _announce(session, dict.fromkeys(publication_ids, "post.deleted"), now)


def announce_edited(session: Session, publication_ids: Sequence[str], now: datetime) -> None:
    """Write events for published posts that were changed on their platform, as an edit asked for."""
    if publication_ids:
        session.flush()
        _announce(session, dict.fromkeys(publication_ids, "post.edited"), now)


def _type_of(event: LedgerEvent) -> str | None:
    if event.event == "resolved" and event.detail.get("decision") == "published":
        return "post.published"  # a person found it on the platform
    return _OUTCOMES.get(event.event)


def _post_data(row: Publication, post: Post, handle: str) -> dict[str, Any]:
    return {
        "post": {
            "id": post.id,
            "status": post.status,
            "content": post.content,
            "scheduled_at": post.scheduled_at,
            "client_ref": post.client_ref,
        },
        "publication": {
            "id": row.id,
            "platform": row.platform,
            "account_id": row.account_id,
            "handle": handle,
            "status": row.status,
            "content": row.content,
            "scheduled_at": row.scheduled_at,
            "published_at": row.published_at,
            "external_id": row.external_id,
            "permalink": row.permalink,
            "deleted_at": row.platform_deleted_at,
            "edited_at": row.edited_at,
            "attempts": row.attempts,
            "reason_code": row.reason_code,
            "reason": row.reason,
        },
    }
