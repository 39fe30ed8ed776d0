"""Instants of an account's weekly slots. Pure: no clock, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

from warehouse.scheduling.local_times import resolve_local

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo


class WeeklySlot(NamedTuple):
    """A weekly local time."""

    weekday: int
    """0 = Monday."""
    at: time
    """Naive, to the minute."""


def slot_instants(
    slots: Iterable[WeeklySlot], zone: ZoneInfo, after: datetime, before: datetime
) -> set[datetime]:
    """Return the instants (UTC) of these slots with after < instant <= before.

    A nonexistent local time (clocks go forward) moves forward by the gap; of an ambiguous one the first counts.
    """
    by_weekday: dict[int, list[time]] = {}
    for slot in slots:
        by_weekday.setdefault(slot.weekday, []).append(slot.at)
    instants = set()
    # One extra day at both ends, because a clock change may move the last slot of a day into the next.
    day = after.astimezone(zone).date() - timedelta(days=1)
    last = before.astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        for at in by_weekday.get(day.weekday(), ()):
            instant = resolve_local(datetime.combine(day, at), zone).at
            if after < instant <= before:
                instants.add(instant.astimezone(UTC))
        day += timedelta(days=1)
    return instants
