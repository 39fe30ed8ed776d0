"""Flow: maintain the lake and the store every night."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, skip_run
from flows.maintenance.nightly import maintain_stores
from flows.resources import Resources

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="maintain-lake", retries=0)
async def maintain_lake() -> dict[str, Any] | State[dict[str, Any]]:
    """Merge small files, expire old snapshots, remove unused data."""
    with Resources.open() as resources:
        try:
            with run_exclusively(resources.store, "maintain-lake", run_id=current_run_id()):
                summary = await asyncio.to_thread(maintain_stores, resources)
        except FlowBusyError as busy:
            return skip_run(busy)
    logger.info("maintenance: %s", summary)
    return summary
