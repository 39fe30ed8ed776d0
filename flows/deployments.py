"""Every flow that runs by the clock: the one place that knows schedules, for the embedded runner and prefect.yaml.

Without Prefect at import, so that the launcher stays small. tests/flows/test_deployments.py holds prefect.yaml to
this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ScheduledFlow:
    """One deployment. `cron` is in UTC."""

    name: str
    """Of the deployment and of the flow's function, with dashes for underscores."""
    module: str
    function: str
    cron: str
    description: str
    concurrency_limit: int | None
    """How many runs may be active at once; further ones wait their turn. None = overlap is intended."""
    embedded_interval: timedelta | None = None
    """Under `socialflow up`, in place of `cron`: a run at the start and then this often, which ends within it."""

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
        description="Sees to it that publishers are awake, publishes where one is missing, shows what they did.",
        concurrency_limit=None,
        embedded_interval=timedelta(minutes=30),
    ),
    ScheduledFlow(
        name="ingest-metrics",
        module="flows.ingestion.ingest_metrics",
        function="ingest_metrics",
        cron="*/5 * * * *",
        description="Reads the counters of publications whose next snapshot is due.",
        concurrency_limit=1,
    ),
    ScheduledFlow(
        name="ingest-followers",
        module="flows.ingestion.ingest_followers",
        function="ingest_followers",
        cron="7 * * * *",
        description="Reads the followers of accounts not read for a day (checked hourly).",
        concurrency_limit=1,
    ),
    ScheduledFlow(
        name="backfill-history",
        module="flows.ingestion.backfill_history",
        function="backfill_history",
        cron="3-59/10 * * * *",
        description="Reads the history of newly connected accounts; goes on where it stopped.",
        concurrency_limit=1,
    ),
    ScheduledFlow(
        name="refresh-tokens",
        module="flows.tokens.refresh_tokens",
        function="refresh_tokens",
        cron="2-59/10 * * * *",
        description="Refreshes access tokens before they expire.",
        concurrency_limit=1,
    ),
    ScheduledFlow(
        name="extend-recurrences",
        module="flows.publishing.extend_recurrences",
        function="extend_recurrences",
        cron="22 * * * *",
        description="Makes the posts of recurring rules two weeks ahead of their time.",
        concurrency_limit=1,
    ),
    ScheduledFlow(
        name="refresh-optimal-times",
        module="flows.timing.refresh_optimal_times",
        function="refresh_optimal_times",
        cron="20 3 * * *",
        description="Computes the best posting times of every account anew.",
        concurrency_limit=1,
    ),
    ScheduledFlow(
        name="maintain-lake",
        module="flows.maintenance.maintain_lake",
        function="maintain_lake",
        cron="40 3 * * *",
        description="Merges small files, expires old snapshots, removes what nothing refers to.",
        concurrency_limit=1,
    ),
)
