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
