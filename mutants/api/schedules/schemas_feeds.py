"""Shapes of calendar feeds."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Request


class FeedCreate(Request):
    """A new address for a calendar program."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Ada's phone"}})

    name: str = Field(min_length=1, max_length=200, description="Whose calendar it is, to tell feeds apart.")


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
