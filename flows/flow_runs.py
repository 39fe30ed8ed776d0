"""Prefect context of a flow run: its id, its name, its artifacts, its event and its state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.run_results import RunResult, result_of, result_of_skipped

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from flows.errors import FlowBusyError, PartlyFailedError
    from flows.run_report import RunReport

logger = logging.getLogger(__name__)

FINISHED = "socialflow.run.finished"
"""Event of a finished run; automations and other flows can be triggered by it."""
PARTLY_FAILED = "PartlyFailed"
"""Name of the completed state of a run in which some accounts failed and the others are done."""
LONGEST_NAME = 200


def current_run_id() -> str:
    """Return Prefect's id of this flow run: the provenance of every row it loads."""
    return str(flow_run.id or "local")


async def publish_findings(report: RunReport) -> None:
    """Attach the findings of the checks to the run, as a table in Prefect's UI; no findings, no table."""
    if report.findings and flow_run.id:
        await acreate_table_artifact(
            key="data-quality",
            table=report.findings,
            description="Checks that loaded snapshots failed. The data is stored; rows are in quality.findings.",
        )


async def publish_result(
    flow: str, report: RunReport, parameters: dict[str, Any], snapshot_id: int | None
) -> RunResult:
    """Show what a run did as log line, artifact, event and name of the run; return it as the run's result."""
    result = result_of(flow, report, parameters, snapshot_id)
    logger.info("%s: %s", flow, result.summary)
    await publish_findings(report)
    if flow_run.id is None:
        return result
    rows = [
        {"what": name, "count": count}
        for name, count in ({"accounts": result.accounts} | result.counts).items()
    ]
    rows += [{"what": f"failed: {name}", "count": reason} for name, reason in result.failures.items()]
    rows += [{"what": f"waiting: {name}", "count": reason} for name, reason in result.deferred.items()]
    await acreate_table_artifact(key=f"{flow}-result", table=rows, description=f"What the run of {flow} did.")
    emit_event(
        event=FINISHED,
        resource={"prefect.resource.id": f"socialflow.flow.{flow}", "prefect.resource.name": flow},
        related=[
            {"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "prefect.resource.role": "flow-run"}
        ],
        payload=result.model_dump(mode="json"),
    )
    await _rename(f"{flow}: {result.summary}")
    return result


async def _rename(name: str) -> None:
    """Give the run a name that says what it did. A run that keeps its random name has lost nothing."""
    try:
        async with get_client() as client:
            await client.update_flow_run(flow_run.id, name=name[:LONGEST_NAME])
    except PrefectException as error:
        logger.warning("the run could not be renamed: %s", error)


def end_partly(result: RunResult, error: PartlyFailedError) -> State[RunResult]:
    """Return the state of a run in which some accounts failed: completed, by a name and message of its own.

    The failed accounts are read again by the next run. Raises the error if no account succeeded.
    """
    if len(error.failures) >= error.of:
        raise error
    return Completed(name=PARTLY_FAILED, message=str(error), data=result)


def skip_run(busy: FlowBusyError) -> State[dict[str, Any]]:
    """Return the completed state of a run that is skipped because another process runs the flow."""
    return Completed(message=str(busy), data=busy.as_dict())


def end_skipped(busy: FlowBusyError) -> State[RunResult]:
    """Like `skip_run`, for a flow with a typed result."""
    return Completed(message=str(busy), data=result_of_skipped(busy))
