"""Compute the best posting times of every account, each in its time zone, and how engagement grows with age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.account_runs import utc_now
from flows.errors import PartlyFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flows.resources import Resources


def compute_all_optimal_times(
    resources: Resources, *, clock: Callable[[], datetime] = utc_now
) -> dict[str, Any]:
    """Replace the posting times and growth curves in the lake and return a summary.

    Raises ConflictError, SetupError.
    """
    from warehouse.lake.dimensions import (  # noqa: PLC0415 (see flows.resources)
        find_unknown_zones,
        sync_accounts,
        sync_deletions,
    )
    from warehouse.lake.maintenance import refresh_growth  # noqa: PLC0415 (same)
    from warehouse.lake.queries.timing import refresh_optimal_times  # noqa: PLC0415 (pandas takes 60 MB)

    # All accounts: those without posts get times, too, from their platform's profile.
    sync_accounts(resources.store, resources.lake)
    sync_deletions(resources.store, resources.lake)
    now = clock()
    summary = dict(refresh_optimal_times(resources.lake, now=now))
    summary["failures"] |= find_unknown_zones(resources.store)
    return summary | {"growth": refresh_growth(resources.lake, now)}


def raise_if_failed(summary: dict[str, Any]) -> None:
    """Raise PartlyFailedError if the times of some accounts could not be computed properly."""
    if summary["failures"]:
        raise PartlyFailedError("computing posting times", summary["failures"], of=summary["accounts"])
