"""Recurring times: an RRULE (RFC 5545) over wall-clock times of one IANA zone. Pure: no clock, no I/O.

Rules are accepted as other programs write them: with "RRULE:" and a DTSTART line, a trailing ";", spaces, X- parts
and one BYSECOND. A rule is expanded in wall-clock time and then converted to instants, so that "every Monday at
09:00" stays 09:00 across clock changes. An occurrence is identified by its wall-clock time, like RECURRENCE-ID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import LocalResolution, resolve_local
from warehouse.scheduling.rule_periods import WEEKDAY, make_periods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FREQUENCIES = {
    "DAILY": frozenset({"BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"}),
    "WEEKLY": frozenset({"BYDAY", "BYMONTH", "BYSETPOS"}),
    "MONTHLY": frozenset({"BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"}),
    "YEARLY": frozenset({"BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}),
}
"""Parts allowed with each frequency, as in RFC 5545; BYHOUR, BYMINUTE and one BYSECOND are allowed with all."""
MOST_A_DAY = 24
LOOK_AHEAD = timedelta(days=366 * 9)
"""Search limit for the next occurrence of a rule: 29 February is up to eight years away."""
LONGEST_YEARS = 60
"""Search limit of one query, whatever instants it asks for."""

_ALWAYS = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYHOUR", "BYMINUTE", "BYSECOND"})
_RANGES = {
    "INTERVAL": range(1, 1001),
    "COUNT": range(1, 10_001),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSECOND": range(60),
    "BYMONTH": range(1, 13),
    "BYMONTHDAY": range(1, 32),
    "BYYEARDAY": range(1, 367),
    "BYWEEKNO": range(1, 54),
    "BYSETPOS": range(1, 367),
}
_FROM_THE_END = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"})
"""Parts that may be negative: -1 is the last."""
_LISTS = frozenset(name for name in _RANGES if name.startswith("BY"))
_DTSTART = re.compile(r"DTSTART(?P<parameters>(?:;[A-Z-]+=[^:;]+)*):(?P<value>\d{8}(?:T\d{6}Z?)?)")
_OTHER_LINES = frozenset({"EXDATE", "EXRULE", "RDATE", "DTEND", "DURATION"})
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_SHORTEST = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month in its shortest year."""
_MARGIN = timedelta(days=2)
"""Upper bound of the difference between wall clock and UTC, including a skipped day (Samoa, 2011)."""


class Occurrence(NamedTuple):
    """One occurrence of a rule."""

    local: datetime
    """Naive wall-clock time: identifies the occurrence."""
    at: datetime
    """UTC."""
    resolution: LocalResolution

    @property
    def key(self) -> str:
        """The wall-clock time as text, such as 2026-03-02T09:00:00."""
        return self.local.isoformat()


class Occurrences(NamedTuple):
    """The occurrences of a span."""

    found: list[Occurrence]
    """Earliest first; all instants are distinct."""
    ended: bool
    """Whether the rule has no occurrences after the span."""


@dataclass(frozen=True, slots=True)
class RecurrenceRule:
    """A checked rule; create it with `parse_rule`."""

    text: str
    """The RRULE in capitals, without the prefix "RRULE:"."""
    starts_at: datetime
    """Naive: the first possible occurrence, which also gives the time of day."""
    zone: ZoneInfo
    skipped: frozenset[str] = field(default_factory=frozenset)
    """Excluded occurrences: wall-clock times (2026-03-02T09:00:00) or whole local days (2026-03-02)."""

    def between(self, after: datetime, before: datetime) -> Occurrences:
        """Return the occurrences with after <= at < before (UTC)."""
        until_local = _wall_clock(before, self.zone) + _MARGIN
        found: dict[datetime, Occurrence] = {}
        last_at = None
        candidates, is_complete = self._expand(_wall_clock(after, self.zone) - _MARGIN, until_local)
        for local in candidates:
            instant = resolve_local(local, self.zone)
            last_at = instant.at if last_at is None else max(last_at, instant.at)
            if not after <= instant.at < before or self._is_skipped(local):
                continue
            known = found.get(instant.at)
            # A nonexistent 02:30 becomes 03:30; if 03:30 is an occurrence too, it counts once.
            if known is None or instant.resolution == "exact":
                found[instant.at] = Occurrence(local, instant.at, instant.resolution)
        ended = is_complete() and (last_at is None or last_at < before)
        return Occurrences(sorted(found.values(), key=lambda one: one.at), ended)

    def upcoming(self, after: datetime, limit: int) -> list[Occurrence]:
        """Return the next occurrences at or after an instant, at most `limit`, within LOOK_AHEAD."""
        span = timedelta(days=32)
        while True:
            found, ended = self.between(after, after + span)
            if ended or len(found) >= limit or span >= LOOK_AHEAD:
                return found[:limit]
            span = min(span * 4, LOOK_AHEAD)

    def has(self, name: str) -> bool:
        """Return whether the rule has this occurrence (or, for a date, one on this local day), excluded or not."""
        wanted = datetime.fromisoformat(name)
        end = datetime.combine(wanted.date(), time.max) if len(name) == len("2026-03-02") else wanted
        candidates, _complete = self._expand(wanted, end)
        return any(wanted <= local for local in candidates)

    def _is_skipped(self, local: datetime) -> bool:
        return local.isoformat() in self.skipped or local.date().isoformat() in self.skipped

    def _expand(self, first: datetime, until: datetime) -> tuple[Iterator[datetime], Callable[[], bool]]:
        """Return wall-clock times from `first` (or before) to `until`, and a function that returns if these are all.

        Call the function after reading all times. COUNT counts from the rule's start.
        """
        parts = _split(self.text)
        count = int(parts.pop("COUNT", "0")) or None
        own_end = _parse_until(parts.pop("UNTIL"), self.zone) if "UNTIL" in parts else None
        end = until if own_end is None else min(until, own_end)
        begin = self.starts_at if count else max(first, self.starts_at)
        end = min(end, begin.replace(year=min(begin.year + LONGEST_YEARS, MAXYEAR), month=12, day=31))
        every = make_periods(parts, self.starts_at).expand(begin, end)
        seen = 0

        def generate() -> Iterator[datetime]:
            nonlocal seen
            for local in islice(every, count):
                seen += 1
                yield local

        def is_complete() -> bool:
            return (own_end is not None and own_end <= until) or (count is not None and seen >= count)

        return generate(), is_complete


