"""Convert recommended times to API schemas: slots with their next occurrence, accounts with a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from api.optimal_times import schemas
from api.optimal_times.schemas import OptimalTime, OptimalTimesOut, PostingHabit, TimingSubject
from warehouse.scheduling.advised_week import rank_across_accounts
from warehouse.scheduling.explanations import (
    CAVEATS,
    describe_account,
    describe_confidence,
    describe_habit,
    describe_kinds,
    describe_pace,
    describe_slot,
    list_account_caveats,
    to_percent,
)
from warehouse.scheduling.placement import next_instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from warehouse.scheduling.advised_week import AdvisedWeek, SharedTimes
    from warehouse.store.models import AccountRow


def render_advice(  # noqa: PLR0917 (what an advised week is made of)
    week: AdvisedWeek,
    combined: SharedTimes | None,
    noise: Mapping[str, float],
    zone: ZoneInfo | None,
    now: datetime,
    limit: int,
) -> OptimalTimesOut:
    """Return the recommended week as a response model, in each account's time zone or the requested one."""
    return OptimalTimesOut(
        data=[render_optimal_time(row, zone, now) for row in rank_across_accounts(week.slots, limit)],
        accounts=[render_subject(row, week, noise.get(row.id), zone, now) for row in week.accounts],
        combined=schemas.SharedTimes.model_validate(combined, from_attributes=True) if combined else None,
        caveats=CAVEATS,
    )


def render_optimal_time(row: Mapping[str, Any], zone: ZoneInfo | None, now: datetime) -> OptimalTime:
    """Return the response model of a row of marts.optimal_times, in the given or the account's time zone."""
    next_at = next_instant(row["weekday"], row["hour"], ZoneInfo(row["timezone"]), now)
    if zone is not None:
        next_at = next_at.astimezone(zone)
    lift = to_percent(row["expected_lift"], row["lift_low"], row["lift_high"])
    return OptimalTime(
        account_id=row["account_id"],
        platform=row["platform"],
        handle=row["handle"],
        weekday=next_at.weekday(),
        hour=next_at.hour,
        timezone=row["timezone"] if zone is None else zone.key,
        next_at=next_at,
        score=round(row["score"], 1),
        expected_lift_pct=lift.lift,
        interval_80=(lift.low, lift.high),
        p_better=round(row["p_better"], 4),
        posts_observed=row["n_posts"],
        posts_nearby=row["n_nearby"],
        basis=row["basis"],
        confidence=describe_confidence(row["confidence"], row["lift_high"]),
        sentence=describe_slot(row, next_at),
    )


def render_habit(row: Mapping[str, Any]) -> PostingHabit:
    """Return the response model of a row of marts.posting_habits."""
    effect = to_percent(row["effect"], row["low"], row["high"])
    sentence = describe_pace([row]) if row["subject"] == "posts_per_day" else describe_habit(row)
    return PostingHabit(
        subject=row["subject"],
        label=row["label"],
        posts=row["n_posts"],
        effect_pct=effect.lift,
        interval_80=(effect.low, effect.high),
        known=row["known"],
        sentence=sentence,
    )


def render_subject(
    account: AccountRow,
    week: AdvisedWeek,
    noise: float | None,
    zone: ZoneInfo | None,
    now: datetime,
) -> TimingSubject:
    """Return the data behind a recommendation; an account without a best row has nothing computed yet."""
    best = week.best.get(account.id)
    facts = best or {}
    habits = week.habits.get(account.id, ())
    next_at = None
    if best is not None:
        own = ZoneInfo(best["timezone"])
        next_at = next_instant(best["weekday"], best["hour"], own, now).astimezone(zone or own)
    return TimingSubject(
        account_id=account.id,
        platform=account.platform,
        handle=account.handle,
        posts=best["account_posts"] if best else 0,
        basis=best["basis"] if best else "prior",
        confidence=describe_confidence(best["confidence"], best["lift_high"]) if best else None,
        verdict=describe_account(best, next_at),
        noise_log_sd=None if noise is None else round(noise, 2),
        p_chance=facts.get("p_chance"),
        moved_at=facts.get("moved_at"),
        suspicious_hours=facts.get("suspicious_hours") or [],
        pace=describe_pace(habits),
        kinds=describe_kinds(habits),
        habits=[render_habit(row) for row in habits],
        caveats=list_account_caveats(best, now),
        computed_at=best["computed_at"] if best else None,
        model_version=best["model_version"] if best else None,
    )
