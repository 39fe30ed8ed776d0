"""Measured lift of advised times over random times, from the lake's experiments."""

from __future__ import annotations

from math import expm1, log1p
from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql
from warehouse.timing.placement_effect import FEWEST_POSTS, Outcome, compute_effect

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake
    from warehouse.timing.placement_effect import Effect

AGES = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}
"""The ages of marts.publication_at_age."""
DEFINITIONS = {
    "lift_pct": (
        "Additional engagement of posts placed by the advice over posts placed at random among acceptable times: "
        "difference of mean ln(1 + engagement) at the same age, each account compared with itself, in percent."
    ),
    "interval_80": "80 % of such intervals contain the true lift; leave-one-post-out (jackknife), t distribution.",
    "interval_95": "The same with 95 %. If it is entirely above 0, the advice works, and not by chance.",
    "posts": "Comparable posts: measured at that age, on an account with posts of both kinds.",
    "unmeasured": "Publications of at least twice that age without a measured engagement at that age.",
    "too_young": "Publications without a value at that age yet, less than twice as old at the newest measurement.",
    "left_out": (
        "Posts with a time set by their author, posts moved by hand, explorations, and everything placed while no "
        "experiment ran: there was no random draw, so no conclusion is possible."
    ),
}


def get_placement_lift(
    lake: Lake, *, workspace_id: str, age: str, platform: str | None = None, account_id: str | None = None
) -> dict[str, Any]:
    """Return the result of the workspace's experiments at one of AGES.

    Keys: age, recommended {posts, publications}, random {posts, publications}, unmeasured, too_young, accounts,
    lift_pct, interval_80, interval_95 (percent; None with too few posts), reason (why None), verdict, as_of,
    definitions.
    """
    params = {
        "workspace_id": workspace_id,
        "platform": platform,
        "account_id": account_id,
        "age_hours": AGES[age],
    }
    rows = lake.query(load_sql("queries/select_experiment_placements"), params)
    measured = [row for row in rows if row["engagement"] is not None]
    effect = compute_effect(
        [
            Outcome(
                post_id=row["post_id"],
                stratum=(row["account_id"], row["placement_share"]),
                recommended=row["placement"] == "recommended",
                value=log1p(row["engagement"]),
            )
            for row in measured
        ]
    )
    reason = _explain_silence(effect, age, any_placed=bool(rows))
    return {
        "age": age,
        "recommended": _count(measured, "recommended", effect.recommended),
        "random": _count(measured, "random", effect.random),
        "accounts": len({row["account_id"] for row in measured}),
        "unmeasured": sum(row["engagement"] is None and bool(row["due"]) for row in rows),
        "too_young": sum(row["engagement"] is None and not row["due"] for row in rows),
        "lift_pct": None if effect.difference is None else _percent(effect.difference),
        "interval_80": _interval(effect, 0.8),
        "interval_95": _interval(effect, 0.95),
        "reason": reason,
        "verdict": reason or _judge(effect, age),
        "as_of": rows[0]["as_of"] if rows else None,
        "definitions": DEFINITIONS,
    }


def _count(measured: list[dict[str, Any]], placement: str, compared: int) -> dict[str, int]:
    return {
        "posts": compared,
        "publications": sum(row["placement"] == placement for row in measured),
    }


def _percent(log_difference: float) -> float:
    return round(expm1(log_difference) * 100, 1)


def _interval(effect: Effect, level: float) -> tuple[float, float] | None:
    found = effect.interval(level)
    return None if found is None else (_percent(found[0]), _percent(found[1]))


def _explain_silence(effect: Effect, age: str, *, any_placed: bool) -> str | None:
    """Return why there is no result; None = there is one."""
    if not any_placed:
        return (
            "No post has been placed by an experiment yet: set the workspace's random_share, and schedule posts "
            'with "scheduled_at": "optimal".'
        )
    if effect.difference is None:
        return (
            f"Too few posts measured at {age} to compare: {effect.recommended} placed by the advice and "
            f"{effect.random} at random; at least {FEWEST_POSTS} of each are needed on accounts that have both."
        )
    return None


def _judge(effect: Effect, age: str) -> str:
    interval = effect.interval(0.95)
    if effect.difference is None or interval is None:
        raise ValueError("an effect without a result has no verdict")
    lift, low, high = (_percent(value) for value in (effect.difference, *interval))
    told = (
        f"Posts placed by the advice got {lift:+.0f} % engagement by {age} against posts placed at random (95 % range "
        f"{low:+.0f} to {high:+.0f} %; {effect.recommended} against {effect.random} posts)"
    )
    if interval[0] > 0:
        return f"{told}: the advice works, and this is unlikely to be chance."
    if interval[1] < 0:
        return f"{told}: the advice does harm here, and this is unlikely to be chance. Stop using it, and report it."
    return f"{told}: not proven either way."
