"""Flow: read the followers of the accounts whose daily reading is due, checked every hour."""

from __future__ import annotations

import logging

from prefect import flow
from prefect.client.schemas.objects import State  # noqa: TC002 (Prefect evaluates all annotations)

from flows.errors import FlowBusyError, PartlyFailedError
from flows.flow_runs import current_run_id, end_partly, end_skipped, publish_result
from flows.ingestion.followers import read_due_followers
from flows.parameters import AccountChoice, AccountIds, Anew, DryRun, Platforms
from flows.resources import open_resources
from flows.run_results import RunResult  # noqa: TC001 (Prefect evaluates all annotations)
from flows.work_sharing import run_shared
from warehouse.store.accounts.choice import resolve_accounts

# Prefect forwards this logger to the run (PREFECT_LOGGING_EXTRA_LOGGERS); it also works without a run.
logger = logging.getLogger(__name__)


@flow(name="ingest-followers", retries=0, persist_result=True)
async def ingest_followers(
    *,
    account_ids: AccountIds | None = None,
    platforms: Platforms | None = None,
    anew: Anew = False,
    dry_run: DryRun = False,
) -> RunResult | State[RunResult]:
    """Read what is due now, or with parameters what they choose.

    Completes as PartlyFailed, after everything else is done, with the accounts that could not be read; fails if none
    could. Raises InvalidInputError for parameters that choose nothing possible.
    """
    asked = AccountChoice(
        account_ids=account_ids,
        platforms=platforms,
        anew=anew,
        dry_run=dry_run,
    )
    async with open_resources() as (resources, pool):
        with resources.store.read() as session:
            chosen = resolve_accounts(session, asked.account_ids, asked.platforms)
        try:
            most = resources.flows.ingest_runs
            with run_shared(resources.store, "ingest-followers", most=most, run_id=current_run_id()):
                report = await read_due_followers(
                    resources,
                    pool,
                    run_id=current_run_id(),
                    account_ids=chosen,
                    anew=asked.anew,
                    dry_run=asked.dry_run,
                )
                result = await publish_result("ingest-followers", report, asked.chosen(), report.snapshot_id)
                report.raise_if_failed()
                report.raise_if_doubtful()
        except FlowBusyError as busy:
            return end_skipped(busy)
        except PartlyFailedError as error:
            return end_partly(result, error)
    return result
