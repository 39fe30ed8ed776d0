"""Flow: read the followers of the accounts whose daily reading is due, checked every hour."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, publish_findings, skip_run
from flows.ingestion.followers import read_due_followers
from flows.resources import open_resources

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="ingest-followers", retries=0)
async def ingest_followers() -> dict[str, Any] | State[dict[str, Any]]:
    """Read what is due now.

    Fails, after everything else is done, with the accounts that could not be read.
    """
    async with open_resources() as (resources, pool):
        try:
            with run_exclusively(resources.store, "ingest-followers"):
                report = await read_due_followers(resources, pool, run_id=current_run_id())
                logger.info("followers: %s", report.as_dict())
                await publish_findings(report)
                report.raise_if_failed()
                report.raise_if_doubtful()
        except FlowBusyError as busy:
            return skip_run(busy)
    return report.as_dict()
