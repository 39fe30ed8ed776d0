"""From the store's rows of webhooks to the shapes of the API. No secret passes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from api.webhooks.schemas import DeliveryDetail, DeliveryOut, WebhookOut

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent


def render_webhook(row: WebhookEndpoint, now: datetime) -> WebhookOut:
    """Return the view of a webhook."""
    failing = "failing" if row.failing_since is not None else "enabled"
    paused = row.paused_until is not None and row.paused_until > now
    overlap = row.old_secret_until is not None and row.old_secret_until > now
    return WebhookOut.model_validate(
        {
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
    )


def render_delivery(row: WebhookDelivery, event: WebhookEvent) -> DeliveryOut:
    """Return the view of a delivery in the log."""
    return DeliveryOut.model_validate(_common(row, event))


def render_delivery_detail(row: WebhookDelivery, event: WebhookEvent) -> DeliveryDetail:
    """Return the view of one delivery with its attempts and what is sent."""
    return DeliveryDetail.model_validate(
        {
            **_common(row, event),
            "history": row.history,
            "response": row.response,
            "payload": orjson.loads(event.body),
        }
    )


def _common(row: WebhookDelivery, event: WebhookEvent) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_id": event.id,
        "type": event.type,
        "status": row.status,
        "attempts": row.attempts,
        "replayed": row.replayed,
        "next_attempt_at": row.next_attempt_at,
        "delivered_at": row.delivered_at,
        "created_at": row.created_at,
        "last_attempt": row.history[-1] if row.history else None,
    }
