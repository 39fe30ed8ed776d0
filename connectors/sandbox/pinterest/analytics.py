"""Simulated Pinterest: analytics of a pin per day, in total, and over its lifetime."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld


def count_pin(
    world: SandboxWorld, post: SandboxPost, names: list[str], start: datetime, end: datetime, *, at: float
) -> dict[str, Any]:
    """Return the three blocks of an analytics response. A day's value is the increase on that day."""

    def values(moment: float) -> dict[str, int]:
        now = world.counters(post, max(post.created, min(moment, at)))
        found = {
            "IMPRESSION": now.impressions,
            "PIN_CLICK": now.clicks + now.likes,
            "OUTBOUND_CLICK": now.clicks,
            "SAVE": now.saves + now.reposts,
            "TOTAL_COMMENTS": now.comments,
            "TOTAL_REACTIONS": now.likes,
        }
        return {name: found.get(name, 0) for name in names}

    days = []
    for offset in range((end - start).days + 1):
        day = start + timedelta(days=offset)
        first, last = day.timestamp(), (day + timedelta(days=1)).timestamp()
        born = last > post.created
        gained = {name: value - values(first)[name] for name, value in values(last).items()}
        status = "READY" if born else "BEFORE_PIN_CREATED"
        days.append({"date": f"{day:%Y-%m-%d}", "data_status": status, "metrics": gained if born else {}})
    summary = {
        name: value - values(start.timestamp())[name]
        for name, value in values((end + timedelta(days=1)).timestamp()).items()
    }
    block: dict[str, Any] = {"daily_metrics": days, "summary_metrics": summary}
    if world.settings.pinterest_lifetime_metrics:
        block["lifetime_metrics"] = values(at)
    return block
