"""Expected effect of one time on each of several accounts, as percentages for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.scheduling.explanations import compute_loss, describe_confidence, to_percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.scheduling.placement import Candidate, Week


@dataclass(frozen=True, kw_only=True)
class AccountShare:
    """Expected effect of a time on one account; None = nothing computed yet."""

    account_id: str
    platform: str
    handle: str | None
    weight: float
    expected_lift_pct: float | None
    interval_80: tuple[float, float] | None
    confidence: str | None
    own_best_lift_pct: float | None
    """At the account's own best hour of the week."""
    loss_pct: float | None
    """Share of the engagement at its best hour that it loses at this time."""


def list_shares(
    candidate: Candidate, weeks: Sequence[Week], handles: Mapping[str, str], weights: Mapping[str, float]
) -> list[AccountShare]:
    """Return the effect of an instant on each account, and each account's loss against its own best hour."""
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
