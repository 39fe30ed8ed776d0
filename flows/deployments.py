"""Deployments of all scheduled flows: the only definition of schedules.

Used by the embedded runner and prefect.yaml. Does not import Prefect, so that the launcher stays small.
tests/flows/test_deployments.py compares prefect.yaml with this table. No deployment has a Prefect concurrency
limit: after a power failure its slots would stay taken forever. `flows.exclusive_runs` prevents concurrent
runs of one flow, and `flows.work_sharing` lets several share their accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ScheduledFlow:
    """One deployment. `cron` is in UTC."""

    name: str
    """Name of the deployment and of the flow's function, with dashes instead of underscores."""
    module: str
    function: str
    cron: str
    description: str
    period: timedelta
    """How often the cron starts it; a flow without a success for several periods is reported as behind."""
    exclusive: bool = True
    """One run at a time, under a lease in the store. Either way the store records how its runs ended.

    Runs of the flows that read accounts share them (`flows.work_sharing`), so several may run at once.
    """
    parameters: str | None = None
    """Name of the model of its parameters in `flows.parameters`; None = the flow validates them itself."""
    embedded_interval: timedelta | None = None
    """Interval under `socialflow up`, instead of `cron`.

    The flow runs once at startup, then once per interval, and each run ends within it.
    """

    @property
    def embedded_period(self) -> timedelta:
        """How often it starts under `socialflow up`."""
        return self.embedded_interval or self.period

    @property
    def entrypoint(self) -> str:
        """Module path: a file path would put flows/ first on sys.path and shadow other packages."""
        return f"{self.module}.{self.function}"


@dataclass(frozen=True, slots=True)
class RunTrigger:
    """An automation of Prefect that starts a flow: after events of the scheduled flows' runs."""

    name: str
    description: str
    expect: tuple[str, ...]
    """Reactive: these events start it. With `after`: none of these within `within` of such an event does."""
    after: tuple[str, ...] = ()
    within: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class ReactingFlow:
    """A deployment without a schedule, which automations start."""

    name: str
    module: str
    function: str
    description: str
    triggers: tuple[RunTrigger, ...]

    @property
    def entrypoint(self) -> str:
        """Module path, as of a scheduled flow."""
        return f"{self.module}.{self.function}"


REPORT_PARAMETERS = {
    "flow": "{{ flow.name }}",
    "run": "{{ flow_run.name }}",
    "state": "{{ flow_run.state.name }}",
    "message": "{{ flow_run.state.message }}",
}
"""What a trigger tells the flow that it starts, as Prefect's templates."""

REACTING_FLOWS = (
    ReactingFlow(
        name="report-run-trouble",
        module="flows.maintenance.report_run_trouble",
        function="report_run_trouble",
        description="Notes a run that failed, crashed or was not started, so that people are notified.",
        triggers=(
            RunTrigger(
                name="socialflow: a run failed",
                description="A run of a scheduled flow failed, crashed or took too long.",
                expect=("prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"),
            ),
            RunTrigger(
                name="socialflow: a run is late",
                description="No worker has started a late run of a scheduled flow for 15 minutes.",
                after=("prefect.flow-run.Late",),
                expect=(
                    "prefect.flow-run.Pending",
                    "prefect.flow-run.Running",
                    "prefect.flow-run.Completed",
                    "prefect.flow-run.Cancelled",
                ),
                within=timedelta(minutes=15),
            ),
        ),
    ),
)

SCHEDULED_FLOWS = (
    ScheduledFlow(
        name="publish-due-posts",
        module="flows.publishing.publish_posts",
        function="publish_due_posts",
        cron="* * * * *",
        description="Checks that publishers are running, publishes if none is, and shows what they did.",
        period=timedelta(minutes=1),
        exclusive=False,
        embedded_interval=timedelta(minutes=30),
    ),
    ScheduledFlow(
        name="ingest-metrics",
        module="flows.ingestion.ingest_metrics",
        function="ingest_metrics",
        parameters="PostChoice",
        cron="*/5 * * * *",
        exclusive=False,
        period=timedelta(minutes=5),
        description="Reads the metrics of publications whose next snapshot is due.",
    ),
    ScheduledFlow(
        name="ingest-followers",
        module="flows.ingestion.ingest_followers",
        function="ingest_followers",
        parameters="AccountChoice",
        cron="7 * * * *",
        exclusive=False,
        period=timedelta(hours=1),
        description="Reads the followers of accounts not read for a day (checked hourly).",
    ),
    ScheduledFlow(
        name="backfill-history",
        module="flows.ingestion.backfill_history",
        function="backfill_history",
        parameters="PostChoice",
        cron="3-59/10 * * * *",
        exclusive=False,
        period=timedelta(minutes=10),
        description="Reads the history of newly connected accounts; continues where it stopped.",
    ),
    ScheduledFlow(
        name="refresh-tokens",
        module="flows.tokens.refresh_tokens",
        function="refresh_tokens",
        cron="2-59/10 * * * *",
        period=timedelta(minutes=10),
        description="Refreshes access tokens before they expire.",
    ),
    ScheduledFlow(
        name="extend-recurrences",
        module="flows.publishing.extend_recurrences",
        function="extend_recurrences",
        cron="22 * * * *",
        period=timedelta(hours=1),
        description="Creates the posts of recurring rules two weeks ahead.",
    ),
    ScheduledFlow(
        name="refresh-optimal-times",
        module="flows.timing.refresh_optimal_times",
        function="refresh_optimal_times",
        cron="20 3 * * *",
        period=timedelta(days=1),
        description="Recomputes the best posting times of every account.",
    ),
    ScheduledFlow(
        name="maintain-lake",
        module="flows.maintenance.maintain_lake",
        function="maintain_lake",
        cron="40 3 * * *",
        period=timedelta(days=1),
        description="Merges small files, expires old snapshots, removes unused data.",
    ),
)
