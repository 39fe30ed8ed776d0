"""Compute the best posting times of every account, each in its audience's time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.account_runs import utc_now
from flows.errors import PartlyFailedError
from flows.ingestion.lake_rows import account_dim
from warehouse.store.access.workspaces import list_workspaces
from warehouse.store.accounts.accounts import list_accounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flows.resources import Resources


def compute_all_optimal_times(
    resources: Resources, *, clock: Callable[[], datetime] = utc_now
) -> dict[str, Any]:
    """Replace the posting times in the lake and return a summary. Raises ConflictError, SetupError."""
    from warehouse.lake.load import load_accounts  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.queries.timing import refresh_optimal_times  # noqa: PLC0415 (pandas takes 60 MB)

    timezones: dict[str, str] = {}
    accounts = []
    with resources.store.read() as session:
        for workspace in list_workspaces(session):
            for row in list_accounts(session, workspace.id):
                timezones[row.id] = row.timezone or workspace.timezone
                accounts.append(account_dim(row))
    # Accounts without posts get times, too, from their platform's profile.
    load_accounts(resources.lake, accounts)
    return dict(refresh_optimal_times(resources.lake, timezones=timezones, now=clock()))


def raise_if_failed(summary: dict[str, Any]) -> None:
    """Raise PartlyFailedError if the times of some accounts could not be computed properly."""
    if summary["failures"]:
        raise PartlyFailedError("computing posting times", summary["failures"], of=summary["accounts"])
