"""Queue slot schemas."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class QueueSlotOut(BaseModel):
    """A weekly local time at which an account's queue sends one post."""

    id: str
    account_id: str
    weekday: int = Field(description="0 = Monday.")
    time: str = Field(description="HH:MM in `timezone`.")
    timezone: str = Field(description="The account's zone, or the workspace's.")
    next_at: datetime = Field(description="Next occurrence, taken or not.")
