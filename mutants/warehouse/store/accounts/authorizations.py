"""Browser authorizations under way: begun by a key of a workspace, ended once by whoever brings the state back.

The state is the proof: random, single-use, short-lived, and bound to the workspace that began. Only its hash is kept,
and what the exchange needs (verifier, client secret) is encrypted.
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
    """One person on the way to a platform's page of consent and back."""

    __tablename__ = "account_authorizations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    platform: Mapped[str] = mapped_column(String(20))
    state_hash: Mapped[str] = mapped_column(String(64), unique=True)
    kept: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted JSON: what the exchange of the code needs."""
    return_url: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class ReturnedAuthorization:
    """An authorization whose person is back in time, for the first time."""

    workspace_id: str
    platform: str
    kept: dict[str, Any]
    return_url: str | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person has come."""

    is_known: bool
    """False once it came to nothing."""
    returned_at: datetime | None
    """When they came back with the state; their account is saved next, or the authorization forgotten."""


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
    """Keep what the return needs; return until when it is waited for. Forgets those that are long over."""
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
    """Tell whether somebody is waited for with this state."""
    query = select(AccountAuthorization.id).where(
        AccountAuthorization.state_hash == _hash(state),
        AccountAuthorization.used_at.is_(None),
        AccountAuthorization.expires_at > now,
    )
    return session.scalar(query) is not None


def take_authorization(
    session: Session, cipher: Cipher, *, platform: str, state: str, now: datetime
) -> ReturnedAuthorization | None:
    """Use the state up; None = unknown, another platform's, used before, or too old."""
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
    """Forget one that came to nothing, so that whoever waits for it need not wait on."""
    session.execute(delete(AccountAuthorization).where(AccountAuthorization.state_hash == _hash(state)))


def find_progress(session: Session, state: str) -> Progress:
    """Return how far the person with this state has come."""
    query = select(AccountAuthorization.used_at).where(AccountAuthorization.state_hash == _hash(state))
    row = session.execute(query).one_or_none()
    return Progress(is_known=row is not None, returned_at=None if row is None else row.used_at)


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
