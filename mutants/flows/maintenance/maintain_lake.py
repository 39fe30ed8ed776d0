"""Flow: keep the lake quick and small, every night."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from prefect import flow

from flows.maintenance.nightly import maintain_stores
from flows.resources import Resources

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)


@flow(name="maintain-lake", retries=0)
async def maintain_lake() -> dict[str, Any]:
    """Merge small files, expire old snapshots, remove what nothing refers to."""
    with Resources.open() as resources:
        summary = await asyncio.to_thread(maintain_stores, resources)
    logger.info("maintenance: %s", summary)
    return summary
