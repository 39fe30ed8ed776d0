"""Calendar schemas."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field


class CalendarEntry(BaseModel):
    """One post on one account, at its time."""

    post_id: str
    publication_id: str
    account_id: str
    platform: str
    status: str
    reason: str | None
    content: str
    scheduled_at: datetime
    local_time: datetime = Field(description="The same time in the requested time zone.")
    published_at: datetime | None
    permalink: str | None
    conflicts: list[str] = Field(
        description="Publications on the same account less than 30 minutes away: the earlier one gets less engagement."
    )


class CalendarDay(BaseModel):
    """One local day."""

    date: date
    weekday: int = Field(description="0 = Monday.")
    entries: list[CalendarEntry]


class CalendarOut(BaseModel):
    """The content calendar: local days with at least one entry."""

    timezone: str
    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime
    data: list[CalendarDay]
    has_more: bool = False
    next_cursor: str | None = None
