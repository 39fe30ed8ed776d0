"""Metrics of Facebook posts: some are fields of a post, all others are insights.

Sources: meta/PagePost.json, meta/InsightsResult.json (fields, edges); developers.facebook.com, "Field
Expansion" and reads of many ids (one request for the counters and insights of 50 posts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.errors import GiveUpError
from connectors.facebook.capabilities import VERSION
from connectors.http.client import PlatformApi
from connectors.meta.api import InsightsReader, parse_id, parse_insights
from connectors.types import PostMetrics

INSIGHTS = ("post_media_view", "post_total_media_view_unique", "post_clicks")
COLUMNS = {"post_total_media_view_unique": "reach", "post_clicks": "clicks"}
"""Mapping of insights to our metrics; views count displays and plays together and stay in `raw`."""
COUNTERS = (
    "shares,reactions.limit(0).summary(total_count),comments.filter(stream).limit(0).summary(total_count)"
)


PROMOTION = "promotion_status"
_RAN = frozenset({"active", "paused", "finished", "extendable"})


def read_promoted(post: Mapping[str, Any]) -> bool | None:
    """Return True for a post whose promotion is or was running; None where nothing says so.

    Source: meta/PagePost.json; Graph API reference, Page Post: "Status of the promotion, if the post was promoted".
    "inactive" is a post without one, which may still get one; drafts, pending and rejected ones showed it to nobody.
    """
    return True if str(post.get(PROMOTION) or "").lower() in _RAN else None


async def measure_many(
    api: PlatformApi,
    insights: InsightsReader,
    ids: Sequence[str],
    captured_at: datetime,
    *,
    with_promotion: bool = False,
) -> list[PostMetrics]:
    """Read all posts in one request, insights included. Raises GiveUpError if one post or name fails it."""
    asked = f"id,{PROMOTION}" if with_promotion else "id"
    fields = f"{asked},{COUNTERS},insights.metric({','.join(insights.names)}){{name,values}}"

    def parse(body: dict[str, Any]) -> list[PostMetrics]:
        if not set(body) <= set(ids):
            raise ValueError("the response contains posts that were not requested")
        return [_parse_measured({**post, "id": post_id}, captured_at) for post_id, post in body.items()]

    return await api.read(f"{VERSION}/", parse, params={"ids": ",".join(ids), "fields": fields})


async def measure_one(
    api: PlatformApi, insights: InsightsReader, post_id: str, captured_at: datetime
) -> PostMetrics:
    """Read one post's counters and insights, which may be rejected. Raises GiveUpError if it is gone."""
    counters = await api.read(f"{VERSION}/{post_id}", parse_counters, params={"fields": f"id,{COUNTERS}"})
    try:
        values = await insights.fetch(api, post_id)
    except GiveUpError:
        values = {}  # a reel has no insights under this path; keep its counters
    return _build_metrics(post_id, counters, values, captured_at)


def parse_counters(post: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    """Read a post's counters. Facebook omits `shares` until somebody has shared: then it is None."""
    parse_id(post)
    found = {
        name: int(post[name]["summary"]["total_count"]) for name in ("reactions", "comments") if name in post
    }
    if "shares" in post:
        found["shares"] = int(post["shares"]["count"])
    return found


def _parse_measured(body: Any, captured_at: datetime) -> PostMetrics:  # noqa: ANN401 - JSON
    """Read counters and insights from one response."""
    insights = parse_insights(body["insights"]) if "insights" in body else {}
    metrics = _build_metrics(str(body["id"]), parse_counters(body), insights, captured_at)
    return replace(metrics, promoted=read_promoted(body))


def _build_metrics(
    post_id: str, counters: Mapping[str, int], insights: Mapping[str, int], captured_at: datetime
) -> PostMetrics:
    """Map counters and insights to our columns; likes are all reactions, comments include replies."""
    columns = {column: insights.get(name) for name, column in COLUMNS.items()}
    return PostMetrics(
        post_id,
        captured_at,
        likes=counters.get("reactions"),
        comments=counters.get("comments"),
        shares=counters.get("shares"),
        raw={**counters, **insights},
        promoted=None,
        **columns,
    )
