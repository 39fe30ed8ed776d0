"""The outbox: an event is written in the same transaction as the change it tells of.

So neither can be there without the other, whatever dies when. What happens where nobody listens is not written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.store.database import new_id
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

EVENT_TYPES = (
    "post.published",
    "post.failed",
    "post.needs_review",
    "post.deleted",
    "account.expiring",
    "account.revoked",
    "metrics.updated",
)
"""What an endpoint may ask for; names follow Standard Webhooks: full stops from the general to the special."""
TEST_EVENT = "webhook.test"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell of: `data` is JSON, with datetimes (aware UTC) allowed in it, and never holds a secret."""

    workspace_id: str
    type: str
    data: dict[str, Any]
    once_key: str | None = None
    """Of several happenings of one workspace with the same key, only the first is told."""


def list_listened(session: Session, workspaces: Select[str] | Collection[str]) -> set[tuple[str, str]]:
    """Return the (workspace id, event type) pairs that some endpoint wants to hear of.

    Asked first, so that nobody builds what nobody listens to.
    """
    chosen = workspaces if not isinstance(workspaces, (list, set, tuple, frozenset)) else list(workspaces)
    rows = session.execute(
        select(WebhookEndpoint.workspace_id, WebhookEndpoint.events).where(
            WebhookEndpoint.workspace_id.in_(chosen)
        )
    )
    return {(row.workspace_id, event) for row in rows for event in row.events}


def write_events(session: Session, happenings: Sequence[Happening], now: datetime) -> int:
    """Write the events that some endpoint listens to, one delivery for each such endpoint; return how many events.

    Endpoints that are disabled get theirs too: it waits until they are enabled again.
    """
    if not happenings:
        return 0
    session.flush()
    query = select(WebhookEndpoint.id, WebhookEndpoint.workspace_id, WebhookEndpoint.events).where(
        WebhookEndpoint.workspace_id.in_({one.workspace_id for one in happenings})
    )
    # FOR KEY SHARE: an endpoint that is being deleted must not fail the change that is told of.
    endpoints = session.execute(query.with_for_update(read=True, key_share=True)).all()
    events: list[dict[str, Any]] = []
    deliveries: list[dict[str, Any]] = []
    told = 0
    for one in happenings:
        wanting = [
            row.id for row in endpoints if row.workspace_id == one.workspace_id and one.type in row.events
        ]
        if not wanting:
            continue
        event = _event_row(one, now)
        if one.once_key is None:
            events.append(event)
        elif not _insert_once(session, event):
            continue
        deliveries += [_delivery_row(event, endpoint_id, now) for endpoint_id in wanting]
        told += 1
    _insert(session, events, deliveries)
    return told


def write_test_event(session: Session, endpoint: WebhookEndpoint, now: datetime) -> str:
    """Write a test event for this endpoint alone, whatever it listens to; return its delivery's id."""
    data = {"endpoint_id": endpoint.id, "message": "It works: this is a test that somebody asked for."}
    event = _event_row(Happening(endpoint.workspace_id, TEST_EVENT, data), now)
    delivery = _delivery_row(event, endpoint.id, now)
    _insert(session, [event], [delivery])
    return str(delivery["id"])


def _insert_once(session: Session, event: dict[str, Any]) -> bool:
    """Insert the event unless one of its key is there, or another transaction is writing it; True = inserted."""
    dialect = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    made = dialect(WebhookEvent).values(event).on_conflict_do_nothing().returning(WebhookEvent.id)
    return session.scalar(made) is not None


def _event_row(one: Happening, now: datetime) -> dict[str, Any]:
    message = {"type": one.type, "timestamp": now, "data": one.data}
    return {
        "id": new_id("msg"),
        "workspace_id": one.workspace_id,
        "type": one.type,
        "body": json.dumps(message, default=_plain, ensure_ascii=False, separators=(",", ":")),
        "once_key": one.once_key,
        "created_at": now,
    }


def _delivery_row(event: dict[str, Any], endpoint_id: str, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id("whd"),
        "workspace_id": event["workspace_id"],
        "endpoint_id": endpoint_id,
        "event_id": event["id"],
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": now,
        "history": [],
        "replayed": False,
        "created_at": now,
    }


def _insert(session: Session, events: list[dict[str, Any]], deliveries: list[dict[str, Any]]) -> None:
    if events:
        session.execute(insert(WebhookEvent), events)
    if deliveries:
        session.execute(insert(WebhookDelivery), deliveries)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} cannot be told in JSON")
