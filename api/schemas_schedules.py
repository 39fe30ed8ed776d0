"""Shapes of the calendar and of the advised times."""

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
    local_time: datetime = Field(description="The same instant in the asked time zone.")
    published_at: datetime | None
    permalink: str | None
    conflicts: list[str] = Field(
        description="Publications on the same account less than 30 minutes away: the earlier one earns less."
    )


class CalendarDay(BaseModel):
    """One local day."""

    date: date
    weekday: int = Field(description="0 = Monday.")
    entries: list[CalendarEntry]


class CalendarOut(BaseModel):
    """The content calendar: local days that hold at least one entry."""

    timezone: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    data: list[CalendarDay]
    has_more: bool = False
    next_cursor: str | None = None


class OptimalTime(BaseModel):
    """One hour of one account's week, and what posting then is expected to bring."""

    account_id: str
    platform: str
    handle: str | None
    weekday: int = Field(description="0 = Monday, local.")
    hour: int = Field(description="0-23, local.")
    timezone: str
    next_at: datetime = Field(description="The next real instant of this slot, with offset.")
    score: float = Field(description="0 = the account's worst slot, 100 = its best.")
    expected_lift_pct: float = Field(description="Expected engagement against the account's usual times.")
    interval_80: tuple[float, float] = Field(description="80 % range of the lift, in percent.")
    p_better: float
    posts_observed: int
    posts_nearby: int
    basis: str = Field(description="own, mixed or prior: what the estimate rests on.")
    confidence: str = Field(description="high, medium, low, or no reliable timing effect.")
    sentence: str


class TimingSubject(BaseModel):
    """What the advice for one account rests on."""

    account_id: str
    platform: str
    handle: str | None
    posts: int
    computed_at: datetime
    model_version: str


class OptimalTimesOut(BaseModel):
    """Advised times, the best first."""

    data: list[OptimalTime]
    accounts: list[TimingSubject]
    caveats: list[str]
    has_more: bool = False
    next_cursor: str | None = None
