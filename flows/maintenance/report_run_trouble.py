"""Flow: note a run that failed or was not started. Prefect's automations start it; the notifications tell people."""

from __future__ import annotations

import logging
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.deployments import SCHEDULED_FLOWS
from flows.resources import Resources
from warehouse.store.leases.flow_leases import note_trouble

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)

Word = Annotated[str, Field(max_length=4_000)]


@flow(name="report-run-trouble", retries=0)
def report_run_trouble(flow: Word, state: Word, run: Word = "", message: Word | None = None) -> bool:
    """Note it in the store, until a run of that flow has done its work; return whether it is one of ours.

    A run that crashed or never started could not note it itself.
    """
    if flow not in {one.name for one in SCHEDULED_FLOWS}:
        logger.warning("%s is not a scheduled flow of SocialFlow", flow)
        return False
    told = message if message and message != "None" else ""
    words = (
        f"the run {run or '-'} is {state.lower()}" if state == "Late" else f"the run {run or '-'}: {state}"
    )
    with Resources.open() as resources, resources.store.write() as session:
        note_trouble(session, flow, f"{words}{': ' if told else ''}{told}")
    logger.warning("%s: %s", flow, words)
    return True