def parse_rule(
    text: str, starts_at: datetime, zone: ZoneInfo, skipped: frozenset[str] = frozenset()
) -> RecurrenceRule:
    """Parse a rule as any calendar program writes it. Raises InvalidInputError with the field and the remedy."""
    starts_at = starts_at.replace(microsecond=0)
    parts = _split(_read_lines(text, starts_at, zone))
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise _wrong(f"FREQ must be one of {', '.join(FREQUENCIES)}: for several times a day use BYHOUR")
    for name, value in parts.items():
        _require_known(name, value, frequency)
    if "COUNT" in parts and "UNTIL" in parts:
        raise _wrong("COUNT and UNTIL cannot be combined: keep one")
    if len(set(parts.get("BYSECOND", "0").split(","))) > 1:
        raise _wrong(f"BYSECOND={parts['BYSECOND'][:40]}: a post is sent at one second of a minute: keep one")
    times = len(set(parts.get("BYHOUR", "0").split(","))) * len(set(parts.get("BYMINUTE", "0").split(",")))
    if times > MOST_A_DAY:
        raise _wrong(f"{times} times a day, the limit is {MOST_A_DAY}: shorten BYHOUR or BYMINUTE")
    rule = RecurrenceRule(_join(parts), starts_at, zone, skipped)
    try:
        candidates, _complete = rule._expand(rule.starts_at, rule.starts_at + LOOK_AHEAD)  # noqa: SLF001 (the rule's own factory)
        first = next(candidates, None)
    except (ValueError, OverflowError) as error:
        raise _wrong(f"the rule cannot be read ({error}): write it as FREQ=WEEKLY;BYDAY=MO,TH") from None
    if first is None:
        raise _wrong("the rule has no occurrence: no day satisfies all of its parts")
    return rule


def describe_gaps(rule: RecurrenceRule) -> str | None:
    """Return a warning, with the remedy, if months or years without the rule's day are left out; None = none are."""
    parts = _split(rule.text)
    frequency = parts["FREQ"]
    if frequency not in {"MONTHLY", "YEARLY"} or parts.keys() & {
        "BYDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYSETPOS",
    }:
        return None
    given = parts.get("BYMONTHDAY", str(rule.starts_at.day)).split(",")
    day = int(given[0])
    months = [int(month) for month in parts.get("BYMONTH", "").split(",") if month]
    if frequency == "YEARLY" and not months:
        months = [rule.starts_at.month]
    shortest = min((_SHORTEST[month - 1] for month in months), default=28)
    if len(given) > 1 or day <= shortest:
        return None
    periods = "Years" if frequency == "YEARLY" else "Months"
    last = "BYMONTHDAY=-1"
    if day < 31:
        last = f"BYMONTHDAY={','.join(map(str, range(shortest, day + 1)))};BYSETPOS=-1"
    return (
        f"{periods} without a day {day} have no occurrence. To post on the last day of a shorter month instead, "
        f"write {last}"
    )


