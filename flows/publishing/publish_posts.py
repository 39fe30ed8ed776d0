"""Flow: see to it that publishers are awake, publish where one is missing, and show what they did.

Under `socialflow up` the launcher keeps two publishers as processes of their own, and a run of this flow only shows
what they did. On many machines the runs *are* the publishers: each lives for hours, and a run that finds two others
awake ends at once. Either way a post waits for no run: Prefect may be slow, or away.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.publishing.report import PublishReport
from flows.publishing.service import publish_for
from flows.publishing.watchdog import raise_if_behind
from flows.resources import open_resources
from warehouse.store.clock import StoreClock
from warehouse.store.publishing.heartbeats import get_publishers_state, list_publishers

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.database import Store

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)

HORIZON = timedelta(hours=6)
"""How long a run publishes that finds too few publishers awake."""
WANTED = 2
"""Publishers awake at once: when one dies, the other goes on within seconds."""
SHOWN = timedelta(minutes=30)
"""A run shows the publishers that were awake at some moment of this time."""


@flow(name="publish-due-posts", log_prints=False, retries=0)
async def publish_due_posts(horizon_seconds: float = HORIZON.total_seconds()) -> dict[str, Any]:
    """Publish for the horizon if fewer than two publishers are awake; return what this or those publishers did.

    Never retried as a whole: the store knows what is left. Fails, after all else is done, where posts are
    late or of unknown outcome.
    """
    async with open_resources() as (resources, pool):
        clock = StoreClock(resources.store)
        await asyncio.to_thread(clock.sync)
        awake = await asyncio.to_thread(_count_awake, resources.store, clock())
        if awake >= WANTED:
            result = await asyncio.to_thread(_describe_publishers, resources.store, clock())
            logger.info("%d publishers are awake: %s", awake, result)
            report = PublishReport()
        else:
            report = await publish_for(resources, pool, timedelta(seconds=horizon_seconds))
            result = report.as_dict()
        await asyncio.to_thread(clock.sync)
        raise_if_behind(resources.store, report, clock())
    return result


def _count_awake(store: Store, now: datetime) -> int:
    with store.read() as session:
        return get_publishers_state(session, now).awake


def _describe_publishers(store: Store, now: datetime) -> dict[str, Any]:
    """Return what the publishers of the last minutes did in their whole lives, by their lease names."""
    with store.read() as session:
        rows = list_publishers(session, since=now - SHOWN)
        return {
            "published": sum(row.report.get("published", 0) for row in rows),
            "publishers": {
                row.owner: {
                    "since": row.began_at.isoformat(),
                    "until": row.ended_at.isoformat() if row.ended_at else None,
                    "clock_skew_s": round(row.clock_skew, 3),
                    **row.report,
                }
                for row in rows
            },
        }
