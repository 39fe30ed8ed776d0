"""Read numbers as people's programs write them: thousands and decimal marks are decided for a whole column.

Nothing is guessed: a column whose values allow two readings is decided by the other numbers of the same file, else
by the format, else the file is refused with both readings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.lake.import_.types import DecimalMark

LARGEST_COUNT = 10**13

_SPACES = "\u0020\u00a0\u2009\u202f\u2007"
_APOSTROPHES = "'\u2019\u02bc`"

_UNITS = {
    "k": 10**3,
    "tsd": 10**3,
    "mil": 10**3,  # Spanish and Portuguese
    "m": 10**6,
    "mn": 10**6,
    "mio": 10**6,
    "mln": 10**6,
    "mill": 10**6,
    "b": 10**9,
    "bn": 10**9,
    "mrd": 10**9,
    "md": 10**9,
}

_NUMBER = re.compile(
    rf"(?P<sign>[-+\u2212]?)[{_SPACES}]*(?P<digits>\d[\d.,{_SPACES}{_APOSTROPHES}]*|[.,]\d+)"
    rf"(?:[eE](?P<exponent>[+-]?\d{{1,3}}))?[{_SPACES}]*(?P<unit>[A-Za-z]{{1,4}})?\.?[{_SPACES}]*(?P<percent>%?)"
)
_SPACED = re.compile(rf"\d{{1,3}}(?:[{_SPACES}]\d{{3}})+|\d{{1,3}}(?:[{_APOSTROPHES}]\d{{3}})+")
_STRIP = str.maketrans("", "", _SPACES + _APOSTROPHES)


class NumberStyle(NamedTuple):
    """How the numbers of one column are written."""

    decimal: DecimalMark
    thousands: str
    """The other mark, where the column uses it, else an empty text."""
    spaced: bool
    """Spaces or apostrophes group thousands."""
    units: bool
    """K, M, Mio and their like are used."""
    percent: bool
    """The values have a percent sign."""
    example: str
    """A value that shows what was decided; empty = the column has nothing but digits."""

    def describe(self) -> str:
        """Return what was decided in words, such as "1.234,5 (decimal comma)"; empty for bare digits."""
        parts = []
        if self.example:
            if self.thousands:
                names = {".": "points", ",": "commas"}
                parts.append(f"thousands with {names[self.thousands]}")
            if self.spaced:
                parts.append("thousands with spaces or apostrophes")
            if self.decimal in self.example:
                parts.append("decimal comma" if self.decimal == "," else "decimal point")
            if self.units:
                parts.append("suffixes such as K and M multiply")
            if self.percent:
                parts.append("percent are shares of 1")
        return ", ".join(parts)


@dataclass(slots=True)
class _Evidence:
    """What the values of a column prove. Each holds a value that proves it, or an empty text."""

    point_decimal: str = ""
    comma_decimal: str = ""
    point_or: str = ""
    """A point that may be either: 1.234."""
    comma_or: str = ""
    point_or_fraction: bool = False
    """An ambiguous value whose last digits are not all 0: as a fraction it would be no count."""
    comma_or_fraction: bool = False
    spaced: str = ""
    unit: str = ""
    percent: str = ""
    marked: str = ""


def decide(
    values: Iterable[str],
    *,
    column: str,
    whole: bool,
    option: DecimalMark | None = None,
    declared: DecimalMark | None = None,
    beside: Iterable[str] = (),
) -> NumberStyle:
    """Decide how the numbers of a column are written.

    `whole`: the column holds counts. `option` is the user's word, `declared` what the format is known to use,
    `beside` the values of the file's other numbers, asked only if the column itself allows two readings. Values that
    are no numbers are not considered. Raises FileRefusedError: the column contradicts itself, or allows two readings.
    """
    seen = _collect(values)
    decimal = option or _decide_mark(seen, column, whole=whole, declared=declared, beside=beside)
    other = "," if decimal == "." else "."
    uses_other = seen.point_or or seen.comma_decimal if other == "." else seen.comma_or or seen.point_decimal
    return NumberStyle(
        decimal=decimal,
        thousands=other if uses_other and other in uses_other else "",
        spaced=bool(seen.spaced),
        units=bool(seen.unit),
        percent=bool(seen.percent),
        example=seen.marked or seen.spaced or seen.unit or seen.percent,
    )


def _decide_mark(
    seen: _Evidence, column: str, *, whole: bool, declared: DecimalMark | None, beside: Iterable[str]
) -> DecimalMark:
    if seen.point_decimal and seen.comma_decimal:
        raise FileRefusedError(
            f"the numbers of the column {column} contradict each other: {seen.point_decimal} has a decimal point, "
            f"{seen.comma_decimal} a decimal comma; say which it is with --decimal-mark, or correct the file",
            field="decimal_mark",
        )
    proven = _proven(seen)
    if proven:
        return proven
    if not (seen.point_or or seen.comma_or):
        return declared or "."
    if declared:
        return declared
    around = _collect(beside)
    if not (around.point_decimal and around.comma_decimal) and (found := _proven(around)):
        return found
    if whole and not (seen.point_or and seen.comma_or):
        # As fractions the values would be no counts: only one reading is left.
        if seen.point_or_fraction:
            return ","
        if seen.comma_or_fraction:
            return "."
    value = seen.point_or or seen.comma_or
    mark = "." if seen.point_or else ","
    digits = int(re.sub(r"\D", "", value))
    raise FileRefusedError(
        f"{value} in the column {column} can be {digits} or {value.replace(mark, '.')}, and no number of the "
        f"file tells which: give --decimal-mark {'comma' if mark == '.' else 'point'} for {digits}, "
        f"--decimal-mark {'point' if mark == '.' else 'comma'} for {value.replace(mark, '.')}",
        field="decimal_mark",
    )


def _proven(seen: _Evidence) -> DecimalMark | None:
    if seen.point_decimal:
        return "."
    return "," if seen.comma_decimal else None


def _collect(values: Iterable[str]) -> _Evidence:
    seen = _Evidence()
    for value in values:
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            continue
        digits = match["digits"].rstrip(_SPACES)
        if match["percent"]:
            seen.percent = seen.percent or value
        if match["unit"]:
            seen.unit = seen.unit or value
        if any(mark in digits for mark in _SPACES + _APOSTROPHES):
            if _SPACED.match(digits) is None:
                continue
            seen.spaced = seen.spaced or value
        _weigh(seen, digits, value, spaced=not digits.isdigit() and _SPACED.match(digits) is not None)
    return seen


def _weigh(seen: _Evidence, digits: str, value: str, *, spaced: bool) -> None:
    points, commas = digits.count("."), digits.count(",")
    if not points and not commas:
        return
    seen.marked = seen.marked or value
    if points and commas:
        # The mark that comes last is the decimal one, and there is one of it.
        if digits.rfind(".") > digits.rfind(",") and points == 1:
            seen.point_decimal = seen.point_decimal or value
        elif digits.rfind(",") > digits.rfind(".") and commas == 1:
            seen.comma_decimal = seen.comma_decimal or value
        return
    mark = "." if points else ","
    head, _, tail = digits.rpartition(mark)
    if points + commas > 1:  # 1.234.567: only thousands repeat
        if mark == ".":
            seen.comma_decimal = seen.comma_decimal or value
        else:
            seen.point_decimal = seen.point_decimal or value
        return
    whole_part = head.translate(_STRIP)
    if spaced or len(tail) != 3 or len(whole_part) > 3 or whole_part.startswith("0") or not whole_part:
        if mark == ".":
            seen.point_decimal = seen.point_decimal or value
        else:
            seen.comma_decimal = seen.comma_decimal or value
        return
    if mark == ".":
        seen.point_or = seen.point_or or value
        seen.point_or_fraction |= tail != "000"
    else:
        seen.comma_or = seen.comma_or or value
        seen.comma_or_fraction |= tail != "000"


def parse(value: str, style: NumberStyle) -> Decimal | None:
    """Return the number, or None if the value is none in this style. Percent become shares of 1."""
    match = _NUMBER.fullmatch(value.strip())
    if match is None:
        return None
    digits = match["digits"].rstrip(_SPACES)
    unit = (match["unit"] or "").lower()
    if unit and unit not in _UNITS:
        return None
    whole, mark, fraction = digits.partition(style.decimal)
    other = "," if style.decimal == "." else "."
    if mark and not (fraction.isdigit() or not fraction):
        return None
    if other in whole or any(space in whole for space in _SPACES + _APOSTROPHES):
        if not _is_grouped(whole, other):
            return None
        whole = re.sub(r"\D", "", whole)
    if (whole and not whole.isdigit()) or not (whole or fraction):
        return None
    number = Decimal(f"{whole or 0}.{fraction or 0}")
    if match["exponent"]:
        number = number.scaleb(int(match["exponent"]))
    if unit:
        number *= _UNITS[unit]
    if match["percent"]:
        number /= 100
    return -number if match["sign"] in {"-", "\u2212"} else number


def _is_grouped(whole: str, other: str) -> bool:
    """Return whether one mark groups the digits by three, or as in India (12,34,567)."""
    marks = {character for character in whole if not character.isdigit()}
    if len(marks) != 1:
        return False
    mark = marks.pop()
    groups = whole.split(mark)
    if not 1 <= len(groups[0]) <= 3:
        return False
    by_three = all(len(group) == 3 for group in groups[1:])
    indian = (
        mark == other == "," and len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[1:-1])
    ) and len(groups[0]) <= 2
    return by_three or indian


def count_problem(value: str, style: NumberStyle) -> str | None:
    """Return why the value is no count, or None if it is one."""
    number = parse(value, style)
    if number is None:
        return f"'{value[:40]}' is not a number: write digits only, leave empty what is unknown"
    if number < 0:
        return f"{value[:40]} is negative: a count starts at 0"
    if number != number.to_integral_value():
        return f"{value[:40]} is not a whole number"
    if number > LARGEST_COUNT:
        return f"{value[:40]} is more than 10^13: no post has so many"
    return None
