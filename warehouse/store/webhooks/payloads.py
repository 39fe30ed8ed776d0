"""What each event tells: the post, the publication, the account or the numbers themselves, never an empty body.

Every function writes to the outbox in the caller's transaction, after the change it tells of. A caller that forgets
one shows in tests/warehouse/store/webhooks/test_outbox.py, which holds events to the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from connectors.types import METRIC_NAMES
from warehouse.store.accounts.health import account_health
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.webhooks.outbox import Happening, list_listened, write_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import PostMetrics
    from warehouse.store.publishing.ledger import LedgerEvent

MEASUREMENTS_PER_EVENT = 25
"""Keeps a message near ten kilobytes: receivers are advised to refuse much longer ones."""

_OUTCOMES = {
    "published": "post.published",
    "found": "post.published",
    "failed": "post.failed",
    "needs_review": "post.needs_review",
}


def announce_outcomes(session: Session, events: Sequence[LedgerEvent], now: datetime) -> None:
    """Tell what became of publications, by their ledger's events; those of no interest are passed over.

    To be called once the posts' statuses are refreshed: one event for each publication, for two accounts of one post
    may fare differently.
    """
    types = {event.publication_id: _type_of(event) for event in events if _type_of(event) is not None}
    if not types:
        return
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
        Happening(row.workspace_id, str(types[row.id]), _post_data(row, post, handle))
        for row, post, handle in session.execute(query)
        if (row.workspace_id, types[row.id]) in listened
    ]
    write_events(session, happenings, now)


def announce_revoked(session: Session, account: AccountRow, now: datetime) -> None:
    """Tell that a platform refuses an account's token."""
    write_events(
        session, [Happening(account.workspace_id, "account.revoked", _account_data(account, now))], now
    )


def announce_expiring(session: Session, accounts: Iterable[AccountRow], now: datetime) -> int:
    """Tell, once for each token, that it ends soon or has ended without a refresh; return how many were told."""
    happenings = [
        Happening(
            row.workspace_id,
            "account.expiring",
            _account_data(row, now),
            once_key=f"account.expiring/{row.id}/{row.token_expires_at.isoformat()}",
        )
        for row in accounts
        if row.token_expires_at is not None and account_health(row, now).status in {"expiring", "expired"}
    ]
    return write_events(session, happenings, now)


def announce_metrics(
    session: Session, measured: Sequence[tuple[Publication, PostMetrics]], now: datetime
) -> None:
    """Tell freshly measured numbers, those of one workspace together. What was not measured is null."""
    by_workspace: dict[str, list[dict[str, Any]]] = {}
    listened = list_listened(session, {row.workspace_id for row, _ in measured}) if measured else set()
    for row, metrics in measured:
        if (row.workspace_id, "metrics.updated") in listened:
            by_workspace.setdefault(row.workspace_id, []).append(_measurement(row, metrics))
    happenings = [
        Happening(
            workspace_id, "metrics.updated", {"measurements": found[start : start + MEASUREMENTS_PER_EVENT]}
        )
        for workspace_id, found in by_workspace.items()
        for start in range(0, len(found), MEASUREMENTS_PER_EVENT)
    ]
    write_events(session, happenings, now)


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
            "attempts": row.attempts,
            "reason_code": row.reason_code,
            "reason": row.reason,
        },
    }


def _account_data(row: AccountRow, now: datetime) -> dict[str, Any]:
    health = account_health(row, now)
    return {
        "account": {
            "id": row.id,
            "platform": row.platform,
            "handle": row.handle,
            "display_name": row.display_name,
            "external_id": row.external_id,
            "instance_url": row.instance_url or None,
            "status": row.status,
            "health": {"status": health.status, "reason": health.reason, "at": health.at},
        }
    }


def _measurement(row: Publication, metrics: PostMetrics) -> dict[str, Any]:
    values: Mapping[str, int | None] = {name: getattr(metrics, name) for name in METRIC_NAMES}
    return {
        "post_id": row.post_id,
        "publication_id": row.id,
        "platform": row.platform,
        "account_id": row.account_id,
        "external_id": row.external_id,
        "permalink": row.permalink,
        "published_at": row.published_at,
        "captured_at": metrics.captured_at,
        "metrics": values,
    }
