"""Overview of a period: engagement of its posts, follower growth, and the same for the previous period.

Definitions are in DEFINITIONS and docs/warehouse.md. Unmeasured values are None, never 0.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from warehouse.errors import InvalidInputError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

DEFINITIONS = {
    "total_posts": "Posts published in the period, with SocialFlow or elsewhere; several accounts count once.",
    "total_engagement": (
        "Likes + comments + shares + saves of those posts by as_of, not only within the period; "
        "null if nothing was measured."
    ),
    "follower_growth": (
        "Last minus first follower count in the period, summed over the accounts counted at least twice in it; "
        "null if there is none. Suspicious counts are left out: coverage says how many, and "
        "marts.suspicious_counts which."
    ),
    "top_performing": "The period's posts by engagement, at most 10.",
    "previous": (
        "The period of equal length just before. Its posts had more time to grow. change = (now - before) / before."
    ),
    "by_platform": "The same per platform; a post on two platforms counts in both.",
    "period": "From (included) to (excluded), in the time zone that `timezone` names.",
    "series": (
        "Per day in that time zone: posts by day of publishing, their engagement by as_of, new followers of that day."
    ),
    "coverage": (
        "How many of the period's publications have been measured, the accounts with a follower growth, and the "
        "follower counts left out as suspicious (dropped to 0, or a jump that the next count does not confirm)."
    ),
    "as_of": "Time of the newest measurement used.",
}

UTC_ZONE = ZoneInfo("UTC")
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
    zone: ZoneInfo = UTC_ZONE,
) -> dict[str, Any]:
    """Return the overview of [start, end). With `as_of`, only measurements up to then count.

    `zone` is the time zone of the days in `series`, and of the times in the result.

    Keys: total_posts, total_engagement, follower_growth, top_performing [{post_id, engagement}],
    period {from, to}, as_of, previous {period, the first four, change {the first three, as fractions}},
    by_platform [{platform, the first three}], series [{date, posts, engagement, follower_growth}],
    coverage {publications, measured, share, follower_accounts, suspicious_counts}, timezone, definitions.

    Raises InvalidInputError: naive times, or an end not after the start.
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
        "as_of": as_of,
        **_read_clock(zone, start, end),
    }
    measured = load_sql("queries/select_measured_now" if as_of is None else "queries/select_measured_as_of")
    rows = lake.query(load_sql("queries/sum_overview").replace("{measured}", measured), params)
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        parts[row["part"]].append(row)
    now, before = _totals(parts, current=True), _totals(parts, current=False)
    publications = sum(row["counted"] for row in parts["publications"] if row["current"])
    measured_publications = sum(row["total"] for row in parts["publications"] if row["current"])
    newest = [row["as_of"] for row in rows if row["as_of"] is not None]
    return {
        **now,
        "top_performing": _best(parts, current=True),
        "timezone": zone.key,
        "period": {"from": start.astimezone(zone), "to": end.astimezone(zone)},
        "as_of": max(newest).astimezone(zone) if newest else None,
        "previous": {
            "period": {"from": previous_start.astimezone(zone), "to": start.astimezone(zone)},
            **before,
            "top_performing": _best(parts, current=False),
            "change": {name: _change(now[name], before[name]) for name in _COMPARED},
        },
        "by_platform": _join_platforms(parts),
        "series": _fill_days(start.astimezone(zone), end.astimezone(zone), parts),
        "coverage": {
            "publications": publications,
            "measured": measured_publications,
            "share": measured_publications / publications if publications else None,
            "follower_accounts": sum(row["counted"] for row in parts["followers"] if row["current"]),
            "suspicious_counts": sum(row["counted"] for row in parts["suspicious"] if row["current"]),
        },
        "definitions": DEFINITIONS,
    }


def _read_clock(zone: ZoneInfo, start: datetime, end: datetime) -> dict[str, list[Any]]:
    """Return the zone's offsets in [start, end) for SQL: from each instant of `since` on, `ahead` microseconds.

    Python's zone database decides, as in all other answers; DuckDB may not know the zone. Offsets change at full
    minutes.
    """
    since, ahead = [start], [_offset(zone, start)]
    at = start
    while at < end:
        following = min(at + timedelta(days=1), end)
        if _offset(zone, following) != ahead[-1]:
            low, high = at.replace(second=0, microsecond=0), following
            while high - low > timedelta(minutes=1):
                middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
                low, high = (middle, high) if _offset(zone, middle) == ahead[-1] else (low, middle)
            since.append(high.replace(second=0, microsecond=0))
            ahead.append(_offset(zone, high))
        at = following
    return {"since": since, "ahead": ahead}


def _offset(zone: ZoneInfo, instant: datetime) -> int:
    """Return how far local time is ahead of UTC, in microseconds."""
    ahead = instant.astimezone(zone).utcoffset() or timedelta(0)
    return ahead // timedelta(microseconds=1)


def find_post_words(lake: Lake, workspace_id: str, post_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return {post_id: {text, places [{platform, permalink}]}} of the posts in the lake; text may be None."""
    params = {"workspace_id": workspace_id, "post_ids": list(post_ids)}
    return {row["post_id"]: row for row in lake.query(load_sql("queries/select_post_texts"), params)}


def _totals(parts: Mapping[str, list[dict[str, Any]]], *, current: bool) -> dict[str, int | None]:
    posts = next((row for row in parts["posts"] if row["current"] is current), None)
    followers = next((row for row in parts["followers"] if row["current"] is current), None)
    return {
        "total_posts": posts["counted"] if posts else 0,
        "total_engagement": posts["total"] if posts else None,
        "follower_growth": followers["total"] if followers else None,
    }


def _best(parts: Mapping[str, list[dict[str, Any]]], *, current: bool) -> list[dict[str, Any]]:
    rows = sorted(
        (row for row in parts["top"] if row["current"] is current),
        key=lambda row: (row["total"], row["name"]),
        reverse=True,
    )
    return [{"post_id": row["name"], "engagement": row["total"]} for row in rows]


def _change(now: int | None, before: int | None) -> float | None:
    """Return the relative change; None if one value is unmeasured or the base is 0."""
    if now is None or not before:
        return None
    return (now - before) / abs(before)


def _join_platforms(parts: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    growth = {row["name"]: row["total"] for row in parts["platform_followers"]}
    posts = {row["name"]: row for row in parts["platform"]}
    return [
        {
            "platform": name,
            "total_posts": posts[name]["counted"] if name in posts else 0,
            "total_engagement": posts[name]["total"] if name in posts else None,
            "follower_growth": growth.get(name),
        }
        for name in sorted(posts.keys() | growth.keys())
    ]


def _fill_days(
    start: datetime, end: datetime, parts: Mapping[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return every day of the period, given in local time; a day without posts has 0 posts and no engagement."""
    posts = {row["day"]: row for row in parts["day"]}
    growth = {row["day"]: row["total"] for row in parts["day_followers"]}
    # Subtract from the instant: local arithmetic is wrong on the days of a clock change.
    first, last = (
        start.date(),
        (end.astimezone(UTC) - timedelta(microseconds=1)).astimezone(end.tzinfo).date(),
    )
    return [
        {
            "date": day,
            "posts": posts[day]["counted"] if day in posts else 0,
            "engagement": posts[day]["total"] if day in posts else None,
            "follower_growth": growth.get(day),
        }
        for day in (first + timedelta(days=number) for number in range((last - first).days + 1))
    ]
