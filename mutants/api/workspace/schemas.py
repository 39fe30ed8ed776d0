"""Shape of a workspace."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.http.schemas import Request
from warehouse.store.schedules.placements import LARGEST_SHARE


class WorkspaceOut(BaseModel):
    """The workspace that the key belongs to."""

    id: str
    name: str
    timezone: str = Field(description="IANA zone in which a time without an offset is read.")
    publishing_paused_at: datetime | None = Field(description="Set while nothing of it is sent.")
    approval_required: bool = Field(description="Whether each post waits for somebody to approve it.")
    random_share: float = Field(
        description='Share of the posts placed by "optimal" that get a random acceptable time, to measure what the '
        "advice is worth; 0 = off."
    )
    weekly_exploration: bool = Field(
        description="Whether one such post a week tries the time that might be best where little is known."
    )


class WorkspacePatch(Request):
    """Changes to a workspace; a field left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"random_share": 0.2}})

    name: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="Needs `admin`.")
    timezone: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="IANA zone for times without an offset. Needs `admin`."
    )
    approval_required: StrictBool | None = Field(
        default=None,
        description="Needs `admin`. Posts made or changed from now on wait; those that wait already go on waiting.",
    )
    random_share: float | None = Field(default=None, ge=0, le=LARGEST_SHARE, description="0 turns it off.")
    weekly_exploration: StrictBool | None = None
