"""Shapes of calendar feeds."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class FeedOut(BaseModel):
    """An address for a calendar program; its token is never shown again."""

    id: str
    name: str
    created_by: str = Field(description="The API key that made it.")
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None


class FeedCreated(FeedOut):
    """A feed, and this once its token."""

    token: str | None = Field(description="Null in a repeated answer: rotate the feed if it was lost.")
    path: str | None = Field(description="What to put after this server's own address; holds the token.")
