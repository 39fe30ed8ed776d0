"""Pending browser authorizations (OAuth): started with an API key, completed once by the redirect with the state.

The state is random, single-use, short-lived, and bound to the workspace that started the authorization. The store
keeps only its hash; the values for the code exchange (verifier, client secret) are encrypted.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, LargeBinary, String, Text, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.database import new_id
from warehouse.store.models import Base

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

LIFETIME = timedelta(minutes=10)
KEPT_FOR = timedelta(days=1)
PURPOSE = "authorizations"


class AccountAuthorization(Base):
    """One pending authorization on a platform's consent page."""

    __tablename__ = "account_authorizations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    platform: Mapped[str] = mapped_column(String(20))
    state_hash: Mapped[str] = mapped_column(String(64), unique=True)
    kept: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted JSON with the values for the code exchange."""
    return_url: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class ReturnedAuthorization:
    """An authorization whose redirect arrived in time and for the first time."""

    workspace_id: str
    platform: str
    kept: dict[str, Any]
    return_url: str | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a pending authorization."""

    is_known: bool
    """False after the authorization failed."""
    returned_at: datetime | None
    """When the redirect arrived; next the account is saved or the authorization is deleted."""


def make_state() -> str:
    """Return a new state: 256 random bits."""
    return secrets.token_urlsafe(32)


def begin_authorization(
    session: Session,
    cipher: Cipher,
    workspace_id: str,
    *,
    platform: str,
    state: str,
    kept: dict[str, Any],
    now: datetime,
    return_url: str | None = None,
    timezone: str | None = None,
) -> datetime:
    """Store a pending authorization and return when it expires. Deletes old, expired authorizations."""
    session.execute(delete(AccountAuthorization).where(AccountAuthorization.expires_at < now - KEPT_FOR))
    row = AccountAuthorization(
        id=new_id("auth"),
        workspace_id=workspace_id,
        platform=platform,
        state_hash=_hash(state),
        kept=cipher.encrypt_text(PURPOSE, json.dumps(kept)),
        return_url=return_url,
        timezone=timezone,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    session.flush()
    return row.expires_at


def is_awaited(session: Session, state: str, now: datetime) -> bool:
    """Return whether an authorization with this state is pending."""
    query = select(AccountAuthorization.id).where(
        AccountAuthorization.state_hash == _hash(state),
        AccountAuthorization.used_at.is_(None),
        AccountAuthorization.expires_at > now,
    )
    return session.scalar(query) is not None


def take_authorization(
    session: Session, cipher: Cipher, *, platform: str, state: str, now: datetime
) -> ReturnedAuthorization | None:
    """Consume the state. None = unknown, of another platform, already used, or expired."""
    statement = (
        update(AccountAuthorization)
        .where(
            AccountAuthorization.state_hash == _hash(state),
            AccountAuthorization.platform == platform,
            AccountAuthorization.used_at.is_(None),
            AccountAuthorization.expires_at > now,
        )
        .values(used_at=now)
        .returning(AccountAuthorization)
        .execution_options(synchronize_session=False)
    )
    row = session.scalars(statement).one_or_none()
    if row is None:
        return None
    return ReturnedAuthorization(
        row.workspace_id,
        row.platform,
        json.loads(cipher.decrypt_text(PURPOSE, row.kept)),
        row.return_url,
        row.timezone,
    )


def forget_authorization(session: Session, state: str) -> None:
    """Delete a failed authorization, so that clients that poll for it stop waiting."""
    session.execute(delete(AccountAuthorization).where(AccountAuthorization.state_hash == _hash(state)))


def find_progress(session: Session, state: str) -> Progress:
    """Return the progress of the authorization with this state."""
    query = select(AccountAuthorization.used_at).where(AccountAuthorization.state_hash == _hash(state))
    row = session.execute(query).one_or_none()
    return Progress(is_known=row is not None, returned_at=None if row is None else row.used_at)


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
