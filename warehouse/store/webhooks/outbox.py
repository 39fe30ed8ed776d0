"""Transactional outbox: an event is written in the same transaction as the change that it reports.

So a crash leaves both or neither. Events without a subscribed endpoint are not written.
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
    "post.edited",
    "account.expiring",
    "account.revoked",
    "metrics.updated",
)
"""Event types that an endpoint can subscribe to. Names follow Standard Webhooks: dots, from general to specific."""
TEST_EVENT = "webhook.test"


@dataclass(frozen=True, slots=True)
class Happening:
    """An event to write: `data` is JSON that may contain datetimes (aware UTC) and never holds a secret."""

    workspace_id: str
    type: str
    data: dict[str, Any]
    once_key: str | None = None
    """Of several events of one workspace with the same key, only the first is written."""


def list_listened(session: Session, workspaces: Select[str] | Collection[str]) -> set[tuple[str, str]]:
    """Return the (workspace id, event type) pairs with a subscribed endpoint.

    Callers check this first, to avoid building events that no endpoint receives.
    """
    chosen = workspaces if not isinstance(workspaces, (list, set, tuple, frozenset)) else list(workspaces)
    rows = session.execute(
        select(WebhookEndpoint.workspace_id, WebhookEndpoint.events).where(
            WebhookEndpoint.workspace_id.in_(chosen)
        )
    )
    return {(row.workspace_id, event) for row in rows for event in row.events}


def write_events(session: Session, happenings: Sequence[Happening], now: datetime) -> int:
    """Write the events that have subscribed endpoints, with one delivery per endpoint; return the number of events.

    Disabled endpoints get deliveries too, which wait until the endpoint is enabled again.
    """
    if not happenings:
        return 0
    session.flush()
    query = select(WebhookEndpoint.id, WebhookEndpoint.workspace_id, WebhookEndpoint.events).where(
        WebhookEndpoint.workspace_id.in_({one.workspace_id for one in happenings})
    )
    # FOR KEY SHARE: a concurrent delete of an endpoint must not fail the change that the event reports.
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
        elif not insert_once(session, event):
            continue
        deliveries += [_delivery_row(event, endpoint_id, now) for endpoint_id in wanting]
        told += 1
    _insert(session, events, deliveries)
    return told


def write_test_event(session: Session, endpoint: WebhookEndpoint, now: datetime) -> str:
    """Write a test event for this endpoint only, whatever it subscribes to; return the delivery id."""
    data = {"endpoint_id": endpoint.id, "message": "This is a test event. Your webhook works."}
    event = _event_row(Happening(endpoint.workspace_id, TEST_EVENT, data), now)
    delivery = _delivery_row(event, endpoint.id, now)
    _insert(session, [event], [delivery])
    return str(delivery["id"])


def insert_once(session: Session, event: dict[str, Any]) -> bool:
    """Insert the event unless its key exists or another transaction is inserting it; True = inserted."""
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
    raise TypeError(f"{type(value).__name__} cannot be encoded as JSON")
