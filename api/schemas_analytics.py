"""Shapes of analytics. What was not measured is null, never 0."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field


class TopPost(BaseModel):
    """One of the best posts of a period."""

    post_id: str
    engagement: int


class Period(BaseModel):
    """From (included) to (excluded), UTC."""

    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime


class Change(BaseModel):
    """Relative change against the period before (0.1 = 10 % more); null where a side is unmeasured or 0."""

    total_posts: float | None
    total_engagement: float | None
    follower_growth: float | None


class PreviousPeriod(BaseModel):
    """The equally long period just before."""

    period: Period
    total_posts: int
    total_engagement: int | None
    follower_growth: int | None
    change: Change


class PlatformFigures(BaseModel):
    """The period on one platform."""

    platform: str
    total_posts: int
    total_engagement: int | None
    follower_growth: int | None


class Day(BaseModel):
    """One UTC day of the period."""

    date: date
    posts: int
    engagement: int | None
    follower_growth: int | None


class Coverage(BaseModel):
    """How much of the period was measured."""

    publications: int
    measured: int
    share: float | None
    follower_accounts: int


class OverviewOut(BaseModel):
    """What the posts of a period earned."""

    total_posts: int
    total_engagement: int | None
    follower_growth: int | None
    top_performing: list[TopPost]
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
    """How one publication did over time."""

    publication_id: str
    account_id: str
    platform: str
    kind: str | None
    published_at: datetime
    permalink: str | None
    snapshots: list[Snapshot]


class PostMetricsOut(BaseModel):
    """How a post did, per publication."""

    post_id: str
    publications: list[PublicationMetrics]
