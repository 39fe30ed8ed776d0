"""Shape of a workspace."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class WorkspaceOut(BaseModel):
    """The workspace that the key belongs to."""

    id: str
    name: str
    timezone: str = Field(description="IANA zone in which a time without an offset is read.")
    publishing_paused_at: datetime | None = Field(description="Set while nothing of it is sent.")
