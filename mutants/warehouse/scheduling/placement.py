"""Place posts in an advised week: which instants exist, which are free, which is best. Pure: no I/O, no clock.

A slot is one local hour of an account's week; a candidate is the real instant at which a slot of one of the
target accounts begins. What a candidate is worth on another account is what that account's local hour at the same
instant is worth, so that accounts in different zones, half hours included, can share a time.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

WANTED_GAP = timedelta(hours=2)
HARD_GAP = timedelta(minutes=30)
"""A post followed by another within 15 minutes earned 16 % less."""
PICK_WINDOW = timedelta(hours=3)
MOST_PICKS_IN_WINDOW = 2


class SlotAdvice(NamedTuple):
    """What one local hour is expected to bring: lifts are fractions against the account's usual times."""

    expected_lift: float
    lift_low: float
    lift_high: float
    """80 % interval."""
    p_better: float
    confidence: str
    """high | medium | low | none"""


UNKNOWN_SLOT = SlotAdvice(0.0, 0.0, 0.0, 0.5, "none")
"""Where nothing was computed: no hour is better than another. It decides nothing, and is told to nobody."""


@dataclass(frozen=True, slots=True)
class Week:
    """One account's advised week."""

    account_id: str
    platform: str
    zone: ZoneInfo
    slots: Mapping[tuple[int, int], SlotAdvice]
    """By (weekday, hour), local, 0 = Monday. Empty = nothing computed yet."""

    @property
    def best(self) -> SlotAdvice:
        """The account's own best slot."""
        return max(self.slots.values(), default=UNKNOWN_SLOT)

    def advice_at(self, at: datetime) -> SlotAdvice:
        """Return what the local hour at an instant (aware, any zone) is worth."""
        local = at.astimezone(self.zone)
        return self.slots.get((local.weekday(), local.hour), UNKNOWN_SLOT)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instant, and what it is worth: the weighted mean over the target accounts."""

    at: datetime
    """UTC."""
    lift: float
    lift_low: float
    lift_high: float
    """80 % interval; the accounts' errors count as independent."""
    by_account: Mapping[str, SlotAdvice]
    """Of the accounts with a computed week."""

    @property
    def acceptable(self) -> bool:
        """Whether no account's 80 % interval lies wholly below its usual times."""
        return all(slot.lift_high >= 0 for slot in self.by_account.values())


