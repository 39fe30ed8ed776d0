"""The advised week of the chosen accounts, each alone and all of them together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from api.optimal_times.schemas import OptimalTimesOut, SharedTime, SharedTimes
from api.optimal_times.views import rank_across_accounts, render_optimal_time, render_shares, render_subject
from api.posts.requests import parse_platform
from warehouse.errors import InvalidInputError
from warehouse.lake.queries.timing import get_optimal_times, get_posting_noise
from warehouse.scheduling.explanations import (
    CAVEATS,
    describe_candidate,
    describe_losses,
    describe_time,
    to_percent,
)
from warehouse.scheduling.optimal_placement import LEAD, NEAR, load_weeks
from warehouse.scheduling.placement import list_candidates
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.accounts.accounts import get_account, list_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from api.http.callers import Caller
    from api.http.services import Services
    from connectors.types import Platform
    from warehouse.scheduling.placement import Week
    from warehouse.store.models import AccountRow

MOST_SHARING = 25
"""More accounts than this are not weighed against each other in a table."""
NOISE_MEMORY = timedelta(days=365)


def advise(
    services: Services,
    caller: Caller,
    *,
    platform: Platform | None,
    account_id: str | None,
    timezone: str | None,
    weights: Mapping[str, float],
    limit: int,
) -> OptimalTimesOut:
    """Return the best slots, the verdict on each account, and the times that suit all of them together.

    Raises InvalidInputError, NotFoundError.
    """
    now = services.clock()
    zone = parse_timezone(timezone) if timezone else None
    with services.store.read() as session:
        accounts = _choose_accounts(list_accounts(session, caller.workspace_id), platform)
        if account_id is not None:
            accounts = [get_account(session, caller.workspace_id, account_id)]
            accounts = [row for row in accounts if platform in (None, row.platform)]
        ids = [row.id for row in accounts]
        rows = get_optimal_times(
            services.lake, workspace_id=caller.workspace_id, account_ids=ids, limit=limit
        )
        best = {row["account_id"]: row for row in reversed(rows)}
        known = [row for row in accounts if row.id in best]
        weeks = []
        if 2 <= len(known) <= MOST_SHARING:
            weeks = load_weeks(session, services.lake, caller.workspace_id, known)
        shared_zone = zone or ZoneInfo(get_workspace(session, caller.workspace_id).timezone)
    noise = get_posting_noise(
        services.lake, workspace_id=caller.workspace_id, account_ids=ids, since=now - NOISE_MEMORY
    )
    handles = {row.id: row.handle for row in accounts}
    return OptimalTimesOut(
        data=[render_optimal_time(row, zone, now) for row in rank_across_accounts(rows, limit)],
        accounts=[render_subject(row, best.get(row.id), noise.get(row.id), zone, now) for row in accounts],
        combined=_share(weeks, handles, weights, zone=shared_zone, now=now, limit=limit) if weeks else None,
        caveats=CAVEATS,
    )


def parse_weights(values: Sequence[str]) -> dict[str, float]:
    """Read "platform:number" as the query has it. Raises InvalidInputError."""
    weights = {}
    for value in values:
        name, _, number = value.partition(":")
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not 0 < weight <= 1000:
            raise InvalidInputError(
                f"{value!r} is no weight: write platform:number, such as instagram:2",
                field="weight",
                code="invalid_weight",
            )
        weights[parse_platform(name, field="weight").value] = weight
    return weights


def _choose_accounts(accounts: Sequence[AccountRow], platform: Platform | None) -> list[AccountRow]:
    return [row for row in accounts if row.status != "disconnected" and platform in (None, row.platform)]


def _share(
    weeks: Sequence[Week],
    handles: Mapping[str, str],
    weights: Mapping[str, float],
    *,
    zone: ZoneInfo,
    now: datetime,
    limit: int,
) -> SharedTimes:
    candidates = list_candidates(weeks, now + LEAD, now + NEAR, weights=weights)
    ranked = sorted(candidates, key=lambda candidate: (-candidate.lift, candidate.at))[:limit]
    times = []
    for candidate in ranked:
        local = candidate.at.astimezone(zone)
        lift = to_percent(candidate.lift, candidate.lift_low, candidate.lift_high)
        times.append(
            SharedTime(
                next_at=local,
                weekday=local.weekday(),
                hour=local.hour,
                expected_lift_pct=lift.lift,
                interval_80=(lift.low, lift.high),
                accounts=render_shares(candidate, weeks, handles, weights),
                sentence=f"{describe_time(local)} for all {len(weeks)} accounts: "
                f"{describe_candidate(candidate, weeks)}.{describe_losses(candidate, weeks)}",
            )
        )
    reliable = [week for week in weeks if week.best.confidence != "none"]
    verdict = (
        f"The best hour for all {len(weeks)} accounts together, each against its own usual times."
        if reliable
        else "No reliable timing effect on any of these accounts: post when it suits you."
    )
    return SharedTimes(timezone=zone.key, verdict=verdict, data=times)
