"""Flow: keep the lake quick and small, every night."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, get_run_logger

from flows.maintenance import maintain_stores
from flows.resources import Resources


@flow(name="maintain-lake", retries=0)
async def maintain_lake() -> dict[str, Any]:
    """Merge small files, expire old snapshots, remove what nothing refers to."""
    with Resources.open() as resources:
        summary = await asyncio.to_thread(maintain_stores, resources)
    get_run_logger().info("maintenance: %s", summary)
    return summary
