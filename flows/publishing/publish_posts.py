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

from flows.errors import PublishingBehindError
from flows.publishing.report import PublishReport
from flows.publishing.service import publish_for
from flows.publishing.watchdog import raise_if_behind
from flows.resources import open_resources
from warehouse.store.clock import StoreClock
from warehouse.store.leases.flow_leases import note_outcome, note_start
from warehouse.store.publishing.heartbeats import get_publishers_state, list_publishers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connectors.registry import ConnectorPool
    from flows.resources import Resources
    from warehouse.store.database import Store

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS). It also works outside a run.
logger = logging.getLogger(__name__)

NAME = "publish-due-posts"
HORIZON = timedelta(hours=6)
"""How long a run publishes if it finds too few running publishers."""
WANTED = 2
"""Number of publishers to run at once: when one dies, the other takes over within seconds."""
WATCH = timedelta(minutes=1)
"""How often a run that publishes records whether publishing goes on."""
SHOWN = timedelta(minutes=30)
"""A run reports the publishers that were running at any time within this period."""


@flow(name=NAME, log_prints=False, retries=0)
async def publish_due_posts(horizon_seconds: float = HORIZON.total_seconds()) -> dict[str, Any]:
    """Publish for the horizon if fewer than two publishers run; return what this or those publishers did.

    Never retried as a whole: the store knows what is left. Fails, after everything else is done, if posts are
    late or their outcome is unknown.
    """
    async with open_resources() as (resources, pool):
        await asyncio.to_thread(_note_start, resources.store)
        try:
            result = await _publish_if_missing(resources, pool, timedelta(seconds=horizon_seconds))
        except BaseException as error:  # canceled runs are recorded, too
            await asyncio.shield(asyncio.to_thread(_note, resources.store, error))
            raise
        await asyncio.to_thread(_note, resources.store)
    return result


async def _publish_if_missing(
    resources: Resources, pool: ConnectorPool, horizon: timedelta
) -> dict[str, Any]:
    clock = StoreClock(resources.store)
    await asyncio.to_thread(clock.sync)
    awake = await asyncio.to_thread(_count_awake, resources.store, clock())
    if awake >= WANTED:
        result = await asyncio.to_thread(_describe_publishers, resources.store, clock())
        logger.info("%d publishers are awake: %s", awake, result)
        report = PublishReport()
    else:
        watch = asyncio.create_task(_watch(resources.store, clock), name="watch")
        try:
            report = await publish_for(resources, pool, horizon)
        finally:
            watch.cancel()
        result = report.as_dict()
    await asyncio.to_thread(clock.sync)
    raise_if_behind(resources.store, report, clock())
    return result


async def _watch(store: Store, clock: Callable[[], datetime]) -> None:
    """Record every minute of a run of hours whether publishing goes on: its end would be too late to tell."""
    while True:
        await asyncio.sleep(WATCH.total_seconds())
        try:
            await asyncio.to_thread(check_publishing, store, clock)
        except Exception:  # the store is unavailable: the publisher itself counts that, and exits
            logger.warning("the state of the flow could not be written", exc_info=True)


def check_publishing(store: Store, clock: Callable[[], datetime]) -> None:
    """Record whether the posts that are due leave in time, as the outcome of this flow."""
    try:
        raise_if_behind(store, PublishReport(), clock())
    except PublishingBehindError as error:
        _note(store, error)
    else:
        _note(store)


def _note_start(store: Store) -> None:
    with store.write() as session:
        note_start(session, NAME)


def _note(store: Store, error: BaseException | None = None) -> None:
    with store.write() as session:
        if error is None:
            note_outcome(session, NAME, "succeeded")
        elif isinstance(error, PublishingBehindError):
            note_outcome(session, NAME, "partly_failed", str(error))
        else:
            note_outcome(session, NAME, "failed", f"{type(error).__name__}: {error}")


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
