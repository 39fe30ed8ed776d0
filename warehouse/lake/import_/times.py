"""Read times as people's programs write them: the form and the order of day and month hold for a whole column.

A column whose dates allow two orders is refused with both readings and the option that decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal, NamedTuple

from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.lake.import_.types import DateOrder

EXAMPLES = "such as 2024-05-31 18:30 or 2024-05-31T18:30:00+02:00"

_CLOCK = (
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\.?)?"
)
_OFFSET = r"\s?(?P<offset>[Zz]|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?)"
_END = rf"(?:(?:,?\s+|T|,|\s(?:at|um|\u00e0|a las)\s){_CLOCK}(?:{_OFFSET})?)?"
_DAY_NAME = r"(?:[^\W\d_]{2,9}\.?,?\s+)?"
_MONTH = r"(?P<name>[^\W\d_]{3,10})\.?"

_ISO = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_END}")
_NUMERIC = re.compile(
    rf"{_DAY_NAME}(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<second_part>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}})\.?{_END}"
)
_TWITTER = re.compile(
    r"[A-Z][a-z]{2} (?P<name>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2}) "
    r"(?P<offset>[+-]\d{4}) (?P<year>\d{4})"
)
_MONTH_FIRST = re.compile(
    rf"{_DAY_NAME}{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<year>\d{{4}}))?{_END}"
)
_DAY_FIRST = re.compile(
    rf"{_DAY_NAME}(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.|\u00ba)?[\s-]+(?:de\s+)?{_MONTH}(?:,?[\s-]+(?:de\s+)?(?P<year>\d{{4}}))?{_END}"
)
_NUMBER = re.compile(r"(?P<whole>\d{4,19})(?:\.(?P<fraction>\d*))?")

_MONTHS = {
    # English, German, French, Spanish, Italian, Portuguese, Dutch: a name is known by its first letters.
    1: "jan ene gen jän janv",
    2: "feb fev fév febr",
    3: "mar mär mrz mrt maart märz mars",
    4: "apr avr abr avril",
    5: "may mai mag mei mayo maggio maio",
    6: "jun giu juin",
    7: "jul lug juil juli",
    8: "aug aoû aou ago août",
    9: "sep set sept",
    10: "oct okt ott out",
    11: "nov",
    12: "dec dez déc dic",
}
_MONTH_NUMBERS = {start: month for month, starts in _MONTHS.items() for start in starts.split()}

Form = Literal["text", "seconds", "milliseconds", "microseconds", "excel", "excel1904"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EXCEL_DAYS = {"excel": date(1899, 12, 30).toordinal(), "excel1904": date(1904, 1, 1).toordinal()}


class TimeStyle(NamedTuple):
    """How the times of one column are written."""

    form: Form
    order: DateOrder | None
    """Order of day, month and year in numeric dates; None = the column has none, or the year comes first."""
    year: int | None
    """Year of dates that have none."""
    decisions: tuple[str, ...]
    """What was decided, each a part of a sentence."""


class Moment(NamedTuple):
    """One time as written."""

    clock: datetime
    """Aware UTC if `aware`, else the naive clock time of a zone that the caller knows."""
    aware: bool
    day_only: bool


class TimeProblem(NamedTuple):
    """The reason why a value cannot be read as a time."""

    reason: str


def decide(
    values: Iterable[str],
    *,
    column: str,
    option: DateOrder | None = None,
    declared: DateOrder | None = None,
    year: int | None = None,
    excel_1904: bool = False,
) -> TimeStyle:
    """Decide how the times of a column are written.

    `option` is the user's word for the order of day and month, `declared` the one that the format is known to use;
    `excel_1904`: serial dates count from 1904. Values that are no times are not considered. Raises FileRefusedError:
    numbers that can be seconds as well as days, dates that contradict each other, that allow two readings, or that
    have no year.
    """
    seen = _collect(values)
    if len(seen.forms) > 1:
        shown = " and ".join(f"{value} ({_NAMES[form]})" for form, value in seen.forms.items())
        raise FileRefusedError(
            f"the column {column} mixes {shown}: use one format for all its times", field="published_at"
        )
    if seen.yearless and year is None:
        raise FileRefusedError(
            f"the dates of the column {column} have no year ({seen.yearless}): say it with --year, or export again "
            "with full dates",
            field="year",
        )
    form: Form = next(iter(seen.forms), "text")
    order = _decide_order(column, seen, option, declared) if seen.numeric else None
    decisions = _describe_order(seen, order, option)
    if seen.short_year:
        decisions.append(f"two-digit years are 20xx ({seen.short_year})")
    if seen.yearless:
        decisions.append(f"dates without a year are of {year} (--year)")
    if form != "text":
        example = seen.forms[form]
        form = "excel1904" if form == "excel" and excel_1904 else form
        decisions.append(f"{_NAMES[form]} ({example})")
    return TimeStyle(form, order, year, tuple(decisions))


@dataclass(slots=True)
class _Evidence:
    """What the values of a column prove. Each text is a value that proves it, or empty."""

    forms: dict[Form, str] = field(default_factory=dict)
    numeric: bool = False
    day_first: str = ""
    month_first: str = ""
    either: str = ""
    """A date that reads both ways, and differently."""
    short_year: str = ""
    yearless: str = ""


def _collect(values: Iterable[str]) -> _Evidence:
    seen = _Evidence()
    for value in values:
        form = _form_of(value)
        if form is None:
            continue
        seen.forms.setdefault(form, value)
        if form != "text":
            continue
        if match := _NUMERIC.fullmatch(value):
            _weigh(seen, match, value)
            continue
        named = _MONTH_FIRST.fullmatch(value) or _DAY_FIRST.fullmatch(value)
        if named and named["year"] is None and _month_number(named["name"]):
            seen.yearless = seen.yearless or value
    return seen


def _weigh(seen: _Evidence, match: re.Match[str], value: str) -> None:
    seen.numeric = True
    if len(match["year"]) == 2:
        seen.short_year = seen.short_year or value
    first, second = int(match["first"]), int(match["second_part"])
    if first > 12 >= second:
        seen.day_first = seen.day_first or value
    elif second > 12 >= first:
        seen.month_first = seen.month_first or value
    elif first != second:
        seen.either = seen.either or value


def _describe_order(seen: _Evidence, order: DateOrder | None, option: DateOrder | None) -> list[str]:
    proof = {"dmy": seen.day_first, "mdy": seen.month_first}.get(order or "", "")
    if order is None or not (proof or seen.either or option):
        return []
    words = {"dmy": "day/month/year", "mdy": "month/day/year", "ymd": "year/month/day"}[order]
    reason = "--date-order says" if option else f"{proof} shows" if proof else "the format writes it"
    return [f"{words}, as {reason}"]


_NAMES: dict[Form, str] = {
    "text": "a written date",
    "seconds": "epoch seconds, UTC",
    "milliseconds": "epoch milliseconds, UTC",
    "microseconds": "epoch microseconds, UTC",
    "excel": "Excel serial dates from 1900",
    "excel1904": "Excel serial dates from 1904",
}


def _decide_order(
    column: str, seen: _Evidence, option: DateOrder | None, declared: DateOrder | None
) -> DateOrder:
    if option:
        return option
    if seen.day_first and seen.month_first:
        raise FileRefusedError(
            f"the dates of the column {column} contradict each other: {seen.day_first} begins with the day, "
            f"{seen.month_first} with the month; correct the file, or say --date-order dmy or mdy to load the rows "
            "that fit",
            field="date_order",
        )
    if seen.day_first:
        return "dmy"
    if seen.month_first:
        return "mdy"
    match = _NUMERIC.fullmatch(seen.either)
    if declared or match is None:
        return declared or "mdy"  # without a match: 5/5/2024 reads the same both ways
    first, second, year = int(match["first"]), int(match["second_part"]), match["year"]
    raise FileRefusedError(
        f"{seen.either} in the column {column} can be {first} {_month_name(second)} {year} or {second} "
        f"{_month_name(first)} {year}, and no date of the file tells which: give --date-order dmy for "
        f"{first} {_month_name(second)}, --date-order mdy for {second} {_month_name(first)}",
        field="date_order",
    )


def _month_name(month: int) -> str:
    return f"{date(2000, month, 1):%B}"


def _form_of(value: str) -> Form | None:
    match = _NUMBER.fullmatch(value)
    if match is None:
        return "text" if any(pattern.fullmatch(value) for pattern in _WRITTEN) else None
    whole = int(match["whole"])
    if len(match["whole"]) == 5 and 32_874 <= whole < 73_051:  # 1990 to 2099
        return "excel"
    for form, scale in _SCALES.items():
        if 631_152_000 <= whole // scale < 4_102_444_800:  # 1990 to 2099
            return form
    return None


_SCALES: dict[Form, int] = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
_WRITTEN = (_ISO, _NUMERIC, _TWITTER, _MONTH_FIRST, _DAY_FIRST)


def parse(value: str, style: TimeStyle) -> Moment | TimeProblem:
    """Return the time, or why the value is none in this style."""
    if number := _NUMBER.fullmatch(value):
        form = _form_of(value)
        if form is None or (form != style.form and not (form == "excel" and style.form == "excel1904")):
            return TimeProblem(f"'{value[:40]}' is not a time {EXAMPLES}")
        return _parse_number(number, style.form)
    for pattern in _WRITTEN:
        match = pattern.fullmatch(value)
        if match is not None:
            return _parse_written(match, value, style)
    return TimeProblem(f"'{value[:40]}' is not a time {EXAMPLES}")


def _parse_number(match: re.Match[str], form: Form) -> Moment:
    whole, fraction = int(match["whole"]), float(f"0.{match['fraction'] or 0}")
    if form in _EXCEL_DAYS:
        day = date.fromordinal(_EXCEL_DAYS[form] + whole)
        # Excel keeps a time of day as a fraction in binary: to the second is what it means.
        seconds = round(fraction * 86_400)
        start = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (a clock time; the caller knows its zone)
        return Moment(start + timedelta(seconds=seconds), aware=False, day_only=not fraction)
    scale = _SCALES[form]
    micros = whole * (1_000_000 // scale) + (round(fraction * 1_000_000) if scale == 1 else 0)
    return Moment(
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros), aware=True, day_only=False
    )


def _parse_written(match: re.Match[str], value: str, style: TimeStyle) -> Moment | TimeProblem:
    parts = match.groupdict()
    no_time = TimeProblem(f"'{value[:40]}' is not a time {EXAMPLES}")
    day = _read_day(parts, style)
    clock_time = _read_clock(parts)
    if day is None or clock_time is None:
        return no_time
    try:
        clock = datetime(*day, *clock_time)  # noqa: DTZ001 (a clock time; the caller knows its zone)
    except ValueError:
        return no_time
    offset = parts.get("offset")
    if offset is None:
        return Moment(clock, aware=False, day_only=parts["hour"] is None)
    minutes = parse_offset(offset)
    if minutes is None:
        return TimeProblem(
            f"'{value[:40]}' has the offset {offset}, which is not valid: offsets go from -14:00 to +14:00"
        )
    try:
        aware = clock.replace(tzinfo=timezone(timedelta(minutes=minutes))).astimezone(UTC)
    except OverflowError:
        return no_time
    return Moment(aware, aware=True, day_only=False)


def _read_day(parts: dict[str, str | None], style: TimeStyle) -> tuple[int, int, int] | None:
    """Return year, month and day."""
    year = style.year if parts["year"] is None else int(parts["year"])
    if year is None:
        return None
    short = parts["year"] is not None and len(parts["year"]) == 2
    year += 2000 * short
    name = parts.get("name")
    if name is not None:
        month = _month_number(name)
        return None if month is None else (year, month, int(parts["day"] or 0))
    if parts.get("first") is None:
        return year, int(parts["month"] or 0), int(parts["day"] or 0)
    first, second = int(parts["first"] or 0), int(parts["second_part"] or 0)
    if style.order == "ymd":  # 24/05/31
        return (2000 + first, second, year - 2000) if short else None
    return (year, second, first) if style.order == "dmy" else (year, first, second)


def _read_clock(parts: dict[str, str | None]) -> tuple[int, int, int, int] | None:
    """Return hour, minute, second and microsecond; midnight for a day without a time."""
    hour = int(parts["hour"] or 0)
    half = parts.get("half")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    micros = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    return hour, int(parts["minute"] or 0), int(parts["second"] or 0), micros


def to_micros(clock: datetime) -> int:
    """Return the microseconds since 1970 on the clock's own zone."""
    days = clock.toordinal() - _EPOCH_DAY
    seconds = days * 86_400 + clock.hour * 3_600 + clock.minute * 60 + clock.second
    return seconds * 1_000_000 + clock.microsecond


def parse_offset(text: str) -> int | None:
    """Return the minutes east of UTC of Z, UTC, GMT, +02:00, +0200, +02, UTC+2; None if it is no offset."""
    text = text.strip().upper()
    for name in ("UTC", "GMT", "Z"):
        text = text.removeprefix(name)
    if not text:
        return 0
    match = re.fullmatch(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})?", text)
    if match is None:
        return None
    minutes = int(match["hours"]) * 60 + int(match["minutes"] or 0)
    if minutes > 14 * 60 or int(match["minutes"] or 0) > 59:
        return None
    return -minutes if match["sign"] == "-" else minutes


def _month_number(name: str) -> int | None:
    name = name.lower()
    for length in (5, 4, 3):
        if (month := _MONTH_NUMBERS.get(name[:length])) is not None:
            return month
    return None
