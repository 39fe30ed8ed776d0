"""Flow: read the counters of publications whose next snapshot is due, every five minutes."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.flow_runs import current_run_id
from flows.metrics_reader import read_due_metrics
from flows.resources import open_resources


@flow(name="ingest-metrics", retries=0)
async def ingest_metrics() -> dict[str, Any]:
    """Measure what is due now. Fails, after all else is done, with the accounts that could not be read."""
    async with open_resources() as (resources, pool):
        report = await read_due_metrics(resources, pool, run_id=current_run_id())
    get_run_logger().info("metrics: %s", report.as_dict())
    report.raise_if_failed()
    return report.as_dict()
