"""Suggest times for several posts: chosen one by one, the most promising first. Nothing is reserved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from warehouse.errors import InvalidInputError
from warehouse.platforms import parse_platform, parse_platforms
from warehouse.scheduling.account_shares import AccountShare, list_shares
from warehouse.scheduling.explanations import (
    CAVEATS,
    describe_candidate,
    describe_losses,
    describe_time,
    to_percent,
)
from warehouse.scheduling.local_times import require_future, resolve_time
from warehouse.scheduling.optimal_placement import LEAD, load_weeks, read_calendar
from warehouse.scheduling.placement import PICK_WINDOW, choose_greedily, list_candidates
from warehouse.shapes import AccountId, PlatformName, Shape, Zone
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.accounts.target_accounts import list_target_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from connectors.types import Platform
    from warehouse.lake.connect import Lake
    from warehouse.scheduling.placement import Candidate, Week
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.posts.idempotency import StoreSession

DEFAULT_SPAN = timedelta(days=7)
LONGEST_SPAN = timedelta(days=92)
LARGEST_WEIGHT = 1000

Weights = dict[PlatformName, Annotated[float, Field(gt=0, le=LARGEST_WEIGHT)]]


class SuggestionWish(Shape):
    """Request for suggested times: number, accounts, span."""

    count: int = Field(ge=1, le=100, description="Number of posts to place.")
    platforms: list[PlatformName] = Field(
        default_factory=list, max_length=50, description="All connected accounts of each platform."
    )
    account_ids: list[AccountId] = Field(
        default_factory=list,
        max_length=100,
        description="Without platforms and accounts: every connected account.",
    )
    from_: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, alias="from", description="ISO 8601; default: now."
    )
    to: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Excluded; default: seven days after `from`, at most 92."
    )
    timezone: Zone | None = None
    gap_minutes: int = Field(
        default=120, ge=30, le=10_080, description="Minimum gap between posts of an account."
    )
    weights: Weights = Field(
        default_factory=dict, max_length=20, description="Weight by platform; default 1 per account."
    )


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One suggested time."""

    at: datetime
    """In the zone of the response."""
    weekday: int
    hour: int
    rank: int
    """1 = the most promising."""
    expected_lift_pct: float
    interval_80: tuple[float, float]
    accounts: Sequence[AccountShare]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Suggested times, earliest first."""

    asked: int
    found: int
    note: str
    """Set if fewer times fit than requested, with a remedy."""
    timezone: str
    from_: datetime
    to: datetime
    data: Sequence[Suggestion]
    caveats: Sequence[str]


def suggest_times(
    session: StoreSession, lake: Lake, workspace_id: str, wish: SuggestionWish, now: datetime
) -> Suggestions:
    """Return times for `count` posts, or for as many as fit. Raises InvalidInputError."""
    zone = parse_timezone(wish.timezone or read_settings(session, workspace_id).timezone)
    start, end = _resolve_range(wish, zone, now)
    accounts = choose_accounts(session, workspace_id, parse_platforms(wish.platforms), wish.account_ids)
    if not accounts:
        raise InvalidInputError(
            "no account is connected: connect one first",
            field="platforms",
            code="platform_not_connected",
        )
    weights = {
        parse_platform(name, field=f"weights/{name}").value: weight for name, weight in wish.weights.items()
    }
    weeks = load_weeks(session, lake, workspace_id, accounts)
    if not any(week.slots for week in weeks):
        raise InvalidInputError(
            "no times have been computed for these accounts yet: wait for the nightly computation",
            field="platforms",
            code="no_advised_time",
        )
    gap = timedelta(minutes=wish.gap_minutes)
    reach = max(gap, PICK_WINDOW)
    calendar, _planned = read_calendar(session, [row.id for row in accounts], start - reach, end + reach)
    candidates = list_candidates(weeks, max(start, now + LEAD), end, weights=weights)
    chosen = choose_greedily(candidates, calendar, wish.count, gap=gap)
    handles = {row.id: row.handle for row in accounts}
    suggestions = [
        _describe(candidate, rank, weeks, handles, weights, zone) for rank, candidate in enumerate(chosen, 1)
    ]
    return Suggestions(
        asked=wish.count,
        found=len(chosen),
        note=_note(wish, len(chosen)),
        timezone=zone.key,
        from_=start,
        to=end,
        data=sorted(suggestions, key=lambda suggestion: suggestion.at),
        caveats=CAVEATS,
    )


def choose_accounts(
    session: StoreSession, workspace_id: str, platforms: Sequence[Platform], account_ids: Sequence[str]
) -> Sequence[AnyAccount]:
    """Return the named accounts, or every connected account if none is named. Raises InvalidInputError."""
    if not platforms and not account_ids:
        return [row for row in list_accounts(session, workspace_id) if row.status == "active"]
    return list_target_accounts(
        session, workspace_id, platforms=platforms, account_ids=account_ids, lock=False
    )


def parse_weights(values: Sequence[str]) -> dict[str, float]:
    """Parse weights of the form "platform:number". Raises InvalidInputError."""
    weights = {}
    for value in values:
        name, _, number = value.partition(":")
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not 0 < weight <= LARGEST_WEIGHT:
            raise InvalidInputError(
                f"{value!r} is not a valid weight: write platform:number, such as instagram:2",
                field="weight",
                code="invalid_weight",
            )
        weights[parse_platform(name, field="weight").value] = weight
    return weights


def _resolve_range(wish: SuggestionWish, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    start = now
    if wish.from_ is not None:
        resolved = resolve_time(wish.from_, zone, field="from")
        require_future(resolved, now, field="from")
        start = resolved.at
    end = resolve_time(wish.to, zone, field="to").at if wish.to else start + DEFAULT_SPAN
    if end <= start:
        raise InvalidInputError("'to' must be after 'from'", field="to", code="empty_span")
    if end - start > LONGEST_SPAN:
        raise InvalidInputError(f"ask for at most {LONGEST_SPAN.days} days", field="to", code="span_too_long")
    return start, end


def _describe(  # noqa: PLR0917 (the fields of a suggestion)
    candidate: Candidate,
    rank: int,
    weeks: Sequence[Week],
    handles: Mapping[str, str],
    weights: Mapping[str, float],
    zone: ZoneInfo,
) -> Suggestion:
    local = candidate.at.astimezone(zone)
    lift = to_percent(candidate.lift, candidate.lift_low, candidate.lift_high)
    worth = describe_candidate(candidate, weeks)
    return Suggestion(
        at=local,
        weekday=local.weekday(),
        hour=local.hour,
        rank=rank,
        expected_lift_pct=lift.lift,
        interval_80=(lift.low, lift.high),
        accounts=list_shares(candidate, weeks, handles, weights),
        reason=f"{describe_time(local, with_date=True)}: number {rank} of the free times; {worth}."
        f"{describe_losses(candidate, weeks)}",
    )


def _note(wish: SuggestionWish, found: int) -> str:
    if found == wish.count:
        return (
            f"All {found} fit, at least {wish.gap_minutes} minutes from every other post of these accounts."
        )
    remedy = (
        "a longer range"
        if wish.gap_minutes == 30
        else "a longer range or a smaller gap_minutes (at least 30)"
    )
    return (
        f"Only {found} of {wish.count} fit at least {wish.gap_minutes} minutes from every other post of these "
        f"accounts, no more than two of them within three hours: {remedy} makes room for more."
    )
