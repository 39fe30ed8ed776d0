"""Flow: refresh the access tokens that end soon, every ten minutes."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.resources import open_resources
from flows.token_keeper import refresh_ending_tokens


@flow(name="refresh-tokens", retries=0)
async def refresh_tokens() -> dict[str, Any]:
    """Refresh what is due. Fails, after all else is done, with the accounts whose owner must connect them again."""
    async with open_resources() as (resources, pool):
        report = await refresh_ending_tokens(resources, pool)
    get_run_logger().info("tokens: %s", report.as_dict())
    report.raise_if_failed()
    return report.as_dict()
