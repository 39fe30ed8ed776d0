"""Simulated Instagram: the insights of one medium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.sandbox.engagement import Counters
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_TITLES: Final[Mapping[str, str]] = {
    "views": "Views",
    "reach": "Accounts reached",
    "likes": "Likes",
    "comments": "Comments",
    "shares": "Shares",
    "saved": "Saves",
    "total_interactions": "Interactions",
}


def answer_insights(
    world: SandboxWorld, post: SandboxPost, names: Sequence[str], at: float
) -> dict[str, object] | str:
    """Return the body of an insights answer, or the error message: one bad name fails the whole request."""
    if not names:
        return "(#100) The parameter metric is required"
    for position, name in enumerate(names):
        if name in world.settings.retired_insights:
            return f"(#100) The Media Insights API does not support the {name} metric for this media product type."
        if name not in _TITLES:
            return f"(#100) metric[{position}] must be one of the following values: {', '.join(_TITLES)}"
    values = _values(world.counters(post, at))
    return {
        "data": [
            {
                "name": name,
                "period": "lifetime",
                "values": [{"value": values[name]}],
                "title": _TITLES[name],
                "description": f"{_TITLES[name]} of this media.",
                "id": f"{post.external_id}/insights/{name}/lifetime",
            }
            for name in dict.fromkeys(names)
        ]
    }


def _values(now: Counters) -> dict[str, int]:
    shares = now.reposts + now.quotes
    return {
        "views": now.impressions,
        "reach": now.reach,
        "likes": now.likes,
        "comments": now.comments,
        "shares": shares,
        "saved": now.saves,
        "total_interactions": now.likes + now.comments + shares + now.saves,
    }
