"""Flow: read the followers of the accounts whose daily reading is due, checked every hour."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow

from flows.flow_runs import current_run_id, publish_findings
from flows.ingestion.followers import read_due_followers
from flows.resources import open_resources

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)


@flow(name="ingest-followers", retries=0)
async def ingest_followers() -> dict[str, Any]:
    """Read what is due now. Fails, after all else is done, with the accounts that could not be read."""
    async with open_resources() as (resources, pool):
        report = await read_due_followers(resources, pool, run_id=current_run_id())
    logger.info("followers: %s", report.as_dict())
    await publish_findings(report)
    report.raise_if_failed()
    report.raise_if_doubtful()
    return report.as_dict()
