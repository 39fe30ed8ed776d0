"""Convert webhook rows of the store to API schemas. Handles no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.webhooks.schemas import DeliveryDetail, DeliveryOut, WebhookOut
from warehouse.store.webhooks.deliveries import describe_delivery, describe_delivery_detail
from warehouse.store.webhooks.endpoints import describe_endpoint

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent


def render_webhook(row: WebhookEndpoint, now: datetime) -> WebhookOut:
    """Return the response model of a webhook."""
    return WebhookOut.model_validate(describe_endpoint(row, now))


def render_delivery(row: WebhookDelivery, event: WebhookEvent) -> DeliveryOut:
    """Return the response model of a delivery in the log."""
    return DeliveryOut.model_validate(describe_delivery(row, event))


def render_delivery_detail(row: WebhookDelivery, event: WebhookEvent) -> DeliveryDetail:
    """Return the response model of a delivery with its attempts and payload."""
    return DeliveryDetail.model_validate(describe_delivery_detail(row, event))
