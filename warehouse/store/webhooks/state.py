"""Webhook state over all workspaces for monitoring, and deletion of old events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

BATCH = 500
"""Events deleted per transaction, so that no writer waits long."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """State of the outbox: counts, no content."""

    backlog: int
    """Due deliveries to enabled endpoints."""
    oldest_seconds: float
    """How long the oldest of them has been due."""
    retrying: int
    """Failed deliveries that wait for their next attempt."""
    exhausted: int
    """Deliveries given up; kept for replay until they are deleted."""
    disabled: int
    """Disabled endpoints."""


def get_webhook_state(session: Session, now: datetime) -> WebhookState:
    """Return the state at `now`."""
    open_rows = (
        select(func.count(), func.min(WebhookDelivery.next_attempt_at))
        .select_from(WebhookDelivery)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.status == "pending", WebhookEndpoint.disabled_at.is_(None))
    )
    backlog, oldest = session.execute(open_rows.where(WebhookDelivery.next_attempt_at <= now)).one()
    retrying, _ = session.execute(
        open_rows.where(WebhookDelivery.attempts > 0, WebhookDelivery.next_attempt_at > now)
    ).one()
    exhausted = select(func.count()).where(WebhookDelivery.status == "exhausted")
    disabled = select(func.count()).where(WebhookEndpoint.disabled_at.is_not(None))
    return WebhookState(
        backlog=backlog,
        oldest_seconds=(now - oldest).total_seconds() if oldest is not None else 0.0,
        retrying=retrying,
        exhausted=session.scalar(exhausted) or 0,
        disabled=session.scalar(disabled) or 0,
    )


def forget_old_events(session: Session, before: datetime) -> int:
    """Delete at most BATCH events older than that, with their deliveries; return the number. Call until 0."""
    ids = list(
        session.scalars(
            select(WebhookEvent.id)
            .where(WebhookEvent.created_at < before)
            .order_by(WebhookEvent.created_at)
            .limit(BATCH)
        )
    )
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.event_id.in_(ids)))
    session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(ids)))
    return len(ids)
