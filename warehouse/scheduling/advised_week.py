"""Advised week of the chosen accounts, for each account and for all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from warehouse.lake.queries.timing import (
    get_optimal_times,
    get_posting_habits,
    get_posting_noise,
    get_timing_facts,
)
from warehouse.scheduling.account_shares import AccountShare, list_shares
from warehouse.scheduling.explanations import (
    describe_candidate,
    describe_losses,
    describe_time,
    to_percent,
)
from warehouse.scheduling.optimal_placement import LEAD, NEAR, load_weeks
from warehouse.scheduling.placement import list_candidates
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import get_account, list_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from connectors.types import Platform
    from warehouse.lake.connect import Lake
    from warehouse.scheduling.placement import Week
    from warehouse.store.models import AccountRow
    from warehouse.store.posts.idempotency import StoreSession

MOST_SHARING = 25
"""For more accounts than this, no common times are computed."""
NOISE_MEMORY = timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class SharedTime:
    """One time for several accounts at once."""

    next_at: datetime
    weekday: int
    """0 = Monday, in the zone of the response."""
    hour: int
    expected_lift_pct: float
    """Weighted mean over the accounts."""
    interval_80: tuple[float, float]
    accounts: Sequence[AccountShare]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class SharedTimes:
    """The best times of the coming week for all of the accounts together, best first."""

    timezone: str
    verdict: str
    data: Sequence[SharedTime]


@dataclass(frozen=True, slots=True)
class AdvisedWeek:
    """Advice for the chosen accounts."""

    accounts: Sequence[AccountRow]
    slots: Sequence[Mapping[str, Any]]
    """Rows of marts.optimal_times: the best `limit` of each account, best first."""
    best: Mapping[str, Mapping[str, Any]]
    """The best row by account id with what holds for the account's whole week (`get_timing_facts`); an account without
    a row has nothing computed yet."""
    habits: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Findings about pace, kinds and lengths by account id, see `get_posting_habits`."""


def read_advised_week(
    session: StoreSession,
    lake: Lake,
    workspace_id: str,
    *,
    platform: Platform | None = None,
    account_id: str | None = None,
    limit: int,
) -> AdvisedWeek:
    """Return the `limit` best slots of each account. Raises NotFoundError for an unknown account."""
    if account_id is not None:
        accounts = [get_account(session, workspace_id, account_id)]
    else:
        accounts = [row for row in list_accounts(session, workspace_id) if row.status != "disconnected"]
    accounts = [row for row in accounts if platform in (None, row.platform)]
    ids = [row.id for row in accounts]
    slots = get_optimal_times(lake, workspace_id=workspace_id, account_ids=ids, limit=limit)
    facts = get_timing_facts(lake, workspace_id=workspace_id, account_ids=ids) if slots else {}
    best = {row["account_id"]: row | facts.get(row["account_id"], {}) for row in reversed(slots)}
    habits = get_posting_habits(lake, workspace_id=workspace_id, account_ids=ids) if slots else {}
    return AdvisedWeek(accounts, slots, best, habits)


def share_week(
    session: StoreSession,
    lake: Lake,
    workspace_id: str,
    week: AdvisedWeek,
    now: datetime,
    *,
    timezone: str | None = None,
    weights: Mapping[str, float],
    limit: int,
) -> SharedTimes | None:
    """Return the best times for all accounts of the week together.

    None = fewer than two accounts with computed times, or more than MOST_SHARING. Raises InvalidInputError.
    """
    known = [row for row in week.accounts if row.id in week.best]
    if not 2 <= len(known) <= MOST_SHARING:
        return None
    return _share(
        load_weeks(session, lake, workspace_id, known),
        {row.id: row.handle for row in known},
        weights,
        zone=parse_timezone(timezone or read_settings(session, workspace_id).timezone),
        now=now,
        limit=limit,
    )


def read_noise(lake: Lake, workspace_id: str, week: AdvisedWeek, now: datetime) -> dict[str, float]:
    """Return the noise of a single post by account (log units), for accounts where it was measured."""
    ids = [row.id for row in week.accounts]
    return get_posting_noise(lake, workspace_id=workspace_id, account_ids=ids, since=now - NOISE_MEMORY)


def rank_across_accounts(rows: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """Return the best slot of each account, then the second best of each, and so on; at most `limit` in total.

    Lifts are relative to each account's own usual times, so they cannot be compared between accounts.
    """
    ranks: dict[str, int] = {}
    ranked = []
    for row in rows:
        rank = ranks[row["account_id"]] = ranks.get(row["account_id"], 0) + 1
        ranked.append((rank, -row["expected_lift"], row["account_id"], row))
    ranked.sort(key=lambda item: item[:3])
    return [item[3] for item in ranked[:limit]]


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
                accounts=list_shares(candidate, weeks, handles, weights),
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
