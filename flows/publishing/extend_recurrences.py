"""Flow: make the posts of recurring rules ahead of their time, every hour."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import skip_run
from flows.publishing import recurring_posts
from flows.resources import Resources

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS), and it works without a run too.
logger = logging.getLogger(__name__)


@flow(name="extend-recurrences", retries=0)
async def extend_recurrences() -> dict[str, Any] | State[dict[str, Any]]:
    """Make what is missing up to the horizon. Fails, after all else is done, with the rules that could not be."""
    with Resources.open() as resources:
        try:
            with run_exclusively(resources.store, "extend-recurrences"):
                report = await asyncio.to_thread(recurring_posts.extend_recurrences, resources)
                logger.info("recurring rules: %s", report.as_dict())
                report.raise_if_failed()
        except FlowBusyError as busy:
            return skip_run(busy)
    return report.as_dict()
