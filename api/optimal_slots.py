"""Advised times as the API tells them: the next real instant of a slot, a sentence, the best free one."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from api.schemas_schedules import OptimalTime, TimingSubject
from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_EFFECT = "no reliable timing effect"
CAVEATS = [
    "This is association, not proof: posts at these times did better, which does not show that the time was why.",
    "Wide ranges and the basis 'prior' mean that little is known yet about the account's own audience.",
]
LEAD = timedelta(minutes=5)
"""An advised time is at least this far off, so that a person can still change their mind."""
WANTED_GAP = timedelta(hours=2)
HARD_GAP = timedelta(minutes=30)
"""A post followed by another within 15 minutes earned 16 % less."""
HORIZON = timedelta(days=14)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def next_instant(weekday: int, hour: int, zone: ZoneInfo, after: datetime) -> datetime:
    """Return when the slot next begins after an instant, in its zone.

    A local hour that the clocks skip is passed over; of a repeated one the first counts.
    """
    day = after.astimezone(zone).date()
    day += timedelta(days=(weekday - day.weekday()) % 7)
    while True:
        local = datetime.combine(day, time(hour), tzinfo=zone)
        exists = local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
        if exists and local.astimezone(UTC) > after:
            return local
        day += timedelta(days=7)


def render_optimal_time(row: Mapping[str, Any], zone: ZoneInfo | None, now: datetime) -> OptimalTime:
    """Return one row of marts.optimal_times as the API tells it, in the account's zone or the asked one."""
    next_at = next_instant(row["weekday"], row["hour"], ZoneInfo(row["timezone"]), now)
    if zone is not None:
        next_at = next_at.astimezone(zone)
    confidence = NO_EFFECT if row["confidence"] == "none" else row["confidence"]
    low, high = (round(row[name] * 100, 1) for name in ("lift_low", "lift_high"))
    lift = round(row["expected_lift"] * 100, 1)
    return OptimalTime(
        account_id=row["account_id"],
        platform=row["platform"],
        handle=row["handle"],
        weekday=next_at.weekday(),
        hour=next_at.hour,
        timezone=row["timezone"] if zone is None else zone.key,
        next_at=next_at,
        score=round(row["score"], 1),
        expected_lift_pct=lift,
        interval_80=(low, high),
        p_better=round(row["p_better"], 4),
        posts_observed=row["n_posts"],
        posts_nearby=row["n_nearby"],
        basis=row["basis"],
        confidence=confidence,
        sentence=_sentence(row, next_at, lift, (low, high)),
    )


def render_subjects(rows: Sequence[Mapping[str, Any]]) -> list[TimingSubject]:
    """Return what the advice rests on, once an account."""
    names = ("account_id", "platform", "handle", "computed_at", "model_version")
    by_account = {row["account_id"]: row for row in rows}
    return [
        TimingSubject(**{name: row[name] for name in names}, posts=row["account_posts"])
        for row in by_account.values()
    ]


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


def choose_free_time(
    rows: Sequence[Mapping[str, Any]],
    account_ids: Sequence[str],
    busy: Mapping[str, Sequence[datetime]],
    now: datetime,
) -> datetime:
    """Return the instant of the coming two weeks that suits all accounts best together and is free.

    Free = two hours away from what is planned on these accounts; where a week has no such slot, the next
    week's, and where there is none either, half an hour away.
    Raises InvalidInputError where nothing was computed for an account yet.
    """
    lifts: dict[datetime, float] = {}
    seen: dict[datetime, int] = {}
    for row in rows:
        if row["account_id"] not in account_ids:
            continue
        first = next_instant(row["weekday"], row["hour"], ZoneInfo(row["timezone"]), now + LEAD)
        again = next_instant(row["weekday"], row["hour"], ZoneInfo(row["timezone"]), first)
        for instant in (first, again):
            at = instant.astimezone(UTC)
            lifts[at] = lifts.get(at, 0.0) + row["expected_lift"]
            seen[at] = seen.get(at, 0) + 1
    shared = [at for at, count in seen.items() if count == len(account_ids)]
    if not shared:
        raise InvalidInputError(
            "no time is advised for all of these accounts yet: give a time, or wait for the next computation",
            field="scheduled_at",
            code="no_advised_time",
        )
    taken = [at for account_id in account_ids for at in busy.get(account_id, ())]
    for gap in (WANTED_GAP, HARD_GAP):
        for week in (timedelta(days=7), HORIZON):
            free = [
                at for at in shared if at <= now + week and all(abs(at - other) >= gap for other in taken)
            ]
            if free:
                return max(free, key=lambda at: (lifts[at], -at.timestamp()))
    raise InvalidInputError(
        "the next two weeks of these accounts are full: give a time",
        field="scheduled_at",
        code="no_free_time",
    )


def _sentence(row: Mapping[str, Any], at: datetime, lift: float, interval: tuple[float, float]) -> str:
    slot = f"{_WEEKDAYS[at.weekday()]} {at:%H:%M}"
    size = f"about {abs(lift):.0f} % {'better' if lift >= 0 else 'worse'} than your usual times"
    spread = f"80 % range {interval[0]:+.0f} to {interval[1]:+.0f} %"
    if row["basis"] == "prior" and not row["n_posts"] and not row["n_nearby"]:
        return f"Accounts like this one did {size} around {slot} ({spread}); none of your own posts tell yet."
    evidence = f"from {row['n_posts']} posts there and {row['n_nearby']} at similar hours"
    if row["confidence"] == "none":
        return f"No reliable timing effect around {slot}: posts did {size} ({spread}), {evidence}."
    return f"Posts around {slot} did {size} ({spread}), {evidence}."
