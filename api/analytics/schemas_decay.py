"""Schemas of half-life, engagement by age, and posting frequency. What is not known is null."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.analytics.schemas import Period

Level = Literal["all", "platform", "account"]
Span = tuple[float, float]
_INTERVAL = Field(description="80 % interval of the median: [low, high]; null = not known.")
_RANGE = Field(description="Tenth and ninetieth percentile of the posts; null = not known.")


class HalfLife(BaseModel):
    """Age at which posts have half of the engagement that they have at the reference age."""

    hours: float | None = Field(description="Median; null = not known (fewer than 10 posts).")
    posts: int = Field(description="Number of posts for which the time is known.")
    interval: Span | None = _INTERVAL
    range: Span | None = _RANGE


class AgeFigures(BaseModel):
    """Engagement at one age, as a share of that at the reference age."""

    age_hours: int
    posts: int = Field(description="Number of posts that were measured around this age.")
    share: float | None = Field(description="Median; null = not known (fewer than 10 posts).")
    gained: float | None = Field(description="Share that arrived since the age before in the list.")
    interval: Span | None = _INTERVAL
    range: Span | None = _RANGE


class DecayGroup(BaseModel):
    """Figures of one account, of a platform's accounts, or of all."""

    level: Level
    platform: str | None
    account_id: str | None
    posts: int = Field(
        description="Number of posts with a measured engagement of at least 10 at the reference age."
    )
    half_life: HalfLife
    ages: list[AgeFigures]


class DecayCoverage(BaseModel):
    """Which posts of the period the figures are from."""

    publications: int
    too_young: int = Field(description="Not yet measured beyond the reference age.")
    unmeasured: int = Field(description="Without a measurement around the reference age.")
    too_small: int = Field(description="With an engagement below 10 at the reference age.")
    used: int


class DecayOut(BaseModel):
    """Half-life and engagement by age: all accounts, each platform, each account."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reference": "7d",
                "period": {"from": "2026-02-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
                "groups": [
                    {
                        "level": "account",
                        "platform": "mastodon",
                        "account_id": "acct_01jt3s5yqf3w1k6vhdq6mt4x2e",
                        "posts": 42,
                        "half_life": {
                            "hours": 5.5,
                            "posts": 40,
                            "interval": [4.9, 6.3],
                            "range": [2.1, 14.0],
                        },
                        "ages": [
                            {
                                "age_hours": 24,
                                "posts": 41,
                                "share": 0.83,
                                "gained": 0.22,
                                "interval": [0.8, 0.85],
                                "range": [0.62, 0.95],
                            }
                        ],
                    }
                ],
                "coverage": {"publications": 60, "too_young": 9, "unmeasured": 4, "too_small": 5, "used": 42},
                "definitions": {"interval": "80 % interval of the median."},
            }
        }
    )

    reference: Literal["7d", "30d"]
    period: Period
    groups: list[DecayGroup]
    coverage: DecayCoverage
    definitions: dict[str, str]


class FrequencyDay(BaseModel):
    """Posts on days with so many posts."""

    posts_per_day: int = Field(description="5 = 5 or more.")
    days: int
    posts: int
    measured: int = Field(description="Posts that were measured around the age.")
    compared: int = Field(description="Measured posts of accounts whose median is not 0.")
    engagement_median: float | None = Field(description="Per post; null = not known (fewer than 10 posts).")
    relative: float | None = Field(
        description="Median of engagement divided by the account's median; 1 = as usual; null = not known."
    )
    interval: Span | None = _INTERVAL
    range: Span | None = _RANGE


class FrequencyGroup(BaseModel):
    """Figures of one account, of a platform's accounts, or of all."""

    level: Level
    platform: str | None
    account_id: str | None
    days: list[FrequencyDay]


class FrequencyOut(BaseModel):
    """Engagement per post by the number of posts on the same day: an association, no proof."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "age": "24h",
                "period": {"from": "2026-02-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
                "groups": [
                    {
                        "level": "all",
                        "platform": None,
                        "account_id": None,
                        "days": [
                            {
                                "posts_per_day": 1,
                                "days": 18,
                                "posts": 18,
                                "measured": 17,
                                "compared": 17,
                                "engagement_median": 120.5,
                                "relative": 1.08,
                                "interval": [0.97, 1.2],
                                "range": [0.4, 2.3],
                            }
                        ],
                    }
                ],
                "definitions": {"range": "From the tenth to the ninetieth percentile of the posts."},
            }
        }
    )

    age: Literal["1h", "24h", "7d", "30d"]
    period: Period
    groups: list[FrequencyGroup]
    definitions: dict[str, str]
