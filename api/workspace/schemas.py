"""Schema of a workspace."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class WorkspaceOut(BaseModel):
    """The workspace of the key."""

    id: str
    name: str
    timezone: str = Field(description="IANA time zone of times without an offset.")
    publishing_paused_at: datetime | None = Field(description="Set while publishing is paused.")
    approval_required: bool = Field(description="Whether each post needs approval.")
    random_share: float = Field(
        description='Share of the posts placed by "optimal" that get a random acceptable time, to measure the effect '
        "of the recommendations; 0 = off."
    )
    weekly_exploration: bool = Field(
        description="Whether one such post a week tries a time with little data that might be best."
    )
