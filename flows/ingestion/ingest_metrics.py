"""Flow: read the metrics of publications whose next snapshot is due, every five minutes."""

from __future__ import annotations

import logging

from prefect import flow
from prefect.client.schemas.objects import State  # noqa: TC002 (Prefect evaluates all annotations)

from flows.account_runs import utc_now
from flows.errors import FlowBusyError, PartlyFailedError
from flows.flow_runs import current_run_id, end_partly, end_skipped, publish_result
from flows.ingestion.metrics import read_due_metrics
from flows.parameters import AccountIds, Anew, DryRun, Platforms, PostChoice, Since, Until
from flows.resources import open_resources
from flows.run_results import RunResult  # noqa: TC001 (Prefect evaluates all annotations)
from flows.work_sharing import run_shared
from warehouse.store.accounts.choice import resolve_accounts

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="ingest-metrics", retries=0, persist_result=True)
async def ingest_metrics(
    *,
    account_ids: AccountIds | None = None,
    platforms: Platforms | None = None,
    since: Since | None = None,
    until: Until | None = None,
    anew: Anew = False,
    dry_run: DryRun = False,
) -> RunResult | State[RunResult]:
    """Measure what is due now, or with parameters what they choose.

    Completes as PartlyFailed, after everything else is done, with the accounts that could not be read; fails if none
    could. Raises InvalidInputError for parameters that choose nothing possible.
    """
    asked = PostChoice(
        account_ids=account_ids,
        platforms=platforms,
        since=since,
        until=until,
        anew=anew,
        dry_run=dry_run,
    )
    asked.check_window(utc_now())
    async with open_resources() as (resources, pool):
        with resources.store.read() as session:
            chosen = resolve_accounts(session, asked.account_ids, asked.platforms)
        try:
            most = resources.flows.ingest_runs
            with run_shared(resources.store, "ingest-metrics", most=most, run_id=current_run_id()):
                report = await read_due_metrics(
                    resources,
                    pool,
                    run_id=current_run_id(),
                    account_ids=chosen,
                    since=asked.since,
                    until=asked.until,
                    anew=asked.anew,
                    dry_run=asked.dry_run,
                )
                result = await publish_result("ingest-metrics", report, asked.chosen(), report.snapshot_id)
                report.raise_if_failed()
                report.raise_if_doubtful()
        except FlowBusyError as busy:
            return end_skipped(busy)
        except PartlyFailedError as error:
            return end_partly(result, error)
    return result
