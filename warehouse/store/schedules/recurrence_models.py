"""Tables of recurring posts: recurrence rules, and each occurrence that became a post.

workspaces 1-n recurrences 1-n recurrence_occurrences 1-1 posts
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class Recurrence(Base):
    """A recurrence rule with the content of its posts."""

    __tablename__ = "recurrences"
    __table_args__ = (
        Index("ix_recurrences_list", "workspace_id", "id"),
        Index("ix_recurrences_extend", "made_until"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    rrule: Mapped[str] = mapped_column(String(500))
    starts_at: Mapped[str] = mapped_column(String(19))
    """Wall-clock time of the first possible occurrence, such as 2026-03-02T09:00:00."""
    timezone: Mapped[str] = mapped_column(String(64))
    skipped: Mapped[list[str]]
    """Excluded occurrences: wall-clock times or whole local days."""
    content: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]]
    """The same fields as a post's details: media, link, variants, thread, first_comment."""
    contents: Mapped[dict[str, Any]]
    """Account id -> connectors.types.PostContent as JSON: the exact content to send."""
    client_ref: Mapped[str | None] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Hash of times and content: the same rule created twice is almost always a repeated request."""
    version: Mapped[int] = mapped_column(Integer, default=1)
    made_until: Mapped[datetime | None]
    """All occurrences before this time have become posts; None = the rule has no more occurrences."""
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RecurrenceOccurrence(Base):
    """One occurrence that became a post. The primary key ensures that this happens once."""

    __tablename__ = "recurrence_occurrences"

    recurrence_id: Mapped[str] = mapped_column(ForeignKey("recurrences.id"), primary_key=True)
    occurrence: Mapped[str] = mapped_column(String(19), primary_key=True)
    """Its identifier: the wall-clock time from the rule, even if its post is moved."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    at: Mapped[datetime]
    """The instant from the rule."""
    post_id: Mapped[str | None] = mapped_column(ForeignKey("posts.id"), unique=True)
    """None = no account of the rule was connected."""
    made_at: Mapped[datetime]
