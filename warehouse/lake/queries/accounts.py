"""Account analytics: followers and engagement of a period, and followers per day.

Unmeasured values are None, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.lake.connect import Lake


FIGURES = (
    *("followers", "followers_at", "follower_growth", "follower_growth_rate", "suspicious_counts"),
    *("publications", "measured", "engagement", "engagement_mean"),
)


NOT_MEASURED: dict[str, Any] = {
    **dict.fromkeys(FIGURES),
    "suspicious_counts": 0,
    "publications": 0,
    "measured": 0,
}
"""Values of an account without counts and publications in the period."""


def get_account_figures(
    lake: Lake, *, workspace_id: str, start: datetime, end: datetime, account_id: str | None = None
) -> dict[str, dict[str, Any]]:
    """Return the FIGURES of [start, end) by account_id, for accounts with a count or a publication in it.

    follower_growth is last minus first count, None for fewer than two counts; suspicious counts are left
    out; the rate is relative to the first.
    engagement is the engagement of the period's publications so far, engagement_mean the mean per measured one.
    """
    params = {"workspace_id": workspace_id, "start": start, "end": end, "account_id": account_id}
    rows = lake.query(load_sql("queries/select_account_figures"), params)
    return {row["account_id"]: {name: row[name] for name in FIGURES} for row in rows}


def get_account_zone(lake: Lake, account_id: str) -> str:
    """Return the account's effective time zone, in which its days, slots and posting times are."""
    rows = lake.query("SELECT timezone FROM dims.accounts WHERE account_id = $id", {"id": account_id})
    return str(rows[0]["timezone"]) if rows else "UTC"


def list_account_days(
    lake: Lake, *, workspace_id: str, start: datetime, end: datetime, account_id: str
) -> list[dict[str, Any]]:
    """Return one row per day, in the account's time zone, with its last count in [start, end), oldest first.

    Columns: date, captured_at, followers, following, posts, follower_growth (since the previous measured day).
    """
    params = {"workspace_id": workspace_id, "start": start, "end": end, "account_id": account_id}
    return lake.query(load_sql("queries/select_account_days"), params)


def list_account_groups(
    lake: Lake, *, workspace_id: str, start: datetime, end: datetime, account_id: str
) -> list[dict[str, Any]]:
    """Return an account's posts of [start, end) by kind, length and hashtag, at the age of 24 hours.

    Columns: part (kind, length, hashtag), name, posts, measured, typical (the median engagement; None = none measured).
    """
    params = {"workspace_id": workspace_id, "start": start, "end": end, "account_id": account_id}
    return lake.query(load_sql("queries/select_account_groups"), params)
