"""Shapes of an account's queue."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class QueueSlotOut(BaseModel):
    """A local time of every week at which the account's queue sends one post."""

    id: str
    account_id: str
    weekday: int = Field(description="0 = Monday.")
    time: str = Field(description="HH:MM in `timezone`.")
    timezone: str = Field(description="The account's zone, or the workspace's.")
    next_at: datetime = Field(description="When it comes round next, taken or not.")
