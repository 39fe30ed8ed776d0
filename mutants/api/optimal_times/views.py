"""Advised times as the API tells them: a slot with its next real instant, an account with its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from api.optimal_times.schemas import AccountShare, OptimalTime, TimingSubject
from warehouse.scheduling.explanations import (
    compute_loss,
    describe_account,
    describe_confidence,
    describe_slot,
    list_account_caveats,
    to_percent,
)
from warehouse.scheduling.placement import next_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from warehouse.scheduling.placement import Candidate, Week
    from warehouse.store.models import AccountRow


def render_optimal_time(row: Mapping[str, Any], zone: ZoneInfo | None, now: datetime) -> OptimalTime:
    """Return one row of marts.optimal_times as the API tells it, in the account's zone or the asked one."""
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


def render_subject(
    account: AccountRow,
    best: Mapping[str, Any] | None,
    noise: float | None,
    zone: ZoneInfo | None,
    now: datetime,
) -> TimingSubject:
    """Return what the advice for an account rests on; `best` is its best row, None = nothing computed yet."""
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
        caveats=list_account_caveats(best, now),
        computed_at=best["computed_at"] if best else None,
        model_version=best["model_version"] if best else None,
    )


def render_shares(
    candidate: Candidate, weeks: Sequence[Week], handles: Mapping[str, str], weights: Mapping[str, float]
) -> list[AccountShare]:
    """Return what an instant is worth on each account, and what each gives up against its own best hour."""
    return [AccountShare(**share_fields(candidate, week, handles, weights)) for week in weeks]


def share_fields(
    candidate: Candidate, week: Week, handles: Mapping[str, str], weights: Mapping[str, float]
) -> dict[str, Any]:
    """Return the fields of one AccountShare."""
    fields: dict[str, Any] = {
        "account_id": week.account_id,
        "platform": week.platform,
        "handle": handles.get(week.account_id),
        "weight": weights.get(week.platform, 1.0),
    }
    slot = candidate.by_account.get(week.account_id)
    if slot is None:
        unknown = ("expected_lift_pct", "interval_80", "confidence", "own_best_lift_pct", "loss_pct")
        return fields | dict.fromkeys(unknown)
    lift = to_percent(slot.expected_lift, slot.lift_low, slot.lift_high)
    return fields | {
        "expected_lift_pct": lift.lift,
        "interval_80": (lift.low, lift.high),
        "confidence": describe_confidence(slot.confidence, slot.lift_high),
        "own_best_lift_pct": round(week.best.expected_lift * 100, 1),
        "loss_pct": round(compute_loss(week, candidate) * 100, 1),
    }


def rank_across_accounts(rows: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """Return the best slot of each account, then the second best of each, ... at most `limit` in all.

    Lifts are relative to each account's own usual times, so they do not rank accounts against each other.
    """
    ranks: dict[str, int] = {}
    ranked = []
    for row in rows:
        rank = ranks[row["account_id"]] = ranks.get(row["account_id"], 0) + 1
        ranked.append((rank, -row["expected_lift"], row["account_id"], row))
    ranked.sort(key=lambda item: item[:3])
    return [item[3] for item in ranked[:limit]]
