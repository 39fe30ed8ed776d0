"""Post analytics: snapshots over time, and rankings at equal age.

Unmeasured values are None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.errors import InvalidInputError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

AGES = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}
"""The ages of marts.publication_at_age, in hours."""
METRICS = (
    *("engagement", "engagement_rate", "impressions", "likes", "comments", "shares", "saves", "clicks"),
    "video_views",
)
"""Metrics for rankings. Not reach, because the same people may be reached on two accounts."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One page of a ranking."""

    rows: list[dict[str, Any]]
    """Best first: rank, value (of the ranking metric), post_id, published_at, platforms, publications, the metrics."""
    has_more: bool
    ranked: int
    """Number of ranked posts."""
    unranked: int
    """Number of unranked posts of the period: not measured around that age, or the metric is not reported."""


def rank_posts(
    lake: Lake,
    *,
    snapshot_id: int,
    workspace_id: str,
    start: datetime,
    end: datetime,
    metric: str = "engagement",
    age: str | None = "24h",
    platform: Platform | str | None = None,
    account_id: str | None = None,
    after: tuple[float, str] | None = None,
    limit: int = 20,
) -> Ranking:
    """Rank the posts published in [start, end) by a metric at one of AGES, or by the newest value (None).

    With a platform or account, only the publications there count. All pages of a list read the same `snapshot_id`,
    so that no post is missed or repeated while values change; `after` is (value, post_id) of the last post of the
    previous page.

    Raises InvalidInputError: the lake no longer has that snapshot.
    """
    params: dict[str, Any] = {
        "snapshot": snapshot_id,
        "workspace_id": workspace_id,
        "start": start,
        "end": end,
        "metric": metric,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
        "after_value": None if after is None else after[0],
        "after_id": None if after is None else after[1],
        "rows": limit + 1,
    }
    if age is not None:
        params["age_hours"] = AGES[age]
    counted = load_sql("queries/select_counters_latest" if age is None else "queries/select_counters_at_age")
    try:
        rows = lake.query(load_sql("queries/rank_posts").replace("{measured}", counted), params)
    except duckdb.InvalidInputException as error:
        if "No snapshot found" not in str(error):
            raise
        raise InvalidInputError(
            "the cursor refers to a state of the lake that no longer exists: start again without the cursor",
            field="cursor",
            code="cursor_expired",
        ) from None
    counts = {name: rows[0][name] for name in ("ranked", "unranked")}
    posts = [row for row in rows if row["post_id"] is not None]
    return Ranking(posts[:limit], len(posts) > limit, **counts)


def get_post_metrics(lake: Lake, workspace_id: str, post_id: str) -> dict[str, Any]:
    """Return a post's publications, each with its snapshots, oldest first.

    {post_id, publications: [{publication_id, account_id, platform, kind, published_at, permalink,
    snapshots: [{captured_at, age_hours, the 8 metrics, engagement}]}]}

    `publications` is empty for a post that is not published, unknown, or of another workspace.
    """
    rows = lake.query(
        load_sql("queries/select_post_metrics"), {"workspace_id": workspace_id, "post_id": post_id}
    )
    of_publication = ("publication_id", "account_id", "platform", "kind", "published_at", "permalink")
    publications: dict[str, dict[str, Any]] = {}
    for row in rows:
        head = {name: row.pop(name) for name in of_publication}
        publication = publications.setdefault(head["publication_id"], head | {"snapshots": []})
        if row["captured_at"] is not None:
            publication["snapshots"].append(row)
    return {"post_id": post_id, "publications": list(publications.values())}


def list_recent_posts(lake: Lake, *, workspace_id: str, account_id: str, limit: int) -> list[dict[str, Any]]:
    """Return an account's newest publications: post_id, published_at, engagement_24h, engagement, permalink."""
    params = {"workspace_id": workspace_id, "account_id": account_id, "rows": limit}
    return lake.query(load_sql("queries/select_recent_posts"), params)
