"""Schemas of recommended times, suggestions and scores."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from warehouse.scheduling.suggestions import SuggestionWish

Range = tuple[float, float]


class OptimalTime(BaseModel):
    """One hour of an account's week and its expected effect."""

    account_id: str
    platform: str
    handle: str | None
    weekday: int = Field(description="0 = Monday, local.")
    hour: int = Field(description="0-23, local.")
    timezone: str
    next_at: datetime = Field(description="Next occurrence of this slot, with offset.")
    score: float = Field(description="0 = the account's worst slot, 100 = its best.")
    expected_lift_pct: float = Field(
        description="Expected engagement compared with the account's usual times."
    )
    interval_80: Range = Field(description="80 % range of the lift, in percent.")
    p_better: float
    posts_observed: int
    posts_nearby: int
    basis: str = Field(description="own, mixed or prior: what the estimate rests on.")
    confidence: str = Field(
        description="high, medium, low: that it is better; no reliable timing effect; or worse than usual, where the "
        "whole range is."
    )
    sentence: str


class PostingHabit(BaseModel):
    """What is known about one kind or length of post, or about the number of posts of a day, on one account."""

    subject: Literal["posts_per_day", "kind", "length"]
    label: str = Field(
        description="text, link, photo or video; short (below 80 characters), medium or long (from 280); posts_per_day."
    )
    posts: int = Field(
        description="Posts of that kind or length in the last year; for posts_per_day all of them."
    )
    effect_pct: float = Field(
        description="Engagement per post against the account's other posts at equal age; for posts_per_day, what "
        "twice as many posts on a day go with."
    )
    interval_80: Range = Field(description="80 % range of the effect, in percent.")
    known: bool = Field(description="Whether the direction is beyond chance; false: not known.")
    sentence: str


class TimingSubject(BaseModel):
    """The data behind the recommendation for one account."""

    account_id: str
    platform: str
    handle: str | None
    posts: int = Field(description="Measured posts that the estimate used.")
    basis: str = Field(description="own, mixed or prior: what the estimate of the best slot rests on.")
    confidence: str | None = Field(description="Confidence of the best slot; null: nothing computed yet.")
    verdict: str = Field(description="Summary of what is known about this account's timing.")
    noise_log_sd: float | None = Field(
        description="Random variation of a single post, in log units: 1.1 is a factor of 3 up or down, at any hour. "
        "null: not measured (fewer than 20 pairs of posts older than two days in the last year)."
    )
    p_chance: float | None = Field(
        description="Probability that its posts vary this much over the week if timing does nothing. Above 0.09, no "
        "slot is called better. null: no measured posts."
    )
    moved_at: datetime | None = Field(
        description="Since when its good hours seem to have changed; older posts then count less. null: no such change."
    )
    suspicious_hours: list[int] = Field(
        description="Local hours whose posts earned far more than those around, as paid promotion does."
    )
    pace: str = Field(description="Answer to how often to post; 'not known' is a valid answer.")
    kinds: str = Field(
        description="Answer to which kinds and lengths do better; 'not known' is a valid answer."
    )
    habits: list[PostingHabit] = Field(
        description="Which kinds and lengths do better, and what more posts a day go with; empty: too few posts."
    )
    caveats: list[str]
    computed_at: datetime | None
    model_version: str | None


class AccountShare(BaseModel):
    """The score of a time on one account; null figures: nothing was computed for it yet."""

    account_id: str
    platform: str
    handle: str | None
    weight: float
    expected_lift_pct: float | None
    interval_80: Range | None
    confidence: str | None = Field(description="Same as in the recommended times.")
    own_best_lift_pct: float | None = Field(description="At the account's own best hour of the week.")
    loss_pct: float | None = Field(
        description="Share of its engagement at that hour that is lost at this time."
    )


class SharedTime(BaseModel):
    """One time for several accounts."""

    next_at: datetime
    weekday: int = Field(description="0 = Monday, in the time zone of the response.")
    hour: int
    expected_lift_pct: float = Field(description="Weighted mean over the accounts.")
    interval_80: Range
    accounts: list[AccountShare]
    sentence: str


class SharedTimes(BaseModel):
    """The best times of the coming week for all of the accounts together, best first."""

    timezone: str
    verdict: str
    data: list[SharedTime]


class OptimalTimesOut(BaseModel):
    """Recommended times, best first."""

    data: list[OptimalTime]
    accounts: list[TimingSubject]
    combined: SharedTimes | None = Field(
        description="null: fewer than two accounts with computed times, or more than 25."
    )
    caveats: list[str]
    has_more: bool = False
    next_cursor: str | None = None


class SuggestRequest(SuggestionWish):
    """How many times to suggest, for which accounts, within which period."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"count": 3, "platforms": ["twitter"]}}
    )


class Suggestion(BaseModel):
    """A suggested time. Nothing is reserved: POST a post with it as `scheduled_at`."""

    at: datetime = Field(description="With the offset of the response's time zone.")
    weekday: int
    hour: int
    rank: int = Field(description="1 = the most promising.")
    expected_lift_pct: float
    interval_80: Range
    accounts: list[AccountShare]
    reason: str


class SuggestOut(BaseModel):
    """Suggested times in chronological order."""

    model_config = ConfigDict(populate_by_name=True)

    asked: int
    found: int
    note: str = Field(description="Set if fewer fit than requested; says what would help.")
    timezone: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    data: list[Suggestion]
    caveats: list[str]


class Collision(BaseModel):
    """Another post of the account near the requested time."""

    publication_id: str
    post_id: str
    at: datetime
    minutes_away: int
    severity: Literal["too_close", "near"] = Field(
        description="too_close: less than 30 minutes; near: less than two hours."
    )


class LimitUse(BaseModel):
    """Usage of a platform's own publishing limit."""

    posts: int
    window_minutes: int
    used: int = Field(
        description="Known posts in the fullest limit window around the requested time, without a new one."
    )
    exceeded: bool = Field(description="Whether one more post would exceed the limit.")


class TimeScore(AccountShare):
    """The score of the requested time on one account, and what speaks against it."""

    weekday: int
    hour: int
    timezone: str = Field(description="The account's time zone; weekday and hour are in it.")
    p_better: float | None
    collisions: list[Collision]
    limit: LimitUse | None = Field(description="null: the platform publishes no such limit.")
    sentence: str


class ScoreOut(BaseModel):
    """The score of a time."""

    at: datetime
    timezone: str
    expected_lift_pct: float | None = Field(
        description="Weighted mean over the accounts; null: there is none, or nothing was computed yet."
    )
    interval_80: Range | None
    verdict: str
    data: list[TimeScore]
    caveats: list[str]
    has_more: bool = False
    next_cursor: str | None = None