def iter_slot_starts(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield, in UTC and in order of local time, when each local hour in [start, end) begins.

    An hour whose beginning the clocks skip is left out; of a repeated one the first counts. So does a whole day
    that a zone never had (the date line).
    """
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for hour in range(24):
            at = _find_instant(day, hour, zone)
            if at is not None and start <= at < end:
                yield at
        day += timedelta(days=1)


def next_instant(weekday: int, hour: int, zone: ZoneInfo, after: datetime) -> datetime:
    """Return when the slot next begins after an instant, in its zone.

    A local hour that the clocks skip is passed over; of a repeated one the first counts.
    """
    day = after.astimezone(zone).date()
    day += timedelta(days=(weekday - day.weekday()) % 7)
    while True:
        at = _find_instant(day, hour, zone)
        if at is not None and at > after:
            return at.astimezone(zone)
        day += timedelta(days=7)


def list_candidates(
    weeks: Sequence[Week], start: datetime, end: datetime, *, weights: Mapping[str, float] | None = None
) -> list[Candidate]:
    """Return every slot start of these accounts within [start, end), earliest first.

    `weights` by platform (default 1): an account's lift counts as much as its platform's weight.
    """
    zones = {week.zone.key: week.zone for week in weeks}
    instants = {at for zone in zones.values() for at in iter_slot_starts(zone, start, end)}
    return [weigh(weeks, at, weights=weights) for at in sorted(instants)]


def weigh(weeks: Sequence[Week], at: datetime, *, weights: Mapping[str, float] | None = None) -> Candidate:
    """Return what an instant is worth on these accounts together; one without a computed week has no say."""
    known = [week for week in weeks if week.slots]
    slots = [week.advice_at(at) for week in known]
    parts = [(weights or {}).get(week.platform, 1.0) for week in known]
    total = sum(parts) or 1.0
    lift = sum(part * slot.expected_lift for part, slot in zip(parts, slots, strict=True)) / total
    below = above = 0.0
    for part, slot in zip(parts, slots, strict=True):
        below += (part * (slot.expected_lift - slot.lift_low)) ** 2
        above += (part * (slot.lift_high - slot.expected_lift)) ** 2
    return Candidate(
        at=at.astimezone(UTC),
        lift=lift,
        lift_low=lift - below**0.5 / total,
        lift_high=lift + above**0.5 / total,
        by_account={week.account_id: slot for week, slot in zip(known, slots, strict=True)},
    )


class Calendar:
    """What is planned or out on the target accounts, and what may come beside it.

    `busy` holds every post by account id, `picks` those among them that were placed by advice: of these at most
    MOST_PICKS_IN_WINDOW lie within PICK_WINDOW of each other on one account.
    """

    def __init__(
        self, busy: Mapping[str, Sequence[datetime]], picks: Mapping[str, Sequence[datetime]] | None = None
    ) -> None:
        self._busy = sorted({at for times in busy.values() for at in times})
        self._picks = {account: sorted(times) for account, times in (picks or {}).items()} or {"": []}

    def is_free(self, at: datetime, gap: timedelta) -> bool:
        """Tell whether nothing on any of the accounts is less than `gap` away, and a pick more is not too many."""
        position = bisect.bisect_left(self._busy, at)
        near = self._busy[max(0, position - 1) : position + 1]
        if any(abs(at - other) < gap for other in near):
            return False
        return not any(_too_many(times, at) for times in self._picks.values())

    def take(self, at: datetime) -> None:
        """Note a pick on all of the accounts."""
        bisect.insort(self._busy, at)
        for times in self._picks.values():
            bisect.insort(times, at)

    def copy(self) -> Calendar:
        """Return a calendar that can be filled without changing this one."""
        return Calendar({"": self._busy}, self._picks)


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate that is worth most; of equals the earliest."""
    return max(candidates, key=lambda candidate: (candidate.lift, -candidate.at.timestamp()))


def choose_greedily(
    candidates: Sequence[Candidate], calendar: Calendar, count: int, *, gap: timedelta = WANTED_GAP
) -> list[Candidate]:
    """Return at most `count` candidates, the best first, each free beside the posts there are and the picks so far.

    A candidate that would leave too little room for the rest is passed over, as long as all `count` fit
    somehow: the best hour of an evening is no use if it makes two posts impossible.
    """
    open_ones = [candidate for candidate in candidates if calendar.is_free(candidate.at, gap)]
    instants = [candidate.at for candidate in open_ones]
    ranked = sorted(open_ones, key=lambda candidate: (-candidate.lift, candidate.at))
    room = _count_fitting(instants, calendar, gap, count)
    calendar = calendar.copy()
    chosen: list[Candidate] = []
    for candidate in ranked:
        if len(chosen) == count:
            break
        if not calendar.is_free(candidate.at, gap):
            continue
        after = calendar.copy()
        after.take(candidate.at)
        # What does not leave room now does not later either: it is never looked at again.
        rest = room - len(chosen) - 1
        if _count_fitting(instants, after, gap, rest) >= rest:
            calendar = after
            chosen.append(candidate)
    return chosen


def _find_instant(day: date, hour: int, zone: ZoneInfo) -> datetime | None:
    """Return when a local hour first begins, in UTC; None = the clocks never show its beginning."""
    local = datetime.combine(day, time(hour), tzinfo=zone)
    at = local.astimezone(UTC)
    return at if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None


def _count_fitting(instants: Sequence[datetime], calendar: Calendar, gap: timedelta, enough: int) -> int:
    """Return how many of these instants, in order, fit together, counting no further than `enough`.

    Earliest first packs the most.
    """
    calendar = calendar.copy()
    fitting = position = 0
    while fitting < enough and position < len(instants):
        at = instants[position]
        if calendar.is_free(at, gap):
            calendar.take(at)
            fitting += 1
            position = bisect.bisect_left(instants, at + gap)
        else:
            position += 1
    return fitting


def _too_many(times: Sequence[datetime], at: datetime) -> bool:
    """Tell whether one more pick at `at` makes more than MOST_PICKS_IN_WINDOW within some PICK_WINDOW."""
    first = bisect.bisect_left(times, at - PICK_WINDOW)
    last = bisect.bisect_right(times, at + PICK_WINDOW)
    near = sorted([*times[first:last], at])
    return any(
        later - earlier <= PICK_WINDOW
        for earlier, later in zip(near, near[MOST_PICKS_IN_WINDOW:], strict=False)
    )
