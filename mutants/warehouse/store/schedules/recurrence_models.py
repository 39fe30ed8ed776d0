"""Tables of recurring posts: a rule, and each of its occurrences that was made into a post.

workspaces 1-n recurrences 1-n recurrence_occurrences 1-1 posts
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class Recurrence(Base):
    """A rule and what each of its posts says."""

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
    """Occurrences left out: wall-clock times or whole local days."""
    content: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]]
    """As of a post: media, link, variants, thread, first_comment."""
    contents: Mapped[dict[str, Any]]
    """Account id -> connectors.types.PostContent as JSON: exactly what is sent there."""
    client_ref: Mapped[str | None] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Hash of when and what: the same rule made twice is almost always a repeated request."""
    version: Mapped[int] = mapped_column(Integer, default=1)
    made_until: Mapped[datetime | None]
    """Every occurrence before it was made into a post; None = the rule has no more."""
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RecurrenceOccurrence(Base):
    """One occurrence that was made into a post. The key is what makes it happen once."""

    __tablename__ = "recurrence_occurrences"

    recurrence_id: Mapped[str] = mapped_column(ForeignKey("recurrences.id"), primary_key=True)
    occurrence: Mapped[str] = mapped_column(String(19), primary_key=True)
    """Its name: the wall-clock time that the rule gives, whatever time its post is moved to."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    at: Mapped[datetime]
    """The instant that the rule gave it."""
    post_id: Mapped[str | None] = mapped_column(ForeignKey("posts.id"), unique=True)
    """None = none of the rule's accounts was connected."""
    made_at: Mapped[datetime]
