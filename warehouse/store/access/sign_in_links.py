"""Sign-in links: single-use tokens that open a dashboard session without a key and secret to type.

Two kinds: for the person at the machine (15 minutes, loopback only, every scope), and for a colleague (an own key with
the given scopes and end, whose secret nobody knows). Revoking the key ends the link and its session.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from warehouse.errors import InvalidInputError
from warehouse.store.access.api_keys import SCOPES, create_api_key, is_usable
from warehouse.store.access.models import SignInLink
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

LOCAL_MINUTES = 15
LOCAL_NAME = "Dashboard on this machine"
"""Name of the key in whose name local links sign in."""
COLLEAGUE_HOURS = 72
"""How long a colleague's link waits to be opened."""
LONGEST_DAYS = 90
"""How long a colleague stays signed in at most."""
PATH = "/dashboard/login/link"
TOKEN = "token"  # noqa: S105 (the name of a query parameter)
_KEPT = timedelta(days=30)
_PURPOSE = "sign-in-link"


def make_local_link(session: Session, cipher: Cipher, workspace_id: str, now: datetime) -> str:
    """Return the path of a link for a browser on this machine, with every scope, for LOCAL_MINUTES."""
    query = select(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.name == LOCAL_NAME)
    key = next((row for row in session.scalars(query) if is_usable(row, now)), None)
    if key is None:
        key = create_api_key(session, cipher, workspace_id, LOCAL_NAME, SCOPES, now).row
    return _make(session, cipher, key, now, minutes=LOCAL_MINUTES, loopback_only=True, ends=None)


def make_colleague_link(
    session: Session,
    cipher: Cipher,
    workspace_id: str,
    *,
    name: str,
    scopes: Iterable[str],
    days: int,
    now: datetime,
) -> tuple[str, ApiKey]:
    """Create a key for a colleague and return the path of a link to it, and the key.

    The colleague stays signed in for `days`; the link must be opened within COLLEAGUE_HOURS. Raises InvalidInputError.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInputError(f"days: a colleague is signed in for 1 to {LONGEST_DAYS} days", field="days")
    ends = now + timedelta(days=days)
    key = create_api_key(session, cipher, workspace_id, name, scopes, now, ends).row
    minutes = COLLEAGUE_HOURS * 60
    return _make(session, cipher, key, now, minutes=minutes, loopback_only=False, ends=ends), key


def use_link(
    session: Session, cipher: Cipher, token: str, now: datetime, *, is_loopback: bool
) -> tuple[ApiKey, datetime | None] | None:
    """Use a link up and return its key and when the session ends; None = unknown, used, expired, or not from here."""
    digest = cipher.hmac_hex(_PURPOSE, token)
    row = session.scalar(select(SignInLink).where(SignInLink.token_hmac == digest))
    if (
        row is None
        or row.used_at is not None
        or row.expires_at <= now
        or (row.loopback_only and not is_loopback)
    ):
        return None
    # In one statement: of two browsers that open it at once, one is signed in.
    used = update(SignInLink).where(SignInLink.id == row.id, SignInLink.used_at.is_(None)).values(used_at=now)
    if session.execute(used.execution_options(synchronize_session=False)).rowcount != 1:  # type: ignore[attr-defined]  # a cursor result
        return None
    key = session.get(ApiKey, row.api_key_id)
    if key is None or not is_usable(key, now):
        return None
    record(session, "sign_in", row.workspace_id, now, key.id, {"via": "link", "link_id": row.id})
    return key, row.session_ends_at


def has_any_key(session: Session) -> bool:
    """Return whether this installation has an API key at all: without one, nobody can sign in yet."""
    return session.scalar(select(ApiKey.id).limit(1)) is not None


def _make(  # noqa: PLR0917 (what a link is)
    session: Session,
    cipher: Cipher,
    key: ApiKey,
    now: datetime,
    minutes: int,
    ends: datetime | None,
    *,
    loopback_only: bool,
) -> str:
    session.execute(delete(SignInLink).where(SignInLink.expires_at < now - _KEPT))
    token = secrets.token_urlsafe(32)
    session.add(
        SignInLink(
            id=new_id("lnk"),
            workspace_id=key.workspace_id,
            api_key_id=key.id,
            token_hmac=cipher.hmac_hex(_PURPOSE, token),
            loopback_only=loopback_only,
            session_ends_at=ends,
            created_at=now,
            expires_at=now + timedelta(minutes=minutes),
        )
    )
    session.flush()
    return f"{PATH}?{TOKEN}={token}"
