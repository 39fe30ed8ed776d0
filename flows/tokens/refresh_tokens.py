"""Flow: refresh the access tokens that expire soon, every ten minutes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, skip_run
from flows.resources import open_resources
from flows.tokens.due_tokens import refresh_ending_tokens

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="refresh-tokens", retries=0)
async def refresh_tokens() -> dict[str, Any] | State[dict[str, Any]]:
    """Refresh what is due. Fails, after everything else is done, with the accounts to connect again."""
    async with open_resources() as (resources, pool):
        try:
            with run_exclusively(resources.store, "refresh-tokens", run_id=current_run_id()):
                report = await refresh_ending_tokens(resources, pool)
                logger.info("tokens: %s", report.as_dict())
                report.raise_if_failed()
        except FlowBusyError as busy:
            return skip_run(busy)
    return report.as_dict()
