"""Flow: ensure that publishers run, publish if one is missing, and report what they did.

Under `socialflow up` the launcher runs two publishers as separate processes, and a run of this flow only
reports what they did. On several machines the runs *are* the publishers: each lasts for hours, and a run that
finds two others ends at once. Either way no post waits for a flow run: Prefect may be slow or down.
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

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS). It also works outside a run.
logger = logging.getLogger(__name__)

HORIZON = timedelta(hours=6)
"""How long a run publishes if it finds too few running publishers."""
WANTED = 2
"""Number of publishers to run at once: when one dies, the other takes over within seconds."""
SHOWN = timedelta(minutes=30)
"""A run reports the publishers that were running at any time within this period."""


@flow(name="publish-due-posts", log_prints=False, retries=0)
async def publish_due_posts(horizon_seconds: float = HORIZON.total_seconds()) -> dict[str, Any]:
    """Publish for the horizon if fewer than two publishers run; return what this or those publishers did.

    Never retried as a whole: the store knows what is left. Fails, after everything else is done, if posts are
    late or their outcome is unknown.
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
    """Return the reports of the publishers of the last minutes over their whole lifetime, by lease name."""
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
