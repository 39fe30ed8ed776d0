"""Prefect context of a flow run: its id, its artifacts and its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run
from prefect.states import Completed

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from flows.errors import FlowBusyError
    from flows.run_report import RunReport


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


def skip_run(busy: FlowBusyError) -> State[dict[str, Any]]:
    """Return the completed state of a run that is skipped because another process runs the flow."""
    return Completed(message=str(busy), data=busy.as_dict())
