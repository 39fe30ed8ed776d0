"""Read times as people's programs write them: the form and the order of day and month hold for a whole column.

A column whose dates allow two orders is refused with both readings and the option that decides.
"""

from __future__ import annotations

import re
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
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


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
    """Why a value is no time."""

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
    forms: dict[Form, str] = {}
    day_first = month_first = either = short_year = yearless = ""
    numeric = False
    for value in values:
        form = _form_of(value)
        if form is None:
            continue
        forms.setdefault(form, value)
        if form != "text":
            continue
        match = _NUMERIC.fullmatch(value)
        if match is None:
            named = _MONTH_FIRST.fullmatch(value) or _DAY_FIRST.fullmatch(value)
            if named and named["year"] is None and _month_number(named["name"]):
                yearless = yearless or value
            continue
        numeric = True
        if len(match["year"]) == 2:
            short_year = short_year or value
        first, second = int(match["first"]), int(match["second_part"])
        if first > 12 >= second:
            day_first = day_first or value
        elif second > 12 >= first:
            month_first = month_first or value
        elif first != second:
            either = either or value
    if len(forms) > 1:
        shown = " and ".join(f"{value} ({_NAMES[form]})" for form, value in forms.items())
        raise FileRefusedError(
            f"the column {column} mixes {shown}: give all its times one form", field="published_at"
        )
    if yearless and year is None:
        raise FileRefusedError(
            f"the dates of the column {column} have no year ({yearless}): say it with --year, or export again "
            "with full dates",
            field="year",
        )
    form = next(iter(forms), "text")
    decisions = [*([f"{_NAMES[form]} ({forms[form]})"] if form != "text" else [])]
    if form == "excel" and excel_1904:
        form = "excel1904"
        decisions = [f"{_NAMES[form]} ({forms['excel']})"]
    order = _decide_order(column, option, declared, day_first, month_first, either) if numeric else None
    if order:
        proof = day_first if order == "dmy" else month_first if order == "mdy" else ""
        words = {"dmy": "day/month/year", "mdy": "month/day/year", "ymd": "year/month/day"}[order]
        reason = (
            "as --date-order says" if option else f"as {proof} shows" if proof else "as the format writes it"
        )
        if proof or either or option:
            decisions.append(f"{words}, {reason}")
    if short_year:
        decisions.append(f"two-digit years are 20xx ({short_year})")
    if yearless and year is not None:
        decisions.append(f"dates without a year are of {year} (--year)")
    return TimeStyle(form, order, year, tuple(decisions))


_NAMES: dict[Form, str] = {
    "text": "a written date",
    "seconds": "epoch seconds, UTC",
    "milliseconds": "epoch milliseconds, UTC",
    "microseconds": "epoch microseconds, UTC",
    "excel": "Excel serial dates from 1900",
    "excel1904": "Excel serial dates from 1904",
}


def _decide_order(
    column: str,
    option: DateOrder | None,
    declared: DateOrder | None,
    day_first: str,
    month_first: str,
    either: str,
) -> DateOrder:
    if option:
        return option
    if day_first and month_first:
        raise FileRefusedError(
            f"the dates of the column {column} contradict each other: {day_first} begins with the day, {month_first} "
            "with the month; correct the file, or say --date-order dmy or mdy to load the rows that fit",
            field="date_order",
        )
    if day_first:
        return "dmy"
    if month_first:
        return "mdy"
    if declared or not either:
        return declared or "mdy"  # not either: 5/5/2024 reads the same both ways
    match = _NUMERIC.fullmatch(either)
    first, second = (int(match["first"]), int(match["second_part"])) if match else (1, 1)
    year = match["year"] if match else ""
    raise FileRefusedError(
        f"{either} in the column {column} can be {first} {_month_name(second)} {year} or {second} "
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
    return Moment(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros), aware=True, day_only=False)


def _parse_written(match: re.Match[str], value: str, style: TimeStyle) -> Moment | TimeProblem:
    parts = match.groupdict()
    no_time = TimeProblem(f"'{value[:40]}' is not a time {EXAMPLES}")
    year_text = parts["year"]
    if year_text is None and style.year is None:
        return TimeProblem(f"'{value[:40]}' has no year")
    year = style.year if year_text is None else int(year_text)
    if year is None:
        return no_time
    if year_text is not None and len(year_text) == 2:
        year += 2000
    if parts.get("name") is not None:
        month, day = _month_number(parts["name"]), int(parts["day"])
        if month is None:
            return no_time
    elif parts.get("first") is not None:
        first, second = int(parts["first"]), int(parts["second_part"])
        if style.order == "ymd":  # 24/05/31
            if len(parts["year"]) != 2:
                return no_time
            year, month, day = 2000 + first, second, int(parts["year"])
        else:
            month, day = (second, first) if style.order == "dmy" else (first, second)
    else:
        month, day = int(parts["month"]), int(parts["day"])
    hour = parts["hour"]
    clock_hour = int(hour) if hour is not None else 0
    if half := parts.get("half"):
        if not 1 <= clock_hour <= 12:
            return no_time
        clock_hour = clock_hour % 12 + (12 if half in "pP" else 0)
    micros = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    try:
        clock = datetime(  # noqa: DTZ001 (a clock time; the caller knows its zone)
            year, month, day, clock_hour, int(parts["minute"] or 0), int(parts["second"] or 0), micros
        )
    except ValueError:
        return no_time
    offset = parts.get("offset")
    if offset is None:
        return Moment(clock, aware=False, day_only=hour is None)
    minutes = parse_offset(offset)
    if minutes is None:
        return TimeProblem(f"'{value[:40]}' has the offset {offset}, which is none: they go from -14:00 to +14:00")
    try:
        aware = clock.replace(tzinfo=timezone(timedelta(minutes=minutes))).astimezone(UTC)
    except OverflowError:
        return no_time
    return Moment(aware, aware=True, day_only=False)


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
