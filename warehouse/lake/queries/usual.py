"""Posts against their account's usual, at equal age: one post, a period, and the band of an account's posts.

Unmeasured values are None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import expm1, sqrt
from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from warehouse.lake.connect import Lake

USUAL_SPAN = timedelta(days=90)
"""How far back an account's posts make its usual."""
_NORMAL_80 = 1.2816
"""Half the width of an 80 % interval, in standard errors."""


@dataclass(frozen=True, slots=True)
class PostRatio:
    """One post at an age."""

    engagement: float | None
    ratio: float | None
    """Engagement divided by its accounts' usual (median) at the same age; None = not measured, or too few posts."""


@dataclass(frozen=True, slots=True)
class PeriodLift:
    """The posts of a period against their accounts' posts before it, at the same age."""

    posts: int
    """Publications of the period that were measured at the age."""
    compared: int
    """Those whose account has a usual: at least five measured posts before."""
    usual_posts: int
    engagement_mean: float | None
    usual_mean: float | None
    lift: float | None
    """As a fraction; None = fewer than two comparable posts."""
    low: float | None
    high: float | None
    """80 % range."""


def get_usual_ratios(
    lake: Lake, *, workspace_id: str, post_ids: Collection[str], now: datetime, age_hours: int = 24
) -> dict[str, PostRatio]:
    """Return {post_id: PostRatio} of those of these posts that have an age of `age_hours` and were measured."""
    if not post_ids:
        return {}
    params = {
        "workspace_id": workspace_id,
        "post_ids": list(post_ids),
        "age_hours": age_hours,
        "since": now - USUAL_SPAN,
    }
    rows = lake.query(load_sql("queries/select_usual_ratios"), params)
    return {row["post_id"]: PostRatio(row["engagement"], row["ratio"]) for row in rows}


def get_age_bands(lake: Lake, *, workspace_id: str, account_id: str, now: datetime) -> list[dict[str, Any]]:
    """Return the band of an account's posts of the last 90 days: {age_hours, low, middle, high, posts} by age."""
    params = {"workspace_id": workspace_id, "account_id": account_id, "since": now - USUAL_SPAN}
    return lake.query(load_sql("queries/select_age_bands"), params)


def compare_at_age(
    lake: Lake,
    *,
    workspace_id: str,
    start: datetime,
    end: datetime,
    account_id: str | None = None,
    platform: str | None = None,
    age_hours: int = 24,
) -> PeriodLift:
    """Compare the posts of [start, end) with those of the 90 days before, each with its own account's."""
    params = {
        "workspace_id": workspace_id,
        "account_id": account_id,
        "platform": platform,
        "age_hours": age_hours,
        "usual_start": start - USUAL_SPAN,
        "start": start,
        "end": end,
    }
    (row,) = lake.query(load_sql("queries/compare_at_age"), params)
    lift = low = high = None
    if row["compared"] >= 2 and row["spread"] is not None:
        error = sqrt(row["spread"] ** 2 + (row["usual_variance"] or 0.0)) * _NORMAL_80
        lift, low, high = (expm1(row["lift_log"] + side * error) for side in (0, -1, 1))
    return PeriodLift(
        row["posts"],
        row["compared"],
        row["usual_posts"],
        row["engagement_mean"],
        row["usual_mean"],
        lift,
        low,
        high,
    )
