"""Tables of webhooks: endpoints, events and deliveries.

    workspaces 1-n webhook_endpoints 1-n webhook_deliveries n-1 webhook_events n-1 workspaces

An event and its deliveries are written in the transaction of the change that they report (`outbox`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class WebhookEndpoint(Base):
    """A customer's URL that receives events."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(String(300), default="")
    events: Mapped[list[str]]
    """The event types it receives, such as post.published."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted by `warehouse.store.crypto`; signs every delivery."""
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Also signs until `old_secret_until`, so that a receiver can switch secrets without a gap."""
    old_secret_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    """While set, nothing is sent; new events are stored and wait."""
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]
    """First failure after the last success."""
    failures_in_a_row: Mapped[int] = mapped_column(Integer, default=0)
    paused_until: Mapped[datetime | None]
    """After failures: no attempt before this time, so that a dead receiver gets few requests however much waits."""
    last_success_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Increases with each change by its owner and when it is disabled; the webhook's ETag."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookEvent(Base):
    """One event with its exact payload."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("workspace_id", "once_key"),
        Index("ix_webhook_events_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The `webhook-id` header: the same for every attempt and every replay."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    type: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    """The JSON that is signed and sent: {type, timestamp, data}."""
    once_key: Mapped[str | None] = mapped_column(String(200))
    """Key for events that must be sent only once, such as the expiry of one token."""
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """The delivery of one event to one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_webhook_deliveries_due", "status", "next_attempt_at"),
        Index("ix_webhook_deliveries_log", "endpoint_id", "status", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event_id: Mapped[str] = mapped_column(ForeignKey("webhook_events.id"), index=True)
    status: Mapped[str] = mapped_column(String(12))
    """pending | delivered | exhausted (retried for days, or the endpoint is gone: replay it)"""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    """Since its creation or its last replay."""
    next_attempt_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    """While set, one process is sending it; after a crash another process takes over when it expires."""
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """The newest attempts, oldest first: {at, status, error, milliseconds}."""
    response: Mapped[str | None] = mapped_column(Text)
    """The beginning of the last response body."""
    replayed: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
