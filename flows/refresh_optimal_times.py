"""Flow: compute the best posting times of every account, every night."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, get_run_logger

from flows.resources import Resources
from flows.timing_refresh import compute_all_optimal_times


@flow(name="refresh-optimal-times", retries=0)
async def refresh_optimal_times() -> dict[str, Any]:
    """Replace the advice of all accounts at once."""
    with Resources.open() as resources:
        summary = await asyncio.to_thread(compute_all_optimal_times, resources)
    get_run_logger().info("optimal times: %s", summary)
    return summary
