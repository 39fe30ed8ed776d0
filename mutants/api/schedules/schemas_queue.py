"""Shapes of an account's queue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import NUMBERS_ONLY, Request

Weekday = Annotated[int, Field(ge=0, le=6, description="0 = Monday."), NUMBERS_ONLY]
TimeOfDay = Annotated[
    str, Field(max_length=8, description="HH:MM in the account's zone.", examples=["09:30"])
]


class QueueSlotCreate(Request):
    """A new slot."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"weekday": 0, "time": "09:30"}})

    weekday: Weekday
    time: TimeOfDay


class QueueSlotPatch(Request):
    """Another place in the week; a field left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"time": "10:00"}})

    weekday: Weekday | None = None
    time: TimeOfDay | None = None


class QueueSlotOut(BaseModel):
    """A local time of every week at which the account's queue sends one post."""

    id: str
    account_id: str
    weekday: int = Field(description="0 = Monday.")
    time: str = Field(description="HH:MM in `timezone`.")
    timezone: str = Field(description="The account's zone, or the workspace's.")
    next_at: datetime = Field(description="When it comes round next, taken or not.")
