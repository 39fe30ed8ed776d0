"""The process that runs all scheduled flows: `python -m flows.serving.runner`, a child of the launcher.

Prefect starts each flow run as a process. All of them belong to this process's group, which the supervisor
stops as a whole.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.events.schemas.events import ResourceSpecification
from prefect.runner import Runner
from prefect.runner import runner as prefect_runner
from prefect.utilities.callables import ParameterSchema
from pydantic import ConfigDict

from connectors.logs import reformat_logs
from connectors.printable import log_printably
from flows import parameters
from flows.deployments import REACTING_FLOWS, REPORT_PARAMETERS, SCHEDULED_FLOWS
from flows.serving.dead_runs import mark_dead_runs

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun

    from flows.deployments import ReactingFlow, RunTrigger, ScheduledFlow


PREFETCH_SECONDS = 3
"""How long before its time a run's process is started: it takes two seconds to start and uses 110 MB."""


FIRST_RUN_AFTER = timedelta(seconds=20)
"""Delay of the first run, by which the server has scheduled it."""


class EmbeddedRunner(Runner):
    """Prefect's runner, stopped by the supervisor."""

    def handle_sigterm(self, *_args: object, **_kwargs: object) -> None:
        """Stop at once: the supervisor signals the flow runs too, and each reports its own end.

        Prefect's default asks the runs one after the other, three seconds each, and may wait for runs that
        are gone.
        """
        os._exit(0)


def build_deployment(scheduled: ScheduledFlow) -> RunnerDeployment:
    """Return the deployment of one scheduled flow, for this runner.

    It contains names only: the flows are imported in their runs, which keeps this process 50 MB smaller.
    """
    interval = scheduled.embedded_interval
    deployment = RunnerDeployment(
        name=scheduled.name,
        flow_name=scheduled.name,
        entrypoint=scheduled.entrypoint,
        schedules=[DeploymentScheduleCreate(schedule=_build_schedule(scheduled))],
        parameters={"horizon_seconds": interval.total_seconds()} if interval else {},
        description=scheduled.description,
        # Without a schema, the flow itself validates parameters of a manual run.
        enforce_parameter_schema=scheduled.parameters is not None,
    )
    if scheduled.parameters is not None:
        schema = getattr(parameters, scheduled.parameters).model_json_schema()
        # Prefect sets this attribute only from an imported flow. Tested with a real server.
        deployment._parameter_openapi_schema = ClosedSchema(  # noqa: SLF001 (see above)
            title="Parameters",
            type="object",
            properties=schema["properties"],
            required=[],
            definitions={},
            additionalProperties=False,
            **{"$defs": schema.get("$defs", {})},
        )
    return deployment


def build_reacting(reacting: ReactingFlow) -> RunnerDeployment:
    """Return the deployment of a flow that automations start, with these; registering it again replaces them."""
    return RunnerDeployment(
        name=reacting.name,
        flow_name=reacting.name,
        entrypoint=reacting.entrypoint,
        description=reacting.description,
        triggers=[build_trigger(one) for one in reacting.triggers],
        enforce_parameter_schema=False,
    )


def build_trigger(trigger: RunTrigger) -> DeploymentEventTrigger:
    """Return the trigger for runs of the scheduled flows; not for those that it starts itself."""
    return DeploymentEventTrigger(
        name=trigger.name,
        description=trigger.description,
        posture=Posture.Proactive if trigger.after else Posture.Reactive,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification(
            {
                "prefect.resource.role": "deployment",
                "prefect.resource.name": [one.name for one in SCHEDULED_FLOWS],
            }
        ),
        after=set(trigger.after),
        expect=set(trigger.expect),
        for_each={"prefect.resource.id"},
        threshold=1,
        within=trigger.within,
        parameters=dict(REPORT_PARAMETERS),
    )


class ClosedSchema(ParameterSchema):
    """Prefect's schema of parameters, which also refuses unknown ones."""

    model_config = ConfigDict(extra="allow")


def _build_schedule(scheduled: ScheduledFlow) -> CronSchedule | IntervalSchedule:
    if scheduled.embedded_interval is None:
        return CronSchedule(cron=scheduled.cron, timezone="UTC")
    # Counted from now: the first run shows at once that scheduled runs start.
    first = datetime.now(UTC) + FIRST_RUN_AFTER
    return IntervalSchedule(interval=scheduled.embedded_interval, anchor_date=first)


async def _refuse_loading(flow_run: FlowRun, **_options: object) -> Flow[..., object]:
    """Replaces the function with which Prefect's runner loads a flow to look for hooks. Ours have none."""
    raise ValueError(f"{flow_run.id} crashed or was cancelled; flows of SocialFlow have no hooks to run")


def main() -> None:
    """Register every deployment with the server and run what is due, until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--up-since", type=datetime.fromisoformat, help="when the launcher took hold of the home"
    )
    up_since: datetime | None = parser.parse_args().up_since
    reformat_logs()
    log_printably()
    prefect_runner.load_flow_from_flow_run = _refuse_loading  # type: ignore[attr-defined, assignment]  # Prefect's own tests replace it there
    # Keep schedules active when the runner stops: it restarts, and a pause would disable them for good.
    runner = EmbeddedRunner(name="socialflow", pause_on_shutdown=False, prefetch_seconds=PREFETCH_SECONDS)
    for scheduled in SCHEDULED_FLOWS:
        runner.add_deployment(build_deployment(scheduled))
    for reacting in REACTING_FLOWS:
        runner.add_deployment(build_reacting(reacting))
    asyncio.run(_run(runner, up_since))


async def _run(runner: EmbeddedRunner, up_since: datetime | None) -> None:
    # A runner restarted under the same launcher leaves its earlier runs alone: they may still be running.
    if up_since is not None:
        await mark_dead_runs(up_since)
    await runner.start()


if __name__ == "__main__":
    main()
