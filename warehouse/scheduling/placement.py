"""Place posts in an advised week: list the slots, find free ones, choose the best. Pure: no I/O, no clock.

A slot is one local hour of an account's week; a candidate is the instant at which a slot of one of the target accounts
begins. The value of a candidate on another account is the value of that account's local hour at the same instant, so
that accounts in different zones, including half-hour offsets, can share a time.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
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
    """Expected effect of one local hour: lifts are fractions against the account's usual times."""

    expected_lift: float
    lift_low: float
    lift_high: float
    """80 % interval."""
    p_better: float
    confidence: str
    """high | medium | low | none"""


UNKNOWN_SLOT = SlotAdvice(0.0, 0.0, 0.0, 0.5, "none")
"""Used if nothing was computed: all hours are equal. It has no influence and is not shown."""


@dataclass(frozen=True)
class Week:
    """One account's advised week."""

    account_id: str
    platform: str
    zone: ZoneInfo
    slots: Mapping[tuple[int, int], SlotAdvice]
    """By (weekday, hour), local, 0 = Monday. Empty = nothing computed yet."""

    @cached_property
    def best(self) -> SlotAdvice:
        """The account's own best slot."""
        return max(self.slots.values(), default=UNKNOWN_SLOT)

    def advice_at(self, at: datetime) -> SlotAdvice:
        """Return the advice for the local hour at an instant (aware, any zone)."""
        local = at.astimezone(self.zone)
        return self.slots.get((local.weekday(), local.hour), UNKNOWN_SLOT)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instant with its expected effect: the weighted mean over the target accounts."""

    at: datetime
    """UTC."""
    lift: float
    lift_low: float
    lift_high: float
    """80 % interval; the accounts' errors are treated as independent."""
    by_account: Mapping[str, SlotAdvice]
    """Over the accounts with a computed week."""

    @property
    def acceptable(self) -> bool:
        """Whether no account's 80 % interval lies entirely below its usual times."""
        return all(slot.lift_high >= 0 for slot in self.by_account.values())


