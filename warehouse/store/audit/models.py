"""The table of the audit log. Triggers of the database refuse to change or delete its rows (migration 0016)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class AuditEntry(Base):
    """One thing that was done, or tried."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_list", "workspace_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    """None = it belongs to no workspace: a sign-in with a key that does not exist."""
    action: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[str | None] = mapped_column(String(100))
    actor_name: Mapped[str | None] = mapped_column(String(200))
    session_id: Mapped[str | None] = mapped_column(String(40))
    address: Mapped[str | None] = mapped_column(String(100))
    subject_id: Mapped[str | None] = mapped_column(String(60))
    """What it was done to: a key, an account, a post, a webhook, a workspace."""
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Names, scopes, old and new values; never a secret, a token or the text of a post."""