def _require_known(name: str, value: str, frequency: str) -> None:
    allowed = _ALWAYS | FREQUENCIES[frequency]
    if name not in allowed:
        raise _wrong(f"{name} is not allowed with FREQ={frequency}: use {', '.join(sorted(allowed))}")
    if name == "BYDAY":
        for day in value.split(","):
            match = WEEKDAY.fullmatch(day)
            if match is None or (match[1] and frequency not in {"MONTHLY", "YEARLY"}):
                raise _wrong(f"BYDAY={value}: use MO to SU; numbers only with MONTHLY and YEARLY")
    elif name in _RANGES:
        numbers = value.split(",") if name in _LISTS else [value]
        for number in numbers:
            digits = number.removeprefix("-") if name in _FROM_THE_END else number
            if not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) not in _RANGES[name]:
                least, most = _RANGES[name][0], _RANGES[name][-1]
                raise _wrong(f"{name}={value[:40]}: {number[:20]!r} is not between {least} and {most}")


def _read_lines(text: str, starts_at: datetime, zone: ZoneInfo) -> str:
    """Return the rule of a text that may also hold a DTSTART line, which must agree with `starts_at`."""
    rules = []
    for line in (line.strip() for line in text.upper().splitlines()):
        name = line.partition(":")[0].partition(";")[0]
        if name == "DTSTART":
            _require_start(line, starts_at, zone)
        elif name in _OTHER_LINES:
            raise _wrong(f"a line with {name} is not read: leave it out, and name skipped times in exdates")
        elif line:
            rules.append(line.removeprefix("RRULE:"))
    if len(rules) != 1:
        raise _wrong(f"the text holds {len(rules)} rules: give one, such as FREQ=WEEKLY;BYDAY=MO,TH")
    return rules[0]


def _require_start(line: str, starts_at: datetime, zone: ZoneInfo) -> None:
    match = _DTSTART.fullmatch(line)
    try:
        if match is None:
            raise ValueError("no date")  # noqa: TRY301 (one message for all that is not read)
        own = _read_tzid(match["parameters"])
        stated = _parse_moment(match["value"], zone if own is None else own, zone)
    except (ValueError, ZoneInfoNotFoundError):
        raise _wrong(
            f"{line[:60]!r} is not read: write DTSTART:20260302T090000, or leave the line out"
        ) from None
    if stated != (starts_at if "T" in match["value"] else datetime.combine(starts_at.date(), time())):
        raise _wrong(
            f"DTSTART is {stated.isoformat()} in {zone.key}, starts_at is {starts_at.isoformat()}: "
            "leave DTSTART out, or give the same time"
        )


def _read_tzid(parameters: str) -> ZoneInfo | None:
    named = [item.partition("=")[2] for item in parameters.split(";") if item.startswith("TZID=")]
    if not named:
        return None
    known = {key.upper(): key for key in available_timezones()}
    return ZoneInfo(known.get(named[0], named[0]))


def _parse_moment(text: str, own: ZoneInfo, zone: ZoneInfo) -> datetime:
    """Return a date or a time of DTSTART, written in `own` or as UTC, as wall-clock time in `zone`."""
    form = "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d"
    at = datetime.strptime(text.rstrip("Z"), form)  # noqa: DTZ007 (a wall-clock time)
    if text.endswith("Z"):
        return _wall_clock(at.replace(tzinfo=UTC), zone)
    return at if own == zone or "T" not in text else _wall_clock(at.replace(tzinfo=own), zone)


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in "".join(text.split()).split(";"):
        name, equals, value = part.partition("=")
        if not part or (name.startswith("X-") and equals):
            continue  # a trailing ";", and other programs' own parts
        if not equals or not value or name in parts:
            raise _wrong(f"{part[:40]!r} is not a valid rule part: write FREQ=WEEKLY;BYDAY=MO,TH")
        # RFC 5545 allows a plus sign before a number.
        parts[name] = value.replace("+", "") if name in _LISTS or name == "BYDAY" else value
    return parts


def _join(parts: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _parse_until(text: str, zone: ZoneInfo) -> datetime:
    """Return the last wall-clock time allowed by UNTIL; a plain date includes the whole day."""
    match = _UNTIL.fullmatch(text)
    if match is None:
        raise ValueError(f"UNTIL={text} is not a valid date or time")
    day = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=None)  # noqa: DTZ007 (a wall-clock date)
    if match[2] is None:
        return datetime.combine(day, time(23, 59, 59))
    at = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S")  # noqa: DTZ007 (a wall-clock time)
    return _wall_clock(at.replace(tzinfo=UTC), zone) if match[3] else at


def parse_skipped(text: str, *, field: str) -> str:
    """Return an excluded occurrence or local day in normalised form. Raises InvalidInputError."""
    try:
        if len(text.strip()) <= len("2026-03-02"):
            return date.fromisoformat(text.strip()).isoformat()
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None:
        raise InvalidInputError(
            f"{text!r} is not a valid occurrence: write its local time (2026-03-02T09:00:00) or day (2026-03-02)",
            field=field,
            code="invalid_occurrence",
        )
    return at.replace(microsecond=0).isoformat()


def _wall_clock(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _wrong(sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, field="rrule", code="invalid_rrule")
