"""Flow: read the history of newly connected accounts, and what was posted elsewhere since the last run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, publish_findings, skip_run
from flows.ingestion.history import read_histories
from flows.resources import open_resources

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="backfill-history", retries=0)
async def backfill_history() -> dict[str, Any] | State[dict[str, Any]]:
    """Continue where the last run stopped.

    Fails, after everything else is done, with the accounts that failed.
    """
    async with open_resources() as (resources, pool):
        try:
            with run_exclusively(resources.store, "backfill-history"):
                report = await read_histories(
                    resources,
                    pool,
                    run_id=current_run_id(),
                    on_posts=lambda account, posts: logger.info("%s: %d posts", account, posts),
                )
                logger.info("history: %s", report.as_dict())
                await publish_findings(report)
                report.raise_if_failed()
                report.raise_if_doubtful()
        except FlowBusyError as busy:
            return skip_run(busy)
    return report.as_dict()
