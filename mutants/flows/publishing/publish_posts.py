"""Flow: send every post at its second, and tell of it. Starts each minute and lives until the next run is awake."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from prefect import flow

from connectors.webhooks.settings import WebhookSettings
from flows.publishing.publisher import run_publisher, utc_now
from flows.publishing.watchdog import raise_if_behind
from flows.publishing.webhook_deliverer import deliver_beside
from flows.resources import open_resources

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)

HORIZON = timedelta(seconds=150)
"""How long a run publishes where no later one relieves it: a minute's run may be missed, or start late."""


@flow(name="publish-due-posts", log_prints=False, retries=0)
async def publish_due_posts(horizon_seconds: float = HORIZON.total_seconds()) -> dict[str, Any]:
    """Publish, and deliver webhooks beside it, until the next run is awake, at most for the horizon.

    Never retried as a whole: the store knows what is left. Fails, after all else is done, where posts are
    late or of unknown outcome.
    """
    async with open_resources() as (resources, pool):
        async with deliver_beside(resources.store, WebhookSettings()) as deliverer:
            report = await run_publisher(
                resources.store,
                pool,
                horizon=timedelta(seconds=horizon_seconds),
                max_lateness=resources.warehouse.max_lateness,
                in_shifts=True,
            )
        logger.info("publisher: %s; webhooks: %s", report.as_dict(), deliverer.report.as_dict())
        raise_if_behind(resources.store, report, utc_now())
    return report.as_dict()