def iter_slot_starts(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the beginning (UTC) of each local hour in [start, end), in order of local time.

    Skips an hour whose beginning does not exist (clock change); of a repeated hour the first counts. Also skips a whole
    day that a zone never had (date line).
    """
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for hour in range(24):
            at = _find_instant(day, hour, zone)
            if at is not None and start <= at < end:
                yield at
        day += timedelta(days=1)


def next_instant(weekday: int, hour: int, zone: ZoneInfo, after: datetime) -> datetime:
    """Return the next beginning of the slot after an instant, in its zone.

    Skips a local hour that does not exist (clock change); of a repeated hour the first counts.
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

    `weights` by platform (default 1): the weight of each account's lift.
    """
    zones = {week.zone.key: week.zone for week in weeks}
    instants = {at for zone in zones.values() for at in iter_slot_starts(zone, start, end)}
    scale = _Scale(weeks, weights or {})
    return [scale.weigh(at) for at in sorted(instants)]


def weigh(weeks: Sequence[Week], at: datetime, *, weights: Mapping[str, float] | None = None) -> Candidate:
    """Return the candidate at an instant for these accounts; accounts without a computed week do not count."""
    return _Scale(weeks, weights or {}).weigh(at)


class _Scale:
    """Weighs instants. Of a hundred accounts most share a zone, so each local hour of a zone is added up once."""

    def __init__(self, weeks: Sequence[Week], weights: Mapping[str, float]) -> None:
        known = [week for week in weeks if week.slots]
        self._zones: dict[str, list[tuple[Week, float]]] = {}
        for week in known:
            part = weights.get(week.platform, 1.0)
            self._zones.setdefault(week.zone.key, []).append((week, part))
        self._total = sum(part for members in self._zones.values() for _week, part in members) or 1.0
        self._sums: dict[tuple[str, tuple[int, int]], tuple[float, float, float, dict[str, SlotAdvice]]] = {}

    def weigh(self, at: datetime) -> Candidate:
        lift = below = above = 0.0
        by_account: dict[str, SlotAdvice] = {}
        for key, members in self._zones.items():
            local = at.astimezone(members[0][0].zone)
            place = (local.weekday(), local.hour)
            if (sums := self._sums.get((key, place))) is None:
                sums = self._sums[key, place] = _add_up(members, place)
            lift += sums[0]
            below += sums[1]
            above += sums[2]
            by_account |= sums[3]
        lift /= self._total
        return Candidate(
            at=at.astimezone(UTC),
            lift=lift,
            lift_low=lift - below**0.5 / self._total,
            lift_high=lift + above**0.5 / self._total,
            by_account=by_account,
        )


def _add_up(
    members: Sequence[tuple[Week, float]], place: tuple[int, int]
) -> tuple[float, float, float, dict[str, SlotAdvice]]:
    """Return the sums of the weighted lifts and of their squared errors below and above, and the slots."""
    lift = below = above = 0.0
    slots = {}
    for week, part in members:
        slot = week.slots.get(place, UNKNOWN_SLOT)
        expected, low, high, _better, _confidence = slot
        lift += part * expected
        below += (part * (expected - low)) ** 2
        above += (part * (high - expected)) ** 2
        slots[week.account_id] = slot
    return lift, below, above, slots


class Calendar:
    """Scheduled and published posts of the target accounts, and the rules for new posts next to them.

    `busy` holds every post by account id; `picks` holds those placed by the advice: at most MOST_PICKS_IN_WINDOW of
    them lie within PICK_WINDOW of each other on one account.
    """

    def __init__(
        self, busy: Mapping[str, Sequence[datetime]], picks: Mapping[str, Sequence[datetime]] | None = None
    ) -> None:
        self._busy = sorted({at for times in busy.values() for at in times})
        # Accounts without picks get the same ones from here on, so one list stands for all of them.
        self._picks = {account: sorted(times) for account, times in (picks or {}).items() if times}
        if len(self._picks) < len(picks or {}) or not self._picks:
            self._picks[""] = []

    def is_free(self, at: datetime, gap: timedelta) -> bool:
        """Return whether no post of any account is closer than `gap`, and one more pick stays within the limit."""
        position = bisect.bisect_left(self._busy, at)
        near = self._busy[max(0, position - 1) : position + 1]
        if any(abs(at - other) < gap for other in near):
            return False
        return not any(_too_many(times, at) for times in self._picks.values())

    def take(self, at: datetime) -> None:
        """Add a pick on all of the accounts."""
        bisect.insort(self._busy, at)
        for times in self._picks.values():
            bisect.insort(times, at)

    def copy(self) -> Calendar:
        """Return an independent copy."""
        return Calendar({"": self._busy}, self._picks)


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the highest value; of equal ones the earliest."""
    return max(candidates, key=lambda candidate: (candidate.lift, -candidate.at.timestamp()))


def choose_greedily(
    candidates: Sequence[Candidate], calendar: Calendar, count: int, *, gap: timedelta = WANTED_GAP
) -> list[Candidate]:
    """Return at most `count` candidates, best first, each far enough from the existing posts and the earlier picks.

    Skips a candidate that would leave too little room for the rest, as long as all `count` can fit: the best hour of an
    evening is not chosen if it makes two other posts impossible.
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
        # A candidate that leaves no room now never will, so it is not checked again.
        rest = room - len(chosen) - 1
        if _count_fitting(instants, after, gap, rest) >= rest:
            calendar = after
            chosen.append(candidate)
    return chosen


def _find_instant(day: date, hour: int, zone: ZoneInfo) -> datetime | None:
    """Return the first beginning of a local hour, in UTC; None = it does not exist (clock change)."""
    local = datetime.combine(day, time(hour), tzinfo=zone)
    at = local.astimezone(UTC)
    return at if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None


def _count_fitting(instants: Sequence[datetime], calendar: Calendar, gap: timedelta, enough: int) -> int:
    """Return how many of these sorted instants fit together, up to `enough`.

    Taking the earliest first fits the most.
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
    """Return whether one more pick at `at` exceeds MOST_PICKS_IN_WINDOW within any PICK_WINDOW."""
    first = bisect.bisect_left(times, at - PICK_WINDOW)
    last = bisect.bisect_right(times, at + PICK_WINDOW)
    near = sorted([*times[first:last], at])
    return any(
        later - earlier <= PICK_WINDOW
        for earlier, later in zip(near, near[MOST_PICKS_IN_WINDOW:], strict=False)
    )
