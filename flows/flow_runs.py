"""What a flow knows of its own run, and leaves with it."""

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
    """Return Prefect's id of this flow run: the provenance of every row that it loads."""
    return str(flow_run.id or "local")


async def publish_findings(report: RunReport) -> None:
    """Leave what the checks found with the run, as a table in Prefect's UI; nothing found, nothing left."""
    if report.findings and flow_run.id:
        await acreate_table_artifact(
            key="data-quality",
            table=report.findings,
            description="Checks that loaded snapshots did not pass. The data is kept; rows are in quality.findings.",
        )


def skip_run(busy: FlowBusyError) -> State[dict[str, Any]]:
    """Return the state of a run that another process makes needless: completed, saying who works."""
    return Completed(message=str(busy), data=busy.as_dict())
