"""Compute the best posting times of every account, each in its time zone, and how engagement grows with age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.account_runs import utc_now
from flows.errors import PartlyFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from flows.resources import Resources


def compute_all_optimal_times(
    resources: Resources, *, clock: Callable[[], datetime] = utc_now
) -> dict[str, Any]:
    """Replace the posting times and growth curves in the lake and return a summary.

    Raises ConflictError, SetupError.
    """
    from warehouse.lake.maintenance import refresh_growth  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.queries.timing import refresh_optimal_times  # noqa: PLC0415 (pandas takes 60 MB)

    unknown = _sync(resources)
    now = clock()
    summary = dict(refresh_optimal_times(resources.lake, now=now))
    summary["failures"] |= unknown
    return summary | {"growth": refresh_growth(resources.lake, now)}


def plan_parts(
    resources: Resources, parts: int, *, clock: Callable[[], datetime] = utc_now
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return about this many parts, as parameters of a run each, and the summary of the whole run.

    Raises ConflictError, SetupError.
    """
    from warehouse.lake.maintenance import refresh_growth  # noqa: PLC0415 (see flows.resources)
    from warehouse.lake.queries.timing import plan_timing  # noqa: PLC0415 (pandas takes 60 MB)

    unknown = _sync(resources)
    now = clock()
    plan = plan_timing(resources.lake, now=now, parts=parts)
    summary = plan.summary
    summary["failures"] |= unknown
    summary["growth"] = refresh_growth(resources.lake, now)
    return [part.as_dict() for part in plan.parts], summary


def compute_part(resources: Resources, part: Mapping[str, Any]) -> dict[str, Any]:
    """Compute one part of `plan_parts`. Raises InvalidInputError, ConflictError, SetupError."""
    from warehouse.lake.queries.timing import read_timing_part, refresh_timing_part  # noqa: PLC0415 (pandas takes 60 MB)

    return refresh_timing_part(resources.lake, read_timing_part(part))


def describe_part(part: Mapping[str, Any]) -> str:
    """Return which accounts a part has, for messages."""
    return f"{part['platform']} {part['first']} to {part['last']}"


def _sync(resources: Resources) -> dict[str, str]:
    """Bring all accounts to the lake; return those whose zone is not known, with the reason.

    All accounts: those without posts get times, too, from their platform's profile.
    """
    from warehouse.lake.dimensions import (  # noqa: PLC0415 (see flows.resources)
        find_unknown_zones,
        sync_accounts,
        sync_marks,
    )

    sync_accounts(resources.store, resources.lake)
    sync_marks(resources.store, resources.lake)
    return find_unknown_zones(resources.store)


def raise_if_failed(summary: dict[str, Any]) -> None:
    """Raise PartlyFailedError if the times of some accounts could not be computed properly."""
    if summary["failures"]:
        raise PartlyFailedError("computing posting times", summary["failures"], of=summary["accounts"])
