"""Insights of one post, with the names and counts of Instagram, Facebook and Threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.meta.protocol import graph_error
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.sandbox.engagement import Counters
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.wire import Answer
    from connectors.sandbox.world import SandboxWorld

_TITLES: Final[Mapping[Platform, Mapping[str, str]]] = {
    Platform.INSTAGRAM: {
        "views": "Views",
        "reach": "Accounts reached",
        "likes": "Likes",
        "comments": "Comments",
        "shares": "Shares",
        "saved": "Saves",
        "total_interactions": "Interactions",
    },
    Platform.FACEBOOK: {
        "post_media_view": "Views",
        "post_total_media_view_unique": "Viewers",
        "post_clicks": "Clicks",
    },
    Platform.THREADS: {
        "views": "Views",
        "likes": "Likes",
        "replies": "Replies",
        "reposts": "Reposts",
        "quotes": "Quotes",
        "shares": "Shares",
    },
}


def answer_insights(
    world: SandboxWorld, post: SandboxPost, names: Sequence[str], at: float
) -> dict[str, object] | Answer:
    """Return the body of an insights response, or the error: one invalid name fails the whole request."""
    if not names:
        return graph_error("(#100) The parameter metric is required", 100)
    titles = _TITLES[post.platform]
    for position, name in enumerate(names):
        if name in world.settings.retired_insights or name not in titles:
            return graph_error(_refuse(post.platform, name, position), 100)
    values = _values(post.platform, world.counters(post, at))
    return {
        "data": [
            {
                "name": name,
                "period": "lifetime",
                "values": [{"value": values[name]}],
                "title": titles[name],
                "description": f"{titles[name]} of this post.",
                "id": f"{post.external_id}/insights/{name}/lifetime",
            }
            for name in dict.fromkeys(names)
        ]
    }


def _refuse(platform: Platform, name: str, position: int) -> str:
    if platform is Platform.FACEBOOK:
        return "(#100) The value must be a valid insights metric"
    if name in _TITLES[platform]:
        return (
            f"(#100) The Media Insights API does not support the {name} metric for this media product type."
        )
    return f"(#100) metric[{position}] must be one of the following values: {', '.join(_TITLES[platform])}"


def _values(platform: Platform, now: Counters) -> dict[str, int]:
    shares = now.reposts + now.quotes
    if platform is Platform.FACEBOOK:
        return {
            "post_media_view": now.impressions,
            "post_total_media_view_unique": now.reach,
            "post_clicks": now.clicks,
        }
    if platform is Platform.THREADS:
        return {
            "views": now.impressions,
            "likes": now.likes,
            "replies": now.comments,
            "reposts": now.reposts,
            "quotes": now.quotes,
            "shares": now.saves,
        }
    return {
        "views": now.impressions,
        "reach": now.reach,
        "likes": now.likes,
        "comments": now.comments,
        "shares": shares,
        "saved": now.saves,
        "total_interactions": now.likes + now.comments + shares + now.saves,
    }
