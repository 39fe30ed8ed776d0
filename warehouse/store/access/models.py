"""Table of dashboard sessions. The table of API keys is in `warehouse.store.models`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class DashboardSession(Base):
    """A browser signed in to the dashboard with an API key. Only an HMAC of its cookie is stored."""

    __tablename__ = "dashboard_sessions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    token_hmac: Mapped[str] = mapped_column(String(64), unique=True)
    address: Mapped[str] = mapped_column(String(100))
    browser: Mapped[str] = mapped_column(String(200))
    """The browser's User-Agent, shown in the list of sessions."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
