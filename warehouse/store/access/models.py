"""Tables of dashboard sessions and sign-in links. The table of API keys is in `warehouse.store.models`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, String
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


class SignInLink(Base):
    """A link that signs one browser in once, without a secret to type. Only an HMAC of its token is stored."""

    __tablename__ = "sign_in_links"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    """The key in whose name the session is opened; revoking it ends the session and the link."""
    token_hmac: Mapped[str] = mapped_column(String(64), unique=True)
    loopback_only: Mapped[bool] = mapped_column(Boolean)
    """Whether only a browser on the machine itself may use it."""
    session_ends_at: Mapped[datetime | None]
    """When the session ends; None = after the usual eight hours."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
