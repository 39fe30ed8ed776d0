"""Expand the days of a recurrence rule period by period (day, week, month, year), only for the requested span.

If no day satisfies all parts of a rule, dateutil searches up to the year 9999, which takes seconds and cannot be
stopped. This module gives the same results as dateutil for every rule that `recurrence_rules` accepts, and the tests
compare both, with three exceptions in which it follows libical and RFC 8984, as calendar programs do:

- Parts missing from a yearly rule come from its start: FREQ=YEARLY;BYMONTHDAY=1 is once a year, not twelve times.
- The years of a rule with BYWEEKNO are those that its weeks belong to, for INTERVAL and BYSETPOS.
- BYSETPOS of a weekly rule counts in the whole week of the start (RFC 5545), also in the days before the start.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")


@dataclass(frozen=True, slots=True)
class RulePeriods:
    """An expandable rule without COUNT and UNTIL."""

    frequency: str
    interval: int
    starts_at: datetime
    week_start: int
    months: frozenset[int]
    month_days: frozenset[int]
    year_days: frozenset[int]
    weeks: frozenset[int]
    weekdays: frozenset[int]
    """Weekdays without a number: every such day."""
    numbered_weekdays: frozenset[tuple[int, int]]
    """(weekday, n): the nth of the month or year; negative n counts from the end."""
    positions: frozenset[int]
    times: tuple[time, ...]

    def expand(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the times from `first` (or a little before) to `last`, earliest first, none before the rule's start."""
        for begin, end in self._periods(max(first, self.starts_at).date(), last.date()):
            days = [day for day in _days(begin, end) if self._fits(day)]
            found = [datetime.combine(day, at) for day, at in product(days, self.times)]
            if self.positions:
                size = len(found)
                chosen = {at - 1 if at > 0 else size + at for at in self.positions}
                found = [found[at] for at in sorted(chosen) if 0 <= at < size]
            for local in found:
                if local > last:
                    return
                if local >= self.starts_at:
                    yield local

    def _periods(self, first: date, last: date) -> Iterator[tuple[date, date]]:
        """Yield first and last day of each period of the rule that ends on or after `first`, up to `last`."""
        start = self.starts_at.date()
        if self.frequency == "WEEKLY":
            start -= timedelta((start.weekday() - self.week_start) % 7)
        number = self._count_periods(start, first) // self.interval * self.interval
        while True:
            try:
                begin, end = self._period(start, number)
            except (OverflowError, ValueError):  # after the year 9999
                return
            if begin > last:
                return
            yield begin, end
            number += self.interval

    def _count_periods(self, start: date, first: date) -> int:
        if self.frequency == "YEARLY" and self.weeks:
            return self._week_year(first) - self._week_year(start)
        if self.frequency == "YEARLY":
            return first.year - start.year
        if self.frequency == "MONTHLY":
            return (first.year - start.year) * 12 + first.month - start.month
        return (first - start).days // (7 if self.frequency == "WEEKLY" else 1)

    def _period(self, start: date, number: int) -> tuple[date, date]:
        if self.frequency == "YEARLY" and self.weeks:
            year = self._week_year(start) + number
            return self._first_week(year), self._first_week(year + 1) - timedelta(days=1)
        if self.frequency == "YEARLY":
            return date(start.year + number, 1, 1), date(start.year + number, 12, 31)
        if self.frequency == "MONTHLY":
            years, month = divmod(start.month - 1 + number, 12)
            begin = date(start.year + years, month + 1, 1)
            return begin, begin.replace(day=monthrange(begin.year, begin.month)[1])
        if self.frequency == "WEEKLY":
            begin = start + timedelta(weeks=number)
            return begin, begin + timedelta(days=6)
        begin = start + timedelta(days=number)
        return begin, begin

    def _fits(self, day: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        if self.weekdays and day.weekday() not in self.weekdays:
            return False
        if self.month_days:
            length = monthrange(day.year, day.month)[1]
            if day.day not in self.month_days and day.day - length - 1 not in self.month_days:
                return False
        if self.year_days:
            of_year = day.timetuple().tm_yday
            if of_year not in self.year_days and of_year - _year_length(day.year) - 1 not in self.year_days:
                return False
        if self.weeks and not self._is_in_weeks(day):
            return False
        return not self.numbered_weekdays or self._is_numbered(day)

    def _is_numbered(self, day: date) -> bool:
        if self.frequency == "YEARLY" and not self.months:
            first, last = date(day.year, 1, 1), date(day.year, 12, 31)
        else:
            first, last = day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
        from_start, from_end = (day - first).days // 7 + 1, -((last - day).days // 7) - 1
        weekday = day.weekday()
        return (weekday, from_start) in self.numbered_weekdays or (
            weekday,
            from_end,
        ) in self.numbered_weekdays

    def _is_in_weeks(self, day: date) -> bool:
        first = self._first_week(day.year)
        if day < first:
            last_of_before = _weeks_between(self._first_week(day.year - 1), first)
            return -1 in self.weeks or last_of_before in self.weeks
        if day.year < date.max.year and day >= (next_first := self._first_week(day.year + 1)):
            return 1 in self.weeks
        if day.year == date.max.year:
            return False
        number = (day - first).days // 7 + 1
        return number in self.weeks or number - _weeks_between(first, next_first) - 1 in self.weeks

    def _week_year(self, day: date) -> int:
        """Return the year that the day's week belongs to."""
        if day < self._first_week(day.year):
            return day.year - 1
        return day.year + (day.year < date.max.year and day >= self._first_week(day.year + 1))

    def _first_week(self, year: int) -> date:
        """Return the first day of the first week with at least four days in the year."""
        new_year = date(year, 1, 1)
        into_week = (new_year.weekday() - self.week_start) % 7
        return new_year + timedelta(days=-into_week if into_week <= 3 else 7 - into_week)


def make_periods(parts: Mapping[str, str], starts_at: datetime) -> RulePeriods:
    """Return the expandable form of a checked rule's parts. Raises ValueError for invalid values."""
    frequency = parts["FREQ"]
    numbers = {
        name: _numbers(value) for name, value in parts.items() if name.startswith("BY") and name != "BYDAY"
    }
    weekdays, numbered = _read_weekdays(parts.get("BYDAY", ""))
    months, month_days = numbers.get("BYMONTH", frozenset()), numbers.get("BYMONTHDAY", frozenset())
    # Parts missing from the rule come from its start: RFC 8984, section 4.3.3.1.
    by_day, by_month_day, by_week = (name in parts for name in ("BYDAY", "BYMONTHDAY", "BYWEEKNO"))
    if frequency == "YEARLY" and "BYYEARDAY" not in parts:
        if not months and not by_week and (by_month_day or not by_day):
            months = frozenset({starts_at.month})
        if by_week and not by_month_day and not by_day:
            weekdays = frozenset({starts_at.weekday()})
    if not by_day and not by_month_day and not by_week and "BYYEARDAY" not in parts:
        if frequency in {"YEARLY", "MONTHLY"}:
            month_days = frozenset({starts_at.day})
        elif frequency == "WEEKLY":
            weekdays = frozenset({starts_at.weekday()})
    (second,) = numbers.get("BYSECOND", frozenset({starts_at.second}))
    hours = numbers.get("BYHOUR", frozenset({starts_at.hour}))
    minutes = numbers.get("BYMINUTE", frozenset({starts_at.minute}))
    return RulePeriods(
        frequency=frequency,
        interval=int(parts.get("INTERVAL", "1")),
        starts_at=starts_at,
        week_start=_read_week_start(parts.get("WKST", "MO")),
        months=months,
        month_days=month_days,
        year_days=numbers.get("BYYEARDAY", frozenset()),
        weeks=numbers.get("BYWEEKNO", frozenset()),
        weekdays=weekdays,
        numbered_weekdays=numbered,
        positions=numbers.get("BYSETPOS", frozenset()),
        times=tuple(time(hour, minute, second) for hour, minute in product(sorted(hours), sorted(minutes))),
    )


def _numbers(value: str) -> frozenset[int]:
    return frozenset(int(number) for number in value.split(","))


def _read_weekdays(value: str) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    plain: set[int] = set()
    numbered: set[tuple[int, int]] = set()
    for part in value.split(",") if value else ():
        match = WEEKDAY.fullmatch(part)
        if match is None or (match[1] and int(match[1]) == 0):
            raise ValueError(f"BYDAY={part} is not a weekday")
        weekday = WEEKDAYS.index(match[2])
        if match[1]:
            numbered.add((weekday, int(match[1])))
        else:
            plain.add(weekday)
    return frozenset(plain), frozenset(numbered)


def _read_week_start(value: str) -> int:
    if value not in WEEKDAYS:
        raise ValueError(f"WKST={value} is not a weekday")
    return WEEKDAYS.index(value)


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _weeks_between(first: date, last: date) -> int:
    return (last - first).days // 7


def _year_length(year: int) -> int:
    return 365 + (monthrange(year, 2)[1] == 29)
