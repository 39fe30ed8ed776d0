"""Times for several posts at once: found one after the other, the most promising first. Nothing is reserved."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from api.http.errors import problem_at
from api.http.times import require_future, resolve_time
from api.optimal_times.schemas import Suggestion, SuggestOut
from api.optimal_times.views import render_shares
from api.posts.requests import parse_platform, parse_platforms
from warehouse.errors import InvalidInputError
from warehouse.scheduling.explanations import (
    CAVEATS,
    describe_candidate,
    describe_losses,
    describe_time,
    to_percent,
)
from warehouse.scheduling.optimal_placement import LEAD, load_weeks, read_calendar
from warehouse.scheduling.placement import PICK_WINDOW, choose_greedily, list_candidates
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.accounts.target_accounts import list_target_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from api.http.callers import Caller
    from api.http.services import Services
    from api.optimal_times.schemas import SuggestRequest
    from connectors.types import Platform
    from warehouse.scheduling.placement import Candidate, Week
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.posts.idempotency import StoreSession

DEFAULT_SPAN = timedelta(days=7)
LONGEST_SPAN = timedelta(days=92)


def suggest(services: Services, caller: Caller, body: SuggestRequest, session: StoreSession) -> SuggestOut:
    """Return times for `count` posts, or as many as fit. Raises InvalidInputError or an ApiError."""
    now = services.clock()
    zone = parse_timezone(body.timezone or get_workspace(session, caller.workspace_id).timezone)
    start, end = _resolve_range(body, zone, now)
    accounts = choose_targets(session, caller.workspace_id, parse_platforms(body.platforms), body.account_ids)
    if not accounts:
        raise InvalidInputError(
            "no account is connected: POST /api/v1/accounts/connect first",
            field="platforms",
            code="platform_not_connected",
        )
    weights = {
        parse_platform(name, field=f"weights/{name}").value: weight for name, weight in body.weights.items()
    }
    weeks = load_weeks(session, services.lake, caller.workspace_id, accounts)
    if not any(week.slots for week in weeks):
        raise InvalidInputError(
            "no time is advised for these accounts yet: wait for the next computation (each night)",
            field="platforms",
            code="no_advised_time",
        )
    gap = timedelta(minutes=body.gap_minutes)
    reach = max(gap, PICK_WINDOW)
    calendar, _planned = read_calendar(session, [row.id for row in accounts], start - reach, end + reach)
    candidates = list_candidates(weeks, max(start, now + LEAD), end, weights=weights)
    chosen = choose_greedily(candidates, calendar, body.count, gap=gap)
    handles = {row.id: row.handle for row in accounts}
    suggestions = [
        _render(candidate, rank, weeks, handles, weights, zone) for rank, candidate in enumerate(chosen, 1)
    ]
    return SuggestOut(
        asked=body.count,
        found=len(chosen),
        note=_note(body, len(chosen)),
        timezone=zone.key,
        from_=start,
        to=end,
        data=sorted(suggestions, key=lambda suggestion: suggestion.at),
        caveats=CAVEATS,
    )


def choose_targets(
    session: StoreSession, workspace_id: str, platforms: Sequence[Platform], account_ids: Sequence[str]
) -> Sequence[AnyAccount]:
    """Return the named accounts, or every connected one where none is named. Raises InvalidInputError."""
    if not platforms and not account_ids:
        return [row for row in list_accounts(session, workspace_id) if row.status == "active"]
    return list_target_accounts(
        session, workspace_id, platforms=platforms, account_ids=account_ids, lock=False
    )


def _resolve_range(body: SuggestRequest, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    start = now
    if body.from_ is not None:
        resolved = resolve_time(body.from_, zone, field="from")
        require_future(resolved, now, field="from")
        start = resolved.at
    end = resolve_time(body.to, zone, field="to").at if body.to else start + DEFAULT_SPAN
    if end <= start:
        raise problem_at("/to", "empty_span", "'to' must be after 'from'")
    if end - start > LONGEST_SPAN:
        raise problem_at("/to", "span_too_long", f"ask for at most {LONGEST_SPAN.days} days")
    return start, end


def _render(  # noqa: PLR0917 (what a suggestion is made of)
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
        accounts=render_shares(candidate, weeks, handles, weights),
        reason=f"{describe_time(local, with_date=True)}: number {rank} of the free times; {worth}."
        f"{describe_losses(candidate, weeks)}",
    )


def _note(body: SuggestRequest, found: int) -> str:
    if found == body.count:
        return (
            f"All {found} fit, at least {body.gap_minutes} minutes from every other post of these accounts."
        )
    remedy = (
        "a longer range"
        if body.gap_minutes == 30
        else "a longer range or a smaller gap_minutes (at least 30)"
    )
    return (
        f"Only {found} of {body.count} fit at least {body.gap_minutes} minutes from every other post of these "
        f"accounts, no more than two of them within three hours: {remedy} makes room for more."
    )
