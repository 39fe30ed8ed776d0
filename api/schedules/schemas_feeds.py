"""Calendar feed schemas."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class FeedOut(BaseModel):
    """A feed address for a calendar app; its token is not shown again."""

    id: str
    name: str
    created_by: str = Field(description="The API key that created it.")
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None


class FeedCreated(FeedOut):
    """A created feed with its token, which is shown once."""

    token: str | None = Field(description="Null in a replayed response: rotate the feed if it was lost.")
    path: str | None = Field(description="Path to append to this server's address; contains the token.")
