"""Flow: read the metrics of publications whose next snapshot is due, every five minutes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, publish_findings, skip_run
from flows.ingestion.metrics import read_due_metrics
from flows.resources import open_resources

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="ingest-metrics", retries=0)
async def ingest_metrics() -> dict[str, Any] | State[dict[str, Any]]:
    """Measure what is due now.

    Fails, after everything else is done, with the accounts that could not be read.
    """
    async with open_resources() as (resources, pool):
        try:
            with run_exclusively(resources.store, "ingest-metrics"):
                report = await read_due_metrics(resources, pool, run_id=current_run_id())
                logger.info("metrics: %s", report.as_dict())
                await publish_findings(report)
                report.raise_if_failed()
                report.raise_if_doubtful()
        except FlowBusyError as busy:
            return skip_run(busy)
    return report.as_dict()
