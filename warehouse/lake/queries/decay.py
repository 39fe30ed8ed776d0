"""How engagement grows and decays with age, and how it relates to posting frequency.

Every figure has the number of posts it is from and two ranges; with fewer than FEWEST_POSTS it is None: not known.
Estimates of marts.publication_at_age are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.lake.queries.posts import AGES
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.lake.connect import Lake

REFERENCES = {"7d": 168, "30d": 720}
"""Ages whose engagement counts as a post's whole."""
FEWEST_POSTS = 10
MIN_ENGAGEMENT = 10

DECAY_DEFINITIONS = {
    "half_life": (
        "Age in hours at which a post has half of the engagement that it has at the reference age: the median of the "
        "posts whose time of reaching it is known between two real measurements."
    ),
    "share": "Engagement at an age divided by the engagement of the same post at the reference age: the median.",
    "gained": "Share that arrived since the age before in the list; null where one of the two is not known.",
    "interval": "80 % interval of the median.",
    "range": "From the tenth to the ninetieth percentile of the posts.",
    "posts": f"Number of posts of the figure. Below {FEWEST_POSTS} posts it is null: not known.",
    "used": f"Posts with at least {MIN_ENGAGEMENT} at the reference age; smaller ones are mostly chance (too_small).",
}
FREQUENCY_DEFINITIONS = {
    "posts_per_day": "Posts of the account on the same day of its calendar; 5 stands for 5 and more.",
    "relative": (
        "Engagement of a post at the age, divided by the median of its account's posts in the period: 1 = as usual. "
        "The median of the posts on such days."
    ),
    "interval": "80 % interval of the median.",
    "range": "From the tenth to the ninetieth percentile of the posts.",
    "posts": f"Below {FEWEST_POSTS} compared posts the figures are null: not known.",
    "association": "An association, not proof: an account may post more on days on which it has more to say.",
}


def get_decay(
    lake: Lake,
    *,
    workspace_id: str,
    start: datetime,
    end: datetime,
    reference: str = "7d",
    platform: str | None = None,
    account_id: str | None = None,
) -> dict[str, Any]:
    """Return half-life and engagement by age of the posts published in [start, end).

    {reference, groups: [{level, platform, account_id, posts, half_life, ages}], coverage, definitions}. `level` is all,
    platform or account; half_life is {hours, posts, interval, range}; ages is one {age_hours, posts, share, gained,
    interval, range} per age up to the reference. `interval` and `range` are [low, high] or None.
    """
    params = {
        "workspace_id": workspace_id,
        "start": start,
        "end": end,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
        "reference_hours": REFERENCES[reference],
    }
    groups: dict[tuple[str, str | None, str | None], dict[str, Any]] = {}
    for row in lake.query(load_sql("queries/select_decay"), params):
        key = (row["level"], row["platform"], row["account_id"])
        group = groups.setdefault(
            key,
            {
                **dict(zip(("level", "platform", "account_id"), key, strict=True)),
                "posts": row["of_posts"],
                "half_life": {"hours": None, "posts": 0, "interval": None, "range": None},
                "ages": [],
            },
        )
        figure = _figure(row, row["posts"])
        if row["age_hours"] is None:
            if row["posts"]:
                group["half_life"] = {"hours": figure.pop("median"), "posts": row["posts"], **figure}
        else:
            share = figure.pop("median")
            group["ages"].append(
                {"age_hours": row["age_hours"], "posts": row["posts"], "share": share, **figure}
            )
    for group in groups.values():
        before: float | None = 0.0
        for age in group["ages"]:
            age["gained"] = None if before is None or age["share"] is None else age["share"] - before
            before = age["share"]
    (coverage,) = lake.query(load_sql("queries/count_decay"), params)
    return {
        "reference": reference,
        "groups": _ordered(groups),
        "coverage": coverage,
        "definitions": DECAY_DEFINITIONS,
    }


def get_frequency(
    lake: Lake,
    *,
    workspace_id: str,
    start: datetime,
    end: datetime,
    age: str = "24h",
    platform: str | None = None,
    account_id: str | None = None,
) -> dict[str, Any]:
    """Return how engagement per post relates to the number of posts on the same day.

    {age, groups: [{level, platform, account_id, days: [{posts_per_day, days, posts, measured, compared,
    engagement_median, relative, interval, range}]}], definitions}.
    """
    params = {
        "workspace_id": workspace_id,
        "start": start,
        "end": end,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
        "age_hours": AGES[age],
    }
    groups: dict[tuple[str, str | None, str | None], dict[str, Any]] = {}
    for row in lake.query(load_sql("queries/select_frequency"), params):
        key = (row["level"], row["platform"], row["account_id"])
        named = dict(zip(("level", "platform", "account_id"), key, strict=True))
        group = groups.setdefault(key, {**named, "days": []})
        figure = _figure(row, row["compared"])
        known = row["measured"] >= FEWEST_POSTS
        group["days"].append(
            {
                **{name: row[name] for name in ("posts_per_day", "days", "posts", "measured", "compared")},
                "engagement_median": row["engagement_median"] if known else None,
                "relative": figure.pop("median"),
                **figure,
            }
        )
    return {"age": age, "groups": _ordered(groups), "definitions": FREQUENCY_DEFINITIONS}


def _figure(row: dict[str, Any], posts: int) -> dict[str, Any]:
    """Return {median, interval, range}; all None for too few posts."""
    if posts < FEWEST_POSTS:
        return {"median": None, "interval": None, "range": None}
    return {
        "median": row["median"],
        "interval": [row["interval_low"], row["interval_high"]],
        "range": [row["range_low"], row["range_high"]],
    }


def _ordered(groups: dict[tuple[str, str | None, str | None], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups: all first, then platforms, then accounts."""
    order = {"all": 0, "platform": 1, "account": 2}
    return sorted(
        groups.values(),
        key=lambda group: (order[group["level"]], group["platform"] or "", group["account_id"] or ""),
    )
