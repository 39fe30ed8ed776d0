"""Table of weekly queue slots. The rules are in `warehouse.scheduling.queue_slots`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class QueueSlot(Base):
    """A weekly local time at which an account's queue publishes one post."""

    __tablename__ = "queue_slots"
    __table_args__ = (UniqueConstraint("account_id", "weekday", "local_time"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    weekday: Mapped[int] = mapped_column(Integer)
    """0 = Monday."""
    local_time: Mapped[str] = mapped_column(String(5))
    """HH:MM in the account's zone."""
    created_at: Mapped[datetime]
