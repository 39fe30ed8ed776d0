"""Analytics schemas. Unmeasured values are null, never 0."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Page


class TopPost(BaseModel):
    """One of the top posts of a period."""

    post_id: str
    engagement: int


class Period(BaseModel):
    """From (included) to (excluded)."""

    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime


class Change(BaseModel):
    """Relative change from the previous period (0.1 = 10 % more); null if either value is unmeasured or 0."""

    total_posts: float | None
    total_engagement: float | None
    follower_growth: float | None


class PreviousPeriod(BaseModel):
    """The preceding period of equal length."""

    period: Period
    total_posts: int
    total_engagement: int | None
    follower_growth: int | None
    top_performing: list[TopPost]
    change: Change


class PlatformFigures(BaseModel):
    """Figures of the period on one platform."""

    platform: str
    total_posts: int
    total_engagement: int | None
    follower_growth: int | None


class Day(BaseModel):
    """One day of the period, in the time zone of the answer."""

    date: date
    posts: int
    engagement: int | None
    follower_growth: int | None


class Coverage(BaseModel):
    """Share of the period's publications that were measured."""

    publications: int
    measured: int
    share: float | None
    follower_accounts: int
    suspicious_counts: int = Field(
        description="Counts of followers left out of follower_growth, because they are not believable."
    )


class OverviewOut(BaseModel):
    """Overview of a period."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "total_posts": 145,
                "total_engagement": 24500,
                "follower_growth": 1250,
                "top_performing": [{"post_id": "post_01jt3s5yqf3w1k6vhdq6mt4x2e", "engagement": 1250}],
                "timezone": "Europe/Berlin",
                "period": {"from": "2026-03-01T00:00:00+01:00", "to": "2026-03-02T00:00:00+01:00"},
                "as_of": "2026-03-01T23:45:00+01:00",
                "previous": {
                    "period": {"from": "2026-02-28T00:00:00+01:00", "to": "2026-03-01T00:00:00+01:00"},
                    "total_posts": 100,
                    "total_engagement": None,
                    "follower_growth": 1000,
                    "top_performing": [],
                    "change": {"total_posts": 0.45, "total_engagement": None, "follower_growth": 0.25},
                },
                "by_platform": [
                    {
                        "platform": "twitter",
                        "total_posts": 145,
                        "total_engagement": 24500,
                        "follower_growth": 1250,
                    }
                ],
                "series": [
                    {"date": "2026-03-01", "posts": 145, "engagement": 24500, "follower_growth": 1250}
                ],
                "coverage": {
                    "publications": 150,
                    "measured": 120,
                    "share": 0.8,
                    "follower_accounts": 2,
                    "suspicious_counts": 1,
                },
                "definitions": {
                    "total_posts": "Posts published in the period, with SocialFlow or elsewhere."
                },
            }
        }
    )

    total_posts: int
    total_engagement: int | None
    follower_growth: int | None
    top_performing: list[TopPost]
    timezone: str = Field(description="IANA zone of all times and days of this answer: the workspace's.")
    period: Period
    as_of: datetime | None
    previous: PreviousPeriod
    by_platform: list[PlatformFigures]
    series: list[Day]
    coverage: Coverage
    definitions: dict[str, str]


class Snapshot(BaseModel):
    """Cumulative counters at one moment; null = not reported."""

    captured_at: datetime
    age_hours: float | None
    impressions: int | None
    reach: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    saves: int | None
    clicks: int | None
    video_views: int | None
    engagement: int | None


class PublicationMetrics(BaseModel):
    """Metrics of one publication over time."""

    publication_id: str
    account_id: str
    platform: str
    kind: str | None
    published_at: datetime
    permalink: str | None
    snapshots: list[Snapshot]


class PostMetricsOut(BaseModel):
    """Metrics of a post, per publication."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "post_id": "post_01jt3s5yqf3w1k6vhdq6mt4x2e",
                "publications": [
                    {
                        "publication_id": "pub_01jt3s5yqf3w1k6vhdq6mt4x2e",
                        "account_id": "acct_01jt3s5yqf3w1k6vhdq6mt4x2e",
                        "platform": "mastodon",
                        "kind": "text",
                        "published_at": "2026-03-01T09:00:00Z",
                        "permalink": "https://mastodon.example/@harborlight/1",
                        "snapshots": [
                            {
                                "captured_at": "2026-03-01T10:00:00Z",
                                "age_hours": 1.0,
                                "impressions": None,
                                "reach": None,
                                "likes": 12,
                                "comments": 3,
                                "shares": 2,
                                "saves": None,
                                "clicks": None,
                                "video_views": None,
                                "engagement": 17,
                            }
                        ],
                    }
                ],
            }
        }
    )

    post_id: str
    publications: list[PublicationMetrics]


