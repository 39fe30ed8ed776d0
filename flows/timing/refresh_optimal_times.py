"""Flow: compute the best posting times of every account, every night."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, skip_run
from flows.resources import Resources
from flows.timing.refresh import compute_all_optimal_times, raise_if_failed

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="refresh-optimal-times", retries=0)
async def refresh_optimal_times() -> dict[str, Any] | State[dict[str, Any]]:
    """Replace the posting times of all accounts at once."""
    with Resources.open(all_cores=True) as resources:
        try:
            with run_exclusively(resources.store, "refresh-optimal-times", run_id=current_run_id()):
                summary = await asyncio.to_thread(compute_all_optimal_times, resources)
                logger.info("optimal times: %s", summary)
                raise_if_failed(summary)
        except FlowBusyError as busy:
            return skip_run(busy)
    return summary
