"""The days of a rule are those that dateutil finds, and no rule costs more than its span."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from warehouse.errors import InvalidInputError
from warehouse.scheduling.recurrence_rules import FREQUENCIES, parse_rule
from warehouse.scheduling.rule_periods import WEEKDAYS, make_periods

LAST = datetime.fromisoformat("9998-12-31T23:59:59")
"""dateutil looks for a day that never comes to the end of time: here that is near."""


def numbers(least: int, most: int, *, signed: bool = False, size: int = 4) -> st.SearchStrategy[str]:
    one = st.integers(least, most)
    if signed:
        one = one | one.map(lambda number: -number)
    return st.sets(one, min_size=1, max_size=size).map(lambda found: ",".join(map(str, found)))


weekdays = st.sampled_from(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))
plain_days = st.sets(weekdays, min_size=1, max_size=4).map(",".join)
numbered_days = st.sets(
    st.builds("{}{}".format, st.sampled_from([*range(-6, 0), *range(1, 7), 20, -30, 53]), weekdays),
    min_size=1, max_size=3,
).map(",".join)  # fmt: skip
PARTS = {
    "BYMONTH": numbers(1, 12),
    "BYMONTHDAY": numbers(1, 31, signed=True),
    "BYYEARDAY": numbers(1, 366, signed=True, size=9),
    "BYWEEKNO": numbers(1, 53, size=9) | st.sampled_from(("-1", "-2", "1,-1", "53", "52,-10")),
    "BYSETPOS": numbers(1, 5, signed=True) | st.just("366"),
}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, str]:
    frequency = draw(st.sampled_from(sorted(FREQUENCIES)))
    parts = {"FREQ": frequency, "INTERVAL": str(draw(st.integers(1, 14)))}
    for name in draw(st.sets(st.sampled_from(sorted(FREQUENCIES[frequency])))):
        if name == "BYDAY":
            days = plain_days if frequency in {"DAILY", "WEEKLY"} else plain_days | numbered_days
            parts[name] = draw(days)
        else:
            parts[name] = draw(PARTS[name])
    if draw(st.booleans()):
        parts["BYHOUR"] = draw(numbers(0, 23))
        parts["BYMINUTE"] = draw(numbers(0, 59, size=2))
    if draw(st.booleans()):
        parts["WKST"] = draw(weekdays)
    return parts


starts = st.datetimes(datetime.fromisoformat("9989-01-01"), datetime.fromisoformat("9997-01-01")).map(
    lambda at: at.replace(microsecond=0)
)


def expand_by_dateutil(text: str, start: datetime) -> list[datetime]:
    found = []
    try:
        for local in rrulestr(text, dtstart=start):
            if local > LAST:
                break
            found.append(local)
    except ValueError as error:  # its weeks run on after the end of time
        assert "year 10000" in str(error)  # noqa: PT017 (more than one kind of end is right)
    except IndexError:  # its own fault with the 20th Monday of a December
        assume(condition=False)
    return found


@settings(max_examples=250)
@given(rules(), starts, st.integers(0, 1500))
def test_the_days_are_those_of_dateutil(parts: dict[str, str], start: datetime, days: int) -> None:
    # The first two exceptions of rule_periods: years of weeks, and parts that a yearly rule takes from its start.
    assume("BYWEEKNO" not in parts or (parts["INTERVAL"] == "1" and "BYSETPOS" not in parts))
    implied = {}
    if parts["FREQ"] == "YEARLY" and "BYYEARDAY" not in parts:
        if "BYWEEKNO" in parts and not parts.keys() & {"BYDAY", "BYMONTHDAY"}:
            implied["BYDAY"] = WEEKDAYS[start.weekday()]
        elif "BYMONTHDAY" in parts and not parts.keys() & {"BYMONTH", "BYWEEKNO"}:
            implied["BYMONTH"] = str(start.month)
    text = ";".join(f"{name}={value}" for name, value in (parts | implied).items())
    expected = expand_by_dateutil(text, start)
    ours = make_periods(parts, start)
    found = list(ours.expand(start, LAST))
    if parts["FREQ"] == "WEEKLY" and "BYSETPOS" in parts:  # the third: they differ in the week of the start
        into_week = (start.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7
        second_week = datetime.combine(start, datetime.min.time()) + timedelta(days=7 - into_week)
        expected = [one for one in expected if one >= second_week]
        start = second_week
        found = [one for one in found if one >= second_week]
    assert found == expected
    # Begun later, none is lost.
    later = start + min(timedelta(days=days), LAST - start)
    assert [one for one in ours.expand(later, LAST) if one >= later] == [
        one for one in expected if one >= later
    ]


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=MONTHLY;BYSETPOS=366;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2",
        "FREQ=YEARLY;BYSETPOS=366;BYWEEKNO=1",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=" + ",".join(map(str, range(24))),
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=MONTHLY;BYDAY=0MO",
        "FREQ=YEARLY;BYDAY=99MO",
        "FREQ=DAILY;INTERVAL=" + "1" * 5000,
        "FREQ=DAILY;INTERVAL=1;WKST=XX",
        "FREQ=DAILY;COUNT=" + "9" * 4301,
    ],
)
def test_what_can_never_occur_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInputError) as refused:
        parse_rule(text, datetime.fromisoformat("2026-03-02T09:00"), ZoneInfo("UTC"))
    assert refused.value.field == "rrule"
    assert len(refused.value.message) < 400
    assert time.process_time() - began < 0.5


def test_a_question_about_the_end_of_time_is_short() -> None:
    began = time.process_time()
    start = datetime.fromisoformat("2026-03-02T09:00")
    for text in (
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=10000;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;COUNT=10000;BYSETPOS=366;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        "FREQ=WEEKLY;BYHOUR=" + ",".join(map(str, range(24))),
    ):
        rule = parse_rule(text, start, ZoneInfo("Europe/Berlin"))
        rule.has("9999-12-31")
        rule.has("9999-12-31T09:00:00")
        rule.between(datetime(9990, 1, 1, tzinfo=UTC), datetime(9990, 2, 1, tzinfo=UTC))
    assert time.process_time() - began < 3
    assert parse_rule("FREQ=DAILY", start, ZoneInfo("UTC")).has("2126-01-01")


def test_a_position_in_a_week_counts_the_days_before_the_start() -> None:
    """RFC 5545 counts in the set of the whole week; the Monday is before the start and is no occurrence."""
    tuesday = datetime.fromisoformat("2026-03-03T09:00")
    parts = {"FREQ": "WEEKLY", "INTERVAL": "1", "BYDAY": "MO,TU", "BYSETPOS": "1"}
    found = make_periods(parts, tuesday).expand(tuesday, datetime.fromisoformat("2026-03-17T09:00"))
    assert [one.isoformat() for one in found] == ["2026-03-09T09:00:00", "2026-03-16T09:00:00"]
