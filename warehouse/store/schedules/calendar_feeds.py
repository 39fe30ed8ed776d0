"""Calendar feeds: URLs for calendar programs, each with its own token that can only read the calendar.

Calendar programs cannot send a header, so the token is part of the URL. Only its HMAC is stored. The token is shown
once, on creation or rotation, and stops working when its feed is revoked or rotated.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.database import new_id
from warehouse.store.models import Base

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

MOST_FEEDS = 100
FEED_PATH = "/api/v1/schedules.ics"
FEED_TOKEN = "token"  # noqa: S105 (the parameter's name)
_PREFIX = "sfc_"
_PURPOSE = "calendar-feed"


class CalendarFeed(Base):
    """One calendar feed."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (Index("ix_calendar_feeds_list", "workspace_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str] = mapped_column(String(200))
    token_hmac: Mapped[str] = mapped_column(String(64), unique=True)
    created_by: Mapped[str] = mapped_column(String(40))
    """The API key that created it, or "cli"."""
    created_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class CreatedFeed(NamedTuple):
    """A feed with its token, which is shown only once."""

    row: CalendarFeed
    token: str


def create_feed(  # noqa: PLR0917 (the fields of a feed)
    session: Session, cipher: Cipher, workspace_id: str, name: str, created_by: str, now: datetime
) -> CreatedFeed:
    """Create a feed. Raises InvalidInputError without a name, ConflictError if there are too many."""
    if not name.strip():
        raise InvalidInputError(
            "a feed needs a name: give one that identifies it in the list of feeds", field="name"
        )
    if len([row for row in list_feeds(session, workspace_id) if row.revoked_at is None]) >= MOST_FEEDS:
        raise ConflictError(f"there are {MOST_FEEDS} feeds: revoke one first", code="too_many_feeds")
    token = _new_token()
    row = CalendarFeed(
        id=new_id("feed"),
        workspace_id=workspace_id,
        name=name.strip(),
        token_hmac=cipher.hmac_hex(_PURPOSE, token),
        created_by=created_by,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return CreatedFeed(row, token)


def list_feeds(session: Session, workspace_id: str) -> list[CalendarFeed]:
    """Return the workspace's feeds, including revoked ones, newest first."""
    query = select(CalendarFeed).where(CalendarFeed.workspace_id == workspace_id)
    return list(session.scalars(query.order_by(CalendarFeed.id.desc())))


def rotate_feed(
    session: Session, cipher: Cipher, workspace_id: str, feed_id: str, now: datetime
) -> CreatedFeed:
    """Give a feed a new token; the old one stops working. Raises NotFoundError, ConflictError if revoked."""
    row = _get(session, workspace_id, feed_id)
    if row.revoked_at is not None:
        raise ConflictError("the feed is revoked: create a new one", code="revoked")
    token = _new_token()
    row.token_hmac = cipher.hmac_hex(_PURPOSE, token)
    row.rotated_at = now
    return CreatedFeed(row, token)


def revoke_feed(session: Session, workspace_id: str, feed_id: str, now: datetime) -> CalendarFeed:
    """Revoke a feed's token. Idempotent. Raises NotFoundError."""
    row = _get(session, workspace_id, feed_id)
    row.revoked_at = row.revoked_at or now
    return row


def feed_path(token: str) -> str:
    """Return the URL path of the feed."""
    return f"{FEED_PATH}?{FEED_TOKEN}={token}"


def describe_feed(row: CalendarFeed) -> dict[str, Any]:
    """Return a feed as all interfaces show it, without its token."""
    names = ("id", "name", "created_by", "created_at", "rotated_at", "revoked_at")
    return {name: getattr(row, name) for name in names}


def find_feed(session: Session, cipher: Cipher, token: str) -> CalendarFeed | None:
    """Return the active feed of a token, or None.

    The lookup uses the HMAC, so its duration reveals nothing about tokens similar to a real one.
    """
    if not token.startswith(_PREFIX):
        return None
    query = select(CalendarFeed).where(
        CalendarFeed.token_hmac == cipher.hmac_hex(_PURPOSE, token), CalendarFeed.revoked_at.is_(None)
    )
    return session.scalars(query).one_or_none()


def _get(session: Session, workspace_id: str, feed_id: str) -> CalendarFeed:
    row = session.get(CalendarFeed, feed_id)
    if row is None or row.workspace_id != workspace_id:
        raise NotFoundError(f"there is no calendar feed {feed_id} in this workspace")
    return row


def _new_token() -> str:
    return _PREFIX + secrets.token_urlsafe(32)
