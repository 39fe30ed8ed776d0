"""Input models of a new calendar feed and of a change to a workspace."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StrictBool

from warehouse.shapes import Shape
from warehouse.store.schedules.placements import LARGEST_SHARE


class FeedCreate(Shape):
    """A new calendar feed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Ada's phone"}})

    name: str = Field(min_length=1, max_length=200, description="Name shown in the list of feeds.")


class WorkspacePatch(Shape):
    """Changes to a workspace; omitted fields stay unchanged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"random_share": 0.2}})

    name: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="Needs `admin`.")
    timezone: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="IANA zone for times without an offset. Needs `admin`."
    )
    approval_required: StrictBool | None = Field(
        default=None,
        description="Needs `admin`. Applies to posts created or changed from now on; waiting posts keep waiting.",
    )
    random_share: float | None = Field(default=None, ge=0, le=LARGEST_SHARE, description="0 turns it off.")
    weekly_exploration: StrictBool | None = None
