"""What the analytics endpoints say: the overview of a period, a post's metrics, an account's days.

Definitions are in DEFINITIONS and docs/warehouse.md. What was not measured is None, never 0.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from warehouse.errors import InvalidInputError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import date, datetime

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

DEFINITIONS = {
    "total_posts": "Posts published in the period, whoever published them; a post on several accounts counts once.",
    "total_engagement": (
        "Likes + comments + shares + saves that those posts have earned by as_of, not only within the period; "
        "null when nothing was measured."
    ),
    "follower_growth": (
        "Last minus first follower count in the period, summed over the accounts counted at least twice in it; "
        "null when there is none."
    ),
    "top_performing": "The period's posts by engagement, at most 10.",
    "previous": (
        "The equally long period just before. Its posts have had longer to earn. change = (now - before) / before."
    ),
    "by_platform": "The same per platform; a post on two platforms counts in both.",
    "series": "Per UTC day: posts by day of publishing, what they earned by as_of, followers won that day.",
    "coverage": "How many of the period's publications have been measured.",
    "as_of": "Time of the newest measurement used.",
}

_COMPARED = ("total_posts", "total_engagement", "follower_growth")


def get_overview(
    lake: Lake,
    *,
    workspace_id: str,
    start: datetime,
    end: datetime,
    platform: Platform | str | None = None,
    account_id: str | None = None,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """Return the overview of [start, end), UTC; `as_of` looks back: only what was measured by then counts.

    Keys: total_posts, total_engagement, follower_growth, top_performing [{post_id, engagement}],
    period {from, to}, as_of, previous {period, the first three, change {the first three, as fractions}},
    by_platform [{platform, the first three}], series [{date, posts, engagement, follower_growth}],
    coverage {publications, measured, share, follower_accounts}, definitions.

    Raises InvalidInputError: naive times, or an end that is not after the start.
    """
    for name, instant in (("from", start), ("to", end), ("as_of", as_of)):
        if instant is not None and instant.tzinfo is None:
            raise InvalidInputError(f"{name} has no time zone: add one, such as Z", field=name)
    if end <= start:
        raise InvalidInputError("the period is empty: 'to' must be after 'from'", field="to")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    previous_start = start - (end - start)
    params: dict[str, Any] = {
        "workspace_id": workspace_id,
        "previous_start": previous_start,
        "start": start,
        "end": end,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
    }
    time_travel = {} if as_of is None else {"as_of": as_of}
    measured = load_sql("queries/measured_now" if as_of is None else "queries/measured_as_of")
    posts_sql = load_sql("queries/overview").replace("{measured}", measured)
    (posts,) = lake.query(posts_sql, params | time_travel)
    (followers,) = lake.query(load_sql("queries/overview_followers"), params | {"as_of": as_of})

    now = {
        "total_posts": posts["total_posts"],
        "total_engagement": posts["total_engagement"],
        "follower_growth": followers["follower_growth"],
    }
    before = {
        "total_posts": posts["previous_posts"],
        "total_engagement": posts["previous_engagement"],
        "follower_growth": followers["previous_growth"],
    }
    newest = [row["as_of"] for row in (posts, followers) if row["as_of"] is not None]
    return {
        **now,
        "top_performing": posts["top"],
        "period": {"from": start, "to": end},
        "as_of": max(newest) if newest else None,
        "previous": {
            "period": {"from": previous_start, "to": start},
            **before,
            "change": {name: _change(now[name], before[name]) for name in _COMPARED},
        },
        "by_platform": _join_platforms(posts["by_platform"], followers["by_platform"]),
        "series": _fill_days(start, end, posts["days"], followers["days"]),
        "coverage": {
            "publications": posts["publications"],
            "measured": posts["measured"],
            "share": posts["measured"] / posts["publications"] if posts["publications"] else None,
            "follower_accounts": followers["accounts"],
        },
        "definitions": DEFINITIONS,
    }


def get_post_metrics(lake: Lake, workspace_id: str, post_id: str) -> dict[str, Any]:
    """Return a post's publications, each with its snapshots, oldest first.

    {post_id, publications: [{publication_id, account_id, platform, kind, published_at, permalink,
    snapshots: [{captured_at, age_hours, the 8 metrics, engagement}]}]}

    `publications` is empty for a post that is not published, unknown, or another workspace's.
    """
    rows = lake.query(load_sql("queries/post_metrics"), {"workspace_id": workspace_id, "post_id": post_id})
    of_publication = ("publication_id", "account_id", "platform", "kind", "published_at", "permalink")
    publications: dict[str, dict[str, Any]] = {}
    for row in rows:
        head = {name: row.pop(name) for name in of_publication}
        publication = publications.setdefault(head["publication_id"], head | {"snapshots": []})
        if row["captured_at"] is not None:
            publication["snapshots"].append(row)
    return {"post_id": post_id, "publications": list(publications.values())}


def list_accounts_daily(
    lake: Lake, *, workspace_id: str, first: date, last: date, account_id: str | None = None
) -> list[dict[str, Any]]:
    """Return one row per account and measured UTC day, both ends included.

    Columns: account_id, platform, day, captured_at, followers, following, posts, follower_growth.
    """
    params = {"workspace_id": workspace_id, "first": first, "last": last, "account_id": account_id}
    return lake.query(load_sql("queries/accounts_daily"), params)


def _change(now: int | None, before: int | None) -> float | None:
    """Return the relative change; None where one side is unmeasured or the base is 0."""
    if now is None or not before:
        return None
    return (now - before) / abs(before)


def _join_platforms(posts: list[dict[str, Any]], followers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    growth = {row["platform"]: row["follower_growth"] for row in followers}
    rows = {row["platform"]: row | {"follower_growth": growth.pop(row["platform"], None)} for row in posts}
    for platform, value in growth.items():
        empty = {"platform": platform, "total_posts": 0, "total_engagement": None}
        rows[platform] = empty | {"follower_growth": value}
    return [rows[platform] for platform in sorted(rows)]


def _fill_days(
    start: datetime, end: datetime, posts: list[dict[str, Any]], followers: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    published = {row["day"]: row for row in posts}
    growth = {row["day"]: row["follower_growth"] for row in followers}
    day, last = start.date(), (end - timedelta(microseconds=1)).date()
    series = []
    while day <= last:
        row = published.get(day)
        series.append(
            {
                "date": day,
                "posts": row["posts"] if row else 0,
                "engagement": row["engagement"] if row else None,
                "follower_growth": growth.get(day),
            }
        )
        day += timedelta(days=1)
    return series
