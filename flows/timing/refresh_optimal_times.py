"""Flow: compute the best posting times of every account, every night; on several machines, in parts."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.deployments import run_deployment
from prefect.runtime import deployment
from pydantic import Field

from flows.errors import FlowBusyError, FlowError
from flows.exclusive_runs import run_exclusively
from flows.flow_runs import current_run_id, skip_run
from flows.resources import Resources
from flows.timing.refresh import (
    compute_all_optimal_times,
    compute_part,
    describe_part,
    plan_parts,
    raise_if_failed,
)

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)

DEPLOYMENT = "refresh-optimal-times/refresh-optimal-times"
LONGEST_PART_SECONDS = 3 * 3600.0
"""How long a part may take, with its wait for a worker; then its accounts keep their old times."""
POLL_SECONDS = 5.0
PART_RETRIES = 1

Parts = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        description="Into how many runs the accounts are split. Default: SOCIALFLOW_TIMING_PARTS.",
    ),
]
Part = Annotated[
    dict[str, Any], Field(description="Set by a run that splits its work: which accounts this run computes.")
]


@flow(name="refresh-optimal-times", retries=0)
async def refresh_optimal_times(
    *, parts: Parts | None = None, part: Part | None = None
) -> dict[str, Any] | State[dict[str, Any]]:
    """Replace the posting times of all accounts at once, or split the accounts over several runs of this flow.

    With `parts` > 1 this run computes what the accounts of each platform share; each part is then computed by a task,
    which starts a run of this deployment on any worker and waits for it. Without a deployment the parts are computed
    here. A part that fails keeps its accounts' old times and is named in the run's failure.
    """
    with Resources.open(all_cores=True) as resources:
        if part is not None:
            return await asyncio.to_thread(compute_part, resources, part)
        number = parts or resources.flows.timing_parts
        try:
            with run_exclusively(resources.store, "refresh-optimal-times", run_id=current_run_id()):
                if number == 1:
                    summary = await asyncio.to_thread(compute_all_optimal_times, resources)
                else:
                    planned, summary = await asyncio.to_thread(plan_parts, resources, number)
                    summary["failures"] |= await _compute_parts(planned)
                logger.info("optimal times: %s", summary)
                raise_if_failed(summary)
        except FlowBusyError as busy:
            return skip_run(busy)
    return summary


async def _compute_parts(parts: list[dict[str, Any]]) -> dict[str, str]:
    """Compute every part as a task run; return the reasons of those that failed."""
    on_workers = deployment.id is not None
    futures = [
        timing_part.with_options(task_run_name=f"timing-part {describe_part(part)}").submit(
            part, on_workers=on_workers
        )
        for part in parts
    ]
    failures = {}
    for part, future in zip(parts, futures, strict=True):
        await asyncio.to_thread(future.wait)
        if not future.state.is_completed():
            failures[describe_part(part)] = future.state.message or str(future.state.type)
    return failures


@task(name="timing-part", retries=PART_RETRIES, cache_policy=NO_CACHE, persist_result=False)
def timing_part(part: dict[str, Any], *, on_workers: bool) -> None:
    """Compute one part, here or in a run of the deployment on a worker."""
    if not on_workers:
        with Resources.open() as resources:
            compute_part(resources, part)
        return
    run: Any = run_deployment(
        DEPLOYMENT, parameters={"part": part}, timeout=LONGEST_PART_SECONDS, poll_interval=POLL_SECONDS
    )
    if run.state is None or not run.state.is_completed():
        ended = (
            "has not ended in time" if run.state is None or not run.state.is_final() else run.state.message
        )
        raise FlowError(f"the run {run.name} for {describe_part(part)}: {ended}")
