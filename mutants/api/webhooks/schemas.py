"""Shapes of webhooks. A secret is part of one answer only: that of the request that made it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.http.schemas import Request

EventType = Literal[
    "post.published",
    "post.failed",
    "post.needs_review",
    "account.expiring",
    "account.revoked",
    "metrics.updated",
]
DeliveryStatus = Literal["pending", "delivered", "exhausted"]

_URL = "https://example.com/hooks/socialflow"


class WebhookCreate(Request):
    """Where events are to be sent, and which."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"url": _URL, "events": ["post.published", "post.failed"]}},
    )

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="https, on the public internet (unless a setting allows more).",
    )
    events: list[EventType] = Field(min_length=1, max_length=20)
    description: str = Field(default="", max_length=300)


class WebhookPatch(Request):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": True}})

    url: str | None = Field(default=None, min_length=1, max_length=2000)
    events: list[EventType] | None = Field(default=None, min_length=1, max_length=20)
    description: str | None = Field(default=None, max_length=300)
    enabled: StrictBool | None = Field(
        default=None,
        description="true sends what has waited at once; false keeps what happens and sends nothing.",
    )


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
    paused_until: datetime | None = Field(description="After failures: nothing is tried before.")
    last_success_at: datetime | None
    old_secret_until: datetime | None = Field(
        description="Until when the secret before the last still signs too."
    )
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(WebhookOut):
    """A webhook whose secret was just made. Keep it now: it is not shown again."""

    secret: str | None = Field(
        description="Begins with whsec_. Null in a repeated answer: no secret is kept there. Rotate it then."
    )


class AttemptOut(BaseModel):
    """One attempt."""

    at: datetime
    status: int | None = Field(description="HTTP status of the answer; null = there was none.")
    error: str | None
    milliseconds: int


class DeliveryOut(BaseModel):
    """One event on its way to one webhook."""

    id: str
    event_id: str = Field(description="The `webhook-id` header: the same for every attempt and replay.")
    type: str
    status: DeliveryStatus = Field(description="exhausted: given up; replay it once the receiver works.")
    attempts: int = Field(description="Since it was made, or since it was replayed.")
    replayed: bool
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    last_attempt: AttemptOut | None


class DeliveryDetail(DeliveryOut):
    """A delivery with all that is known of it."""

    history: list[AttemptOut] = Field(description="The newest 20 attempts, oldest first.")
    response: str | None = Field(description="The beginning of the last answer's body.")
    payload: dict[str, Any] = Field(description="What is sent, as JSON.")


class ReplayRequest(Request):
    """Which deliveries are to be sent again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"since": "2026-03-01T00:00:00Z", "only_undelivered": True}},
    )

    since: str = Field(max_length=64, description="ISO 8601: what happened at or after it.")
    only_undelivered: StrictBool = Field(
        default=False, description="Leave out what the receiver has taken already."
    )


class ReplayOut(BaseModel):
    """How many deliveries are sent again."""

    replayed: int
