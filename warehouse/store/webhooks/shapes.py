"""Input models of a new webhook, a change to one, and a replay request."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, StrictBool

from warehouse.shapes import Shape

EventType = Literal[
    "post.published",
    "post.failed",
    "post.needs_review",
    "post.deleted",
    "post.edited",
    "account.expiring",
    "account.revoked",
    "metrics.updated",
]
DeliveryStatus = Literal["pending", "delivered", "exhausted"]

_URL = "https://example.com/hooks/socialflow"


class WebhookCreate(Shape):
    """A new webhook."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"url": _URL, "events": ["post.published", "post.failed"]}},
    )

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="An https URL on the public internet (unless a setting allows others).",
    )
    events: list[EventType] = Field(min_length=1, max_length=20)
    description: str = Field(default="", max_length=300)


class WebhookPatch(Shape):
    """Changes to a webhook; omitted fields stay unchanged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": True}})

    url: str | None = Field(default=None, min_length=1, max_length=2000)
    events: list[EventType] | None = Field(default=None, min_length=1, max_length=20)
    description: str | None = Field(default=None, max_length=300)
    enabled: StrictBool | None = Field(
        default=None,
        description="true sends waiting events immediately; false stores events and sends nothing.",
    )


class ReplayRequest(Shape):
    """The deliveries to replay."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"since": "2026-03-01T00:00:00Z", "only_undelivered": True}},
    )

    since: str = Field(max_length=64, description="ISO 8601: replays events at or after this time.")
    only_undelivered: StrictBool = Field(
        default=False, description="Skip events that the receiver has already accepted."
    )
