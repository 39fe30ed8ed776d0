"""Flow: create the posts of recurring rules ahead of time, every hour."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, skip_run
from flows.publishing import recurring_posts
from flows.resources import Resources

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS). It also works outside a run.
logger = logging.getLogger(__name__)


@flow(name="extend-recurrences", retries=0)
async def extend_recurrences() -> dict[str, Any] | State[dict[str, Any]]:
    """Create missing posts up to the horizon. Rules that fail are raised after all others are done."""
    with Resources.open() as resources:
        try:
            with run_exclusively(resources.store, "extend-recurrences", run_id=current_run_id()):
                report = await asyncio.to_thread(recurring_posts.extend_recurrences, resources)
                logger.info("recurring rules: %s", report.as_dict())
                report.raise_if_failed()
        except FlowBusyError as busy:
            return skip_run(busy)
    return report.as_dict()