Age = Literal["1h", "24h", "7d", "30d", "latest"]
Metric = Literal[
    "engagement",
    "engagement_rate",
    "impressions",
    "likes",
    "comments",
    "shares",
    "saves",
    "clicks",
    "video_views",
]


class RankedPost(BaseModel):
    """A post and its metrics at the requested age; null = not reported."""

    rank: int = Field(description="1 = best; equal posts share a rank.")
    post_id: str
    published_at: datetime
    platforms: list[str]
    publications: int = Field(description="Number of accounts, within the filter.")
    engagement: int | None
    engagement_rate: float | None = Field(
        description="Engagement per impression, where impressions are reported."
    )
    impressions: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    saves: int | None
    clicks: int | None
    video_views: int | None


class RankingOut(Page[RankedPost]):
    """A page of a ranking. All pages use the lake snapshot of the first one."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "data": [
                    {
                        "rank": 1,
                        "post_id": "post_01jt3s5yqf3w1k6vhdq6mt4x2e",
                        "published_at": "2026-03-01T09:00:00Z",
                        "platforms": ["mastodon", "twitter"],
                        "publications": 2,
                        "engagement": 1250,
                        "engagement_rate": 0.02,
                        "impressions": 62500,
                        "likes": 1000,
                        "comments": 150,
                        "shares": 100,
                        "saves": None,
                        "clicks": 40,
                        "video_views": None,
                    }
                ],
                "has_more": False,
                "next_cursor": None,
                "age": "24h",
                "sort": "engagement",
                "period": {"from": "2026-02-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
                "ranked": 1,
                "unranked": 3,
            }
        }
    )

    age: Age
    sort: Metric
    period: Period
    ranked: int = Field(description="Ranked posts of the period.")
    unranked: int = Field(
        description="Posts without a rank: not measured near that age, or the metric is not reported."
    )


class AccountFigures(BaseModel):
    """Figures of an account in a period; null = not measured in it."""

    account_id: str
    platform: str
    handle: str
    followers: int | None = Field(description="The last count in the period.")
    followers_at: datetime | None
    follower_growth: int | None = Field(
        description="Last minus first count; null for fewer than two in the period."
    )
    follower_growth_rate: float | None = Field(description="Growth against the first count (0.1 = 10 %).")
    suspicious_counts: int = Field(
        description="Counts of followers left out, because they are not believable."
    )
    publications: int = Field(description="Posts published in the period, with SocialFlow or elsewhere.")
    measured: int = Field(description="Posts with a measured engagement.")
    engagement: int | None = Field(description="Engagement of these posts so far.")
    engagement_mean: float | None = Field(description="Per measured publication.")


class AccountsFiguresOut(Page[AccountFigures]):
    """Figures of the workspace's accounts, all on one page."""

    period: Period


class AccountDay(BaseModel):
    """One day, in the account's time zone, with a measurement of the account."""

    date: date
    captured_at: datetime = Field(description="Time of the day's last count, which the figures come from.")
    followers: int | None
    following: int | None
    posts: int | None
    follower_growth: int | None = Field(
        description="Change from the previous measured day; null for the first."
    )


class AccountMetricsOut(AccountFigures):
    """Figures of an account in a period, and its counts per day."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "account_id": "acct_01jt3s5yqf3w1k6vhdq6mt4x2e",
                "platform": "mastodon",
                "handle": "harborlight",
                "followers": 1250,
                "followers_at": "2026-03-01T23:00:00Z",
                "follower_growth": 50,
                "follower_growth_rate": 0.0417,
                "suspicious_counts": 0,
                "publications": 12,
                "measured": 11,
                "engagement": 990,
                "engagement_mean": 90.0,
                "timezone": "Europe/Berlin",
                "period": {"from": "2026-02-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
                "series": [
                    {
                        "date": "2026-03-01",
                        "captured_at": "2026-03-01T23:00:00Z",
                        "followers": 1250,
                        "following": 80,
                        "posts": None,
                        "follower_growth": 3,
                    }
                ],
            }
        }
    )

    period: Period
    timezone: str = Field(description="The account's effective IANA zone, which the days of `series` are in.")
    series: list[AccountDay]
