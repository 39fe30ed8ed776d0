"""Flow: compute the best posting times of every account, every night."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from prefect import flow

from flows.resources import Resources
from flows.timing.refresh import compute_all_optimal_times

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)


@flow(name="refresh-optimal-times", retries=0)
async def refresh_optimal_times() -> dict[str, Any]:
    """Replace the advice of all accounts at once."""
    with Resources.open(all_cores=True) as resources:
        summary = await asyncio.to_thread(compute_all_optimal_times, resources)
    logger.info("optimal times: %s", summary)
    return summary
