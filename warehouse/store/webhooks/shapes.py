"""The shapes of a new webhook, of a change to one, and of a request to send its events again."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, StrictBool

from warehouse.shapes import Shape

EventType = Literal[
    "post.published",
    "post.failed",
    "post.needs_review",
    "post.deleted",
    "account.expiring",
    "account.revoked",
    "metrics.updated",
]
DeliveryStatus = Literal["pending", "delivered", "exhausted"]

_URL = "https://example.com/hooks/socialflow"


class WebhookCreate(Shape):
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


class WebhookPatch(Shape):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": True}})

    url: str | None = Field(default=None, min_length=1, max_length=2000)
    events: list[EventType] | None = Field(default=None, min_length=1, max_length=20)
    description: str | None = Field(default=None, max_length=300)
    enabled: StrictBool | None = Field(
        default=None,
        description="true sends what has waited at once; false keeps what happens and sends nothing.",
    )


class ReplayRequest(Shape):
    """Which deliveries are to be sent again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"since": "2026-03-01T00:00:00Z", "only_undelivered": True}},
    )

    since: str = Field(max_length=64, description="ISO 8601: what happened at or after it.")
    only_undelivered: StrictBool = Field(
        default=False, description="Leave out what the receiver has taken already."
    )
