"""Score a time: its expected effect on each account, nearby posts, and the platform's publishing limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from connectors.capabilities import get_capabilities
from connectors.types import Platform
from warehouse.scheduling.account_shares import AccountShare, share_fields
from warehouse.scheduling.explanations import CAVEATS, describe_candidate, describe_time, to_percent
from warehouse.scheduling.local_times import require_future, resolve_time
from warehouse.scheduling.optimal_placement import load_weeks
from warehouse.scheduling.placement import HARD_GAP, WANTED_GAP, weigh
from warehouse.scheduling.suggestions import choose_accounts
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import get_account
from warehouse.store.schedules.placements import list_planned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.lake.connect import Lake
    from warehouse.scheduling.placement import Candidate, Week
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.posts.idempotency import StoreSession
    from warehouse.store.schedules.placements import Planned

_LONGEST_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Collision:
    """Another post of the account near the requested time."""

    publication_id: str
    post_id: str
    at: datetime
    minutes_away: int
    severity: Literal["too_close", "near"]
    """too_close: less than 30 minutes; near: less than two hours."""


@dataclass(frozen=True, kw_only=True)
class LimitUse:
    """Usage of a platform's publishing limit."""

    posts: int
    window_minutes: int
    used: int
    """Known posts in the fullest window that contains the requested time, without the new post."""
    exceeded: bool
    """Whether one more post would exceed the limit."""


@dataclass(frozen=True, kw_only=True)
class AccountScore(AccountShare):
    """Expected effect of the requested time on one account, and conflicts there."""

    weekday: int
    hour: int
    timezone: str
    """The account's zone, for weekday and hour."""
    p_better: float | None
    collisions: Sequence[Collision]
    limit: LimitUse | None
    """None = the platform publishes no such limit."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Score:
    """Score of one time."""

    at: datetime
    timezone: str
    expected_lift_pct: float | None
    """Weighted mean over the accounts; None = no accounts, or nothing computed yet."""
    interval_80: tuple[float, float] | None
    verdict: str
    data: Sequence[AccountScore]
    caveats: Sequence[str]


def score_time(
    session: StoreSession,
    lake: Lake,
    workspace_id: str,
    now: datetime,
    *,
    at: str | None = None,
    platform: Platform | None = None,
    account_id: str | None = None,
    timezone: str | None = None,
) -> Score:
    """Return the score of a time; None = now. Raises InvalidInputError (in the past, not a time), NotFoundError."""
    zone = parse_timezone(timezone or read_settings(session, workspace_id).timezone)
    instant = now
    if at is not None:
        resolved = resolve_time(at, zone, field="at")
        require_future(resolved, now, field="at")
        instant = resolved.at
    accounts: Sequence[AnyAccount]
    if account_id is not None:
        accounts = [get_account(session, workspace_id, account_id)]
        accounts = [row for row in accounts if platform in (None, row.platform)]
    else:
        accounts = choose_accounts(session, workspace_id, [platform] if platform else [], [])
    weeks = load_weeks(session, lake, workspace_id, accounts)
    planned = list_planned(
        session,
        [row.id for row in accounts],
        start=instant - _LONGEST_WINDOW,
        end=instant + _LONGEST_WINDOW,
    )
    candidate = weigh(weeks, instant)
    known = any(week.slots for week in weeks)
    lift = to_percent(candidate.lift, candidate.lift_low, candidate.lift_high)
    scores = [
        _score(row, week, candidate, [item for item in planned if item.account_id == row.id])
        for row, week in zip(accounts, weeks, strict=True)
    ]
    return Score(
        at=instant.astimezone(zone),
        timezone=zone.key,
        expected_lift_pct=lift.lift if known else None,
        interval_80=(lift.low, lift.high) if known else None,
        verdict=_verdict(candidate, weeks, scores),
        data=scores,
        caveats=CAVEATS,
    )


def _score(row: AnyAccount, week: Week, candidate: Candidate, planned: Sequence[Planned]) -> AccountScore:
    local = candidate.at.astimezone(week.zone)
    slot = candidate.by_account.get(week.account_id)
    collisions = _find_collisions(candidate.at, planned)
    limit = _use_limit(Platform(row.platform), candidate.at, planned)
    shared = share_fields(candidate, week, {row.id: row.handle}, {})
    return AccountScore(
        **shared,
        weekday=local.weekday(),
        hour=local.hour,
        timezone=week.zone.key,
        p_better=None if slot is None else round(slot.p_better, 4),
        collisions=collisions,
        limit=limit,
        sentence=_sentence(week, candidate, local, collisions, limit),
    )


def _find_collisions(at: datetime, planned: Sequence[Planned]) -> list[Collision]:
    collisions = []
    for item in planned:
        distance = abs(item.at - at)
        if distance < WANTED_GAP:
            severity: Literal["too_close", "near"] = "too_close" if distance < HARD_GAP else "near"
            collisions.append(
                Collision(
                    publication_id=item.publication_id,
                    post_id=item.post_id,
                    at=item.at,
                    minutes_away=int(distance.total_seconds() // 60),
                    severity=severity,
                )
            )
    return sorted(collisions, key=lambda collision: (collision.minutes_away, collision.publication_id))


def _use_limit(platform: Platform, at: datetime, planned: Sequence[Planned]) -> LimitUse | None:
    """Return the usage of the fullest window that contains `at`; None = the platform publishes no limit."""
    limit = get_capabilities(platform).publishing_limit
    if limit is None:
        return None
    # The fullest window begins at a post or at the requested time.
    begins = [at, *(item.at for item in planned if at - limit.window < item.at <= at)]
    used = max(sum(begin <= item.at < begin + limit.window for item in planned) for begin in begins)
    return LimitUse(
        posts=limit.posts,
        window_minutes=int(limit.window.total_seconds() // 60),
        used=used,
        exceeded=used + 1 > limit.posts,
    )


def _sentence(
    week: Week, candidate: Candidate, local: datetime, collisions: Sequence[Collision], limit: LimitUse | None
) -> str:
    alone = weigh([week], candidate.at)
    words = (
        f"{describe_time(local)} on {week.platform}: {describe_candidate(alone, [week])}."
        if week.slots
        else f"{describe_time(local)} on {week.platform}: nothing has been computed for this account yet."
    )
    close = sum(collision.severity == "too_close" for collision in collisions)
    if close:
        words += f" {close} other post(s) less than 30 minutes away: the earlier one earns less."
    elif collisions:
        words += f" {len(collisions)} other post(s) less than two hours away."
    if limit is not None and limit.exceeded:
        words += f" The platform allows only {limit.posts} posts in {limit.window_minutes} minutes: too many."
    return words


def _verdict(candidate: Candidate, weeks: Sequence[Week], scores: Sequence[AccountScore]) -> str:
    if not weeks:
        return "No account is connected here."
    if not any(week.slots for week in weeks):
        return "Nothing has been computed for these accounts yet."
    in_the_way = sum(
        any(collision.severity == "too_close" for collision in score.collisions)
        or (score.limit is not None and score.limit.exceeded)
        for score in scores
    )
    obstacle = f" There are conflicts on {in_the_way} of {len(scores)} accounts." if in_the_way else ""
    worth = describe_candidate(candidate, weeks)
    return f"{worth[0].upper()}{worth[1:]}.{obstacle}"
