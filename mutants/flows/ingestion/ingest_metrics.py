"""Flow: read the counters of publications whose next snapshot is due, every five minutes."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow

from flows.flow_runs import current_run_id, publish_findings
from flows.ingestion.metrics import read_due_metrics
from flows.resources import open_resources

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)


@flow(name="ingest-metrics", retries=0)
async def ingest_metrics() -> dict[str, Any]:
    """Measure what is due now. Fails, after all else is done, with the accounts that could not be read."""
    async with open_resources() as (resources, pool):
        report = await read_due_metrics(resources, pool, run_id=current_run_id())
    logger.info("metrics: %s", report.as_dict())
    await publish_findings(report)
    report.raise_if_failed()
    report.raise_if_doubtful()
    return report.as_dict()
