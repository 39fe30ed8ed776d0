"""Dashboard sessions: opened at sign-in; ended at sign-out, on expiry, or by an administrator."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, select

from warehouse.errors import NotFoundError
from warehouse.store.access.models import DashboardSession
from warehouse.store.audit.actors import current_actor
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.models import ApiKey

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

LIFETIME = timedelta(hours=8)
_KEPT = timedelta(days=30)
"""How long an ended session is kept."""
_PURPOSE = "dashboard-session"


class OpenSession(NamedTuple):
    """An open session as shown to its owner or an administrator."""

    id: str
    key_id: str
    key_name: str
    address: str
    browser: str
    created_at: datetime
    expires_at: datetime


def open_session(
    session: Session,
    cipher: Cipher,
    key: ApiKey,
    now: datetime,
    *,
    address: str,
    browser: str,
    ends_at: datetime | None = None,
) -> str:
    """Open a session for a key and return its cookie token, which is not stored.

    It ends after LIFETIME, or at `ends_at` (a sign-in link for a colleague).
    """
    session.execute(delete(DashboardSession).where(DashboardSession.expires_at < now - _KEPT))
    token = secrets.token_urlsafe(32)
    session.add(
        DashboardSession(
            id=new_id("ses"),
            workspace_id=key.workspace_id,
            api_key_id=key.id,
            token_hmac=cipher.hmac_hex(_PURPOSE, token),
            address=address[:100],
            browser=browser.replace("\x00", "")[:200],
            created_at=now,
            expires_at=ends_at or now + LIFETIME,
        )
    )
    session.flush()
    return token


def find_session(session: Session, cipher: Cipher, token: str, now: datetime) -> tuple[str, str] | None:
    """Return (session id, key id) for a cookie token, or None if the session is not open."""
    row = session.execute(
        select(DashboardSession.id, DashboardSession.api_key_id).where(
            DashboardSession.token_hmac == cipher.hmac_hex(_PURPOSE, token),
            DashboardSession.ended_at.is_(None),
            DashboardSession.expires_at > now,
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def list_sessions(
    session: Session,
    workspace_id: str,
    now: datetime,
    *,
    key_id: str | None = None,
    before_id: str | None = None,
    limit: int | None = None,
) -> list[OpenSession]:
    """Return the open sessions of a workspace, or of one of its keys, newest first."""
    asked = (
        select(
            DashboardSession.id,
            DashboardSession.api_key_id,
            ApiKey.name,
            DashboardSession.address,
            DashboardSession.browser,
            DashboardSession.created_at,
            DashboardSession.expires_at,
        )
        .join(ApiKey, ApiKey.id == DashboardSession.api_key_id)
        .where(
            DashboardSession.workspace_id == workspace_id,
            DashboardSession.ended_at.is_(None),
            DashboardSession.expires_at > now,
            ApiKey.revoked_at.is_(None),
        )
        .order_by(DashboardSession.id.desc())
    )
    if key_id is not None:
        asked = asked.where(DashboardSession.api_key_id == key_id)
    if before_id is not None:
        asked = asked.where(DashboardSession.id < before_id)
    return [OpenSession(*row) for row in session.execute(asked.limit(limit))]


def end_session(
    session: Session, workspace_id: str, session_id: str, now: datetime, *, key_id: str | None = None
) -> None:
    """End an open session; with `key_id`, only a session of that key. Raises NotFoundError."""
    row = session.get(DashboardSession, session_id)
    if (
        row is None
        or row.workspace_id != workspace_id
        or (key_id is not None and row.api_key_id != key_id)
        or row.ended_at is not None
    ):
        raise NotFoundError(f"there is no open session {session_id}")
    row.ended_at = now
    own = current_actor().session_id == session_id
    detail = {"api_key_id": row.api_key_id}
    record(session, "sign_out" if own else "session_ended", workspace_id, now, session_id, detail)
