"""Webhook schemas. A secret is part of one response only: that of the request that created it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from warehouse.store.webhooks.shapes import DeliveryStatus, EventType


class WebhookOut(BaseModel):
    """A webhook as lists show it."""

    id: str
    url: str
    description: str
    events: list[EventType]
    status: Literal["enabled", "failing", "disabled"]
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None = Field(description="First failure after the last success.")
    failures_in_a_row: int
    paused_until: datetime | None = Field(description="After failures: no attempt before this time.")
    last_success_at: datetime | None
    old_secret_until: datetime | None = Field(
        description="Until when deliveries are also signed with the previous secret."
    )
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(WebhookOut):
    """A webhook with its new secret. Store it now: it is not shown again."""

    secret: str | None = Field(
        description="Starts with whsec_. Null in a replayed response, which stores no secret: rotate it then."
    )


class AttemptOut(BaseModel):
    """One delivery attempt."""

    at: datetime
    status: int | None = Field(description="HTTP status of the response; null = no response.")
    error: str | None
    milliseconds: int


class DeliveryOut(BaseModel):
    """One event for one webhook."""

    id: str
    event_id: str = Field(description="The `webhook-id` header: the same for every attempt and replay.")
    type: str
    status: DeliveryStatus = Field(description="exhausted: given up; replay it once the receiver works.")
    attempts: int = Field(description="Number of attempts since it was created or replayed.")
    replayed: bool
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    last_attempt: AttemptOut | None


class DeliveryDetail(DeliveryOut):
    """A delivery with all its details."""

    history: list[AttemptOut] = Field(description="The newest 20 attempts, oldest first.")
    response: str | None = Field(description="Start of the last response body.")
    payload: dict[str, Any] = Field(description="The payload, as JSON.")


class ReplayOut(BaseModel):
    """Number of deliveries that are sent again."""

    replayed: int
