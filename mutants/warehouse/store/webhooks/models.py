"""The tables of the webhooks: who wants to hear, what happened, and how telling it goes.

    workspaces 1-n webhook_endpoints 1-n webhook_deliveries n-1 webhook_events n-1 workspaces

An event and its deliveries are written in the transaction of the change they tell of (`webhook_outbox`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class WebhookEndpoint(Base):
    """An address of the customer's that wants to hear of events."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(String(300), default="")
    events: Mapped[list[str]]
    """The types it wants, such as post.published."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted by `warehouse.store.crypto`; signs every delivery."""
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Signs beside the new one until `old_secret_until`, so that a receiver can change over without a gap."""
    old_secret_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    """While set nothing is sent to it; what happens meanwhile is kept and waits."""
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]
    """First failure after the last success."""
    failures_in_a_row: Mapped[int] = mapped_column(Integer, default=0)
    paused_until: Mapped[datetime | None]
    """After failures: nothing is tried on it before, so that a dead receiver is asked seldom however much waits."""
    last_success_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Grows with each change of what its owner sets, and where it is disabled; the webhook's ETag."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookEvent(Base):
    """One thing that happened, with the very bytes that are told of it."""

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
    """For what must be told once only, such as one token's expiry."""
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One event on its way to one endpoint."""

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
    """pending | delivered | exhausted (tried for days, or the endpoint is gone: replay it)"""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    """Since it was made, or since it was replayed."""
    next_attempt_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    """While set, one process is sending it; after a crash the next one takes over when it ends."""
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """The newest attempts, oldest first: {at, status, error, milliseconds}."""
    response: Mapped[str | None] = mapped_column(Text)
    """The beginning of the last answer's body."""
    replayed: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
