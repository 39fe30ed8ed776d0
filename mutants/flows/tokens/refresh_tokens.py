"""Flow: refresh the access tokens that end soon, every ten minutes."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow

from flows.resources import open_resources
from flows.tokens.due_tokens import refresh_ending_tokens

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)


@flow(name="refresh-tokens", retries=0)
async def refresh_tokens() -> dict[str, Any]:
    """Refresh what is due. Fails, after all else is done, with the accounts whose owner must connect them again."""
    async with open_resources() as (resources, pool):
        report = await refresh_ending_tokens(resources, pool)
    logger.info("tokens: %s", report.as_dict())
    report.raise_if_failed()
    return report.as_dict()
