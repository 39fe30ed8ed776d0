"""Webhook endpoints and their signing secrets.

A secret is stored encrypted, because signing needs its plain value; it is shown once, on creation.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint
from warehouse.store.webhooks.outbox import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

SECRET_BYTES = 32
OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
MOST_ENDPOINTS = 20
"""Per workspace: each event is written once for every endpoint."""
PURPOSE = "webhooks"


@dataclass(frozen=True, slots=True)
class CreatedEndpoint:
    """A new endpoint, or one with a new secret, which is shown only once."""

    row: WebhookEndpoint
    secret: str


def create_endpoint(
    session: Session,
    cipher: Cipher,
    workspace_id: str,
    *,
    url: str,
    events: Collection[str],
    now: datetime,
    description: str = "",
) -> CreatedEndpoint:
    """Add an endpoint. The caller checks the URL. Raises InvalidInputError, ConflictError."""
    known = session.scalar(select(func.count()).where(WebhookEndpoint.workspace_id == workspace_id)) or 0
    if known >= MOST_ENDPOINTS:
        raise ConflictError(
            f"this workspace has {known} webhooks already: delete one first", code="too_many_webhooks"
        )
    secret = _make_secret()
    row = WebhookEndpoint(
        id=new_id("wh"),
        workspace_id=workspace_id,
        url=url,
        description=description,
        events=check_events(events),
        secret=cipher.encrypt_text(PURPOSE, secret),
        failures_in_a_row=0,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    record(session, "webhook_created", workspace_id, now, row.id, _name_endpoint(row))
    return CreatedEndpoint(row, secret)


def get_endpoint(
    session: Session, workspace_id: str, endpoint_id: str, *, lock: bool = False
) -> WebhookEndpoint:
    """Return the endpoint. Raises NotFoundError, also for an endpoint of another workspace."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.workspace_id == workspace_id
    )
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFoundError(f"there is no webhook {endpoint_id} in this workspace")
    return row


def list_endpoints(session: Session, workspace_id: str) -> list[WebhookEndpoint]:
    """Return the workspace's endpoints, oldest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.workspace_id == workspace_id)
    return list(session.scalars(query.order_by(WebhookEndpoint.id)))


def change_endpoint(
    session: Session,
    row: WebhookEndpoint,
    now: datetime,
    *,
    url: str | None = None,
    events: Collection[str] | None = None,
    description: str | None = None,
    enabled: bool | None = None,
    expected_version: int | None = None,
) -> None:
    """Change the given fields. Enabling resets the failures, so that waiting deliveries are sent immediately.

    Raises ConflictError (code stale) if `expected_version` is not the current version.
    """
    _require_version(row, expected_version)
    if url is not None:
        row.url = url
    if events is not None:
        row.events = check_events(events)
    if description is not None:
        row.description = description
    if enabled is True and row.disabled_at is not None:
        row.disabled_at = row.disabled_reason = row.failing_since = row.paused_until = None
        row.failures_in_a_row = 0
    elif enabled is False and row.disabled_at is None:
        row.disabled_at, row.disabled_reason = now, "disabled by its owner"
    row.version += 1
    row.updated_at = now
    detail = _name_endpoint(row) | {"enabled": row.disabled_at is None}
    record(session, "webhook_changed", row.workspace_id, now, row.id, detail)


def rotate_secret(session: Session, cipher: Cipher, row: WebhookEndpoint, now: datetime) -> CreatedEndpoint:
    """Give the endpoint a new secret; the old one signs beside it for a day."""
    secret = _make_secret()
    row.old_secret, row.old_secret_until = row.secret, now + OLD_SECRET_SIGNS_FOR
    row.secret = cipher.encrypt_text(PURPOSE, secret)
    row.version += 1
    row.updated_at = now
    record(session, "webhook_secret_rotated", row.workspace_id, now, row.id, _name_endpoint(row))
    return CreatedEndpoint(row, secret)


def delete_endpoint(
    session: Session,
    workspace_id: str,
    endpoint_id: str,
    now: datetime,
    *,
    expected_version: int | None = None,
) -> None:
    """Delete the endpoint with its log and its waiting deliveries. Raises like `change_endpoint`."""
    row = get_endpoint(session, workspace_id, endpoint_id, lock=True)
    _require_version(row, expected_version)
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.endpoint_id == row.id))
    session.delete(row)
    record(session, "webhook_deleted", workspace_id, now, endpoint_id, _name_endpoint(row))


def _name_endpoint(row: WebhookEndpoint) -> dict[str, Any]:
    """Return what the audit log tells of an endpoint: the host, since paths and queries may hold a token."""
    return {"host": urlsplit(row.url).hostname, "events": row.events}


def describe_endpoint(row: WebhookEndpoint, now: datetime) -> dict[str, Any]:
    """Return a webhook as all interfaces show it, without its secret."""
    failing = "failing" if row.failing_since is not None else "enabled"
    paused = row.paused_until is not None and row.paused_until > now
    overlap = row.old_secret_until is not None and row.old_secret_until > now
    return {
        "id": row.id,
        "url": row.url,
        "description": row.description,
        "events": row.events,
        "status": "disabled" if row.disabled_at is not None else failing,
        "disabled_at": row.disabled_at,
        "disabled_reason": row.disabled_reason,
        "failing_since": row.failing_since,
        "failures_in_a_row": row.failures_in_a_row,
        "paused_until": row.paused_until if paused else None,
        "last_success_at": row.last_success_at,
        "old_secret_until": row.old_secret_until if overlap else None,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def check_events(events: Collection[str]) -> list[str]:
    """Return the distinct types in fixed order. Raises InvalidInputError for none or an unknown one."""
    known = ", ".join(EVENT_TYPES)
    unknown = sorted(set(events) - set(EVENT_TYPES))
    if unknown:
        raise InvalidInputError(
            f"unknown event {unknown[0]!r}: use some of {known}", field="events", code="unknown_event"
        )
    if not events:
        raise InvalidInputError(f"name at least one event: {known}", field="events", code="no_events")
    return [event for event in EVENT_TYPES if event in events]


def _require_version(row: WebhookEndpoint, expected_version: int | None) -> None:
    if expected_version is not None and row.version != expected_version:
        raise ConflictError(
            "the webhook was changed since it was read: read it again and repeat the change", code="stale"
        )


def _make_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
