"""Rules over zones whose clocks change in every way: hours, half an hour, a whole skipped day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.errors import InvalidInputError
from warehouse.scheduling.recurrence_rules import (
    MOST_A_DAY,
    RecurrenceRule,
    describe_gaps,
    parse_rule,
    parse_skipped,
)

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",  # half an hour
    "Africa/Casablanca",  # back for Ramadan
    "Asia/Kathmandu",
    "Pacific/Apia",  # skipped 2011-12-30
)
MONDAY = datetime.fromisoformat("2026-03-02T09:00")


def rule(text: str, start: datetime = MONDAY, zone: str = "Europe/Berlin", *skipped: str) -> RecurrenceRule:
    return parse_rule(text, start, ZoneInfo(zone), frozenset(skipped))


def keys(
    found: RecurrenceRule, after: datetime = datetime(2026, 1, 1, tzinfo=UTC), limit: int = 5
) -> list[str]:
    return [one.key for one in found.upcoming(after, limit)]


@pytest.mark.parametrize(
    ("start", "after", "before", "expected"),
    [
        # 02:30 does not exist and becomes 03:30 (01:30 UTC): asked for from 03:10 on, it is still to come.
        ("2026-03-28T02:30", "2026-03-29T01:10", "2026-03-29T12:00", ["2026-03-29T01:30"]),
        # 02:30 exists twice, the first is 00:30 UTC: asked for until the second 02:10 (01:10 UTC), it has been.
        ("2026-10-24T02:30", "2026-10-24T12:00", "2026-10-25T01:10", ["2026-10-25T00:30"]),
        ("2026-10-24T02:30", "2026-10-25T00:40", "2026-10-25T12:00", []),
    ],
)
def test_an_occurrence_beside_a_change_of_the_clocks_is_in_exactly_one_period(
    start: str, after: str, before: str, expected: list[str]
) -> None:
    daily = rule("FREQ=DAILY", datetime.fromisoformat(start))
    found, _ended = daily.between(
        datetime.fromisoformat(after).replace(tzinfo=UTC), datetime.fromisoformat(before).replace(tzinfo=UTC)
    )
    assert [one.at.replace(tzinfo=None).isoformat(timespec="minutes") for one in found] == expected


def test_an_occurrence_of_a_skipped_day_is_found_on_the_next() -> None:
    # Samoa had no 30 December 2011: 09:00 of that day became 09:00 of the 31st, 19:00 UTC of the 30th.
    every_other = rule("FREQ=DAILY;INTERVAL=2", datetime.fromisoformat("2011-12-28T09:00"), "Pacific/Apia")
    found, _ended = every_other.between(
        datetime(2011, 12, 30, 12, tzinfo=UTC), datetime(2011, 12, 31, tzinfo=UTC)
    )
    assert [(one.key, one.at) for one in found] == [
        ("2011-12-30T09:00:00", datetime(2011, 12, 30, 19, tzinfo=UTC))
    ]


texts = st.one_of(
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 9)),
    st.builds(
        "FREQ=WEEKLY;BYDAY={}".format,
        st.sets(st.sampled_from(("MO", "TU", "WE", "TH", "FR", "SA", "SU")), min_size=1).map(",".join),
    ),
    st.builds("FREQ=MONTHLY;BYMONTHDAY={}".format, st.integers(1, 28)),
    st.just("FREQ=MONTHLY;BYDAY=-1FR"),
    st.builds(
        "FREQ=DAILY;BYHOUR={};BYMINUTE=0,30".format,
        st.sets(st.integers(0, 23), min_size=1, max_size=12).map(lambda hours: ",".join(map(str, hours))),
    ),
)
rules = st.builds(
    rule,
    texts,
    st.datetimes(datetime.fromisoformat("2009-01-01"), datetime.fromisoformat("2028-01-01")).map(
        lambda at: at.replace(microsecond=0)
    ),
    st.sampled_from(ZONES),
)
offsets = st.integers(0, 24 * 120).map(lambda hours: timedelta(hours=hours))


@settings(max_examples=40)
@given(rules, offsets, offsets, offsets)
def test_a_span_is_the_sum_of_its_parts(
    drawn: RecurrenceRule, start: timedelta, first: timedelta, second: timedelta
) -> None:
    a = drawn.starts_at.replace(tzinfo=UTC) + start - timedelta(days=2)
    b, c = a + first, a + first + second
    whole = drawn.between(a, c).found
    assert drawn.between(a, b).found + drawn.between(b, c).found == whole
    instants = [one.at for one in whole]
    # Strictly rising: no two posts at one instant, also where the clocks skip.
    assert instants == sorted(set(instants))


@settings(max_examples=50)
@given(rules, offsets)
def test_the_wall_clock_stays(drawn: RecurrenceRule, start: timedelta) -> None:
    after = drawn.starts_at.replace(tzinfo=UTC) + start
    for one in drawn.between(after, after + timedelta(days=60)).found:
        shown = one.at.astimezone(drawn.zone)
        assert (shown.replace(tzinfo=None) == one.local) == (one.resolution != "shifted_forward")
        if one.resolution == "shifted_forward":
            # Later by the gap, which is the difference of the offsets around it.
            before = (one.at - timedelta(days=1)).astimezone(drawn.zone).utcoffset()
            gap = (shown.utcoffset() or timedelta()) - (before or timedelta())
            assert shown.replace(tzinfo=None) - one.local == gap > timedelta(0)
        elif one.resolution == "first_of_two":
            assert shown.fold == 0
            assert shown.replace(fold=1).astimezone(UTC) > one.at


def test_spring_and_autumn_in_berlin() -> None:
    nightly = rule("FREQ=DAILY", datetime.fromisoformat("2026-03-01T02:30"))
    spring = nightly.between(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)).found
    assert [(one.at.isoformat(), one.resolution) for one in spring] == [
        ("2026-03-28T01:30:00+00:00", "exact"),
        ("2026-03-29T01:30:00+00:00", "shifted_forward"),
        ("2026-03-30T00:30:00+00:00", "exact"),
    ]
    autumn = nightly.between(datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)).found
    assert [(one.at.isoformat(), one.resolution) for one in autumn] == [
        ("2026-10-25T00:30:00+00:00", "first_of_two")
    ]
    monday = rule("FREQ=WEEKLY;BYDAY=MO").upcoming(datetime(2026, 3, 20, tzinfo=UTC), 2)
    assert [one.at.hour for one in monday] == [8, 7]


def test_a_day_that_never_was_is_not_made_up_for_twice() -> None:
    daily = rule("FREQ=DAILY", datetime.fromisoformat("2011-12-28T10:00"), "Pacific/Apia")
    found = daily.between(datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC)).found
    assert [one.key[:10] for one in found] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "RRULE:FREQ=WEEKLY;BYDAY=MO,TH",
            ["2026-03-02", "2026-03-05", "2026-03-09", "2026-03-12", "2026-03-16"],
        ),
        ("freq=daily;count=3", ["2026-03-02", "2026-03-03", "2026-03-04"]),
        ("FREQ=DAILY;UNTIL=20260303", ["2026-03-02", "2026-03-03"]),
        ("FREQ=DAILY;UNTIL=20260303T080000Z", ["2026-03-02", "2026-03-03"]),
        ("FREQ=DAILY;UNTIL=20260303T075959Z", ["2026-03-02"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", ["2026-03-27", "2026-04-24"]),
        ("FREQ=DAILY;BYMONTHDAY=-1;COUNT=2", ["2026-03-31", "2026-04-30"]),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=1", ["2028-02-29"]),
        ("FREQ=DAILY;INTERVAL=2;BYDAY=SA;COUNT=2", ["2026-03-14", "2026-03-28"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", ["2026-03-31", "2026-05-31"]),
    ],
)
def test_what_rules_mean(text: str, expected: list[str]) -> None:
    found = keys(rule(text))
    assert [key[:10] for key in found] == expected
    assert {key[11:] for key in found} == {"09:00:00"}


def test_what_is_left_out_still_counts() -> None:
    left = rule("FREQ=DAILY;COUNT=4", MONDAY, "UTC", "2026-03-03", "2026-03-05T09:00:00")
    assert keys(left) == ["2026-03-02T09:00:00", "2026-03-04T09:00:00"]
    assert left.has("2026-03-03")
    assert left.has("2026-03-05T09:00:00")
    assert not left.has("2026-03-06")
    assert not left.has("2026-03-03T10:00:00")


def test_a_rule_says_when_it_is_over() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    finite = rule("FREQ=DAILY;COUNT=3", MONDAY, "UTC")
    assert not finite.between(start, datetime(2026, 3, 4, tzinfo=UTC)).ended
    assert finite.between(start, datetime(2026, 3, 5, tzinfo=UTC)).ended
    assert not rule("FREQ=DAILY").between(start, datetime(2026, 4, 1, tzinfo=UTC)).ended


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FREQ",
        "FREQ=HOURLY",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;SURPRISE=1",
        "FREQ=DAILY;BYSETPOS=2",
        "FREQ=HOURLY;INTERVAL=3",
        "FREQ=DAILY;BYSECOND=0,30",
        "FREQ=DAILY;BYSECOND=60",
        "FREQ=DAILY\nFREQ=DAILY",
        "RRULE:FREQ=DAILY\nEXDATE:20260302T090000",
        "DTSTART:20260303T090000\nFREQ=DAILY",
        "DTSTART;TZID=Nowhere/Else:20260302T090000\nFREQ=DAILY",
        "DTSTART:20260230\nFREQ=DAILY",
        "FREQ=DAILY;BYDAY=1MO",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=1;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20200101",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;WKST=XX",
        f"FREQ=DAILY;BYMINUTE={','.join(map(str, range(MOST_A_DAY + 1)))}",
        # These never come about: dateutil alone would search for the first for most of a minute.
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
    ],
)
def test_a_rule_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        rule(text)
    assert caught.value.field == "rrule"


@pytest.mark.parametrize("text", ["", "Monday", "2026-03-02T09:00:00Z", "2026-02-30", "2026-03-02T25:00"])
def test_a_name_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_skipped(text, field="exdates/0")


@pytest.mark.parametrize(
    "text",
    [
        "RRULE:FREQ=WEEKLY;BYDAY=MO;",
        "freq=weekly; byday=mo",
        "FREQ=WEEKLY;BYDAY=MO;BYSECOND=0",
        "FREQ=WEEKLY;BYDAY=SU,MO;BYSETPOS=1",
        "FREQ=WEEKLY;BYDAY=MO;X-NAME=a,b;WKST=MO",
        "DTSTART:20260302T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO",
        "DTSTART;TZID=Europe/Berlin:20260302T090000\r\nRRULE:FREQ=WEEKLY;BYDAY=MO\r\n",
        "DTSTART;VALUE=DATE:20260302\nFREQ=WEEKLY;BYDAY=MO",
        "DTSTART:20260302T080000Z\nFREQ=WEEKLY;BYDAY=MO",
        "DTSTART;TZID=America/New_York:20260302T030000\nFREQ=WEEKLY;BYDAY=MO",
    ],
)
def test_a_rule_is_read_as_other_programs_write_it(text: str) -> None:
    read = rule(text)
    assert keys(read, limit=3) == ["2026-03-02T09:00:00", "2026-03-09T09:00:00", "2026-03-16T09:00:00"]
    assert rule(read.text) == read, "it is stored in a form that reads back the same"
    assert "X-" not in read.text


def test_a_second_and_positions_within_a_day() -> None:
    start = datetime.fromisoformat("2026-03-02T09:00:30")
    assert keys(rule("FREQ=DAILY;BYSECOND=0", start), limit=1) == ["2026-03-03T09:00:00"]
    assert keys(rule("FREQ=DAILY;BYHOUR=9,12,18;BYSETPOS=-1"), limit=2) == [
        "2026-03-02T18:00:00",
        "2026-03-03T18:00:00",
    ]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("FREQ=YEARLY;BYMONTHDAY=2", ["2026-03-02", "2027-03-02", "2028-03-02"]),
        ("FREQ=YEARLY;BYMONTHDAY=1", ["2027-03-01", "2028-03-01", "2029-03-01"]),
        ("FREQ=YEARLY;BYWEEKNO=10", ["2026-03-02", "2027-03-08", "2028-03-06"]),
        ("FREQ=YEARLY;BYMONTH=1,6;BYMONTHDAY=1", ["2026-06-01", "2027-01-01", "2027-06-01"]),
    ],
)
def test_a_yearly_rule_takes_what_it_does_not_say_from_its_start(text: str, dates: list[str]) -> None:
    assert [key[:10] for key in keys(rule(text), limit=3)] == dates


@pytest.mark.parametrize(
    ("text", "start", "remedy"),
    [
        ("FREQ=MONTHLY", "2026-01-31T09:00", "BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-31T09:00", "BYMONTHDAY=-1"),
        ("FREQ=MONTHLY", "2026-01-30T09:00", "BYMONTHDAY=28,29,30;BYSETPOS=-1"),
        ("FREQ=YEARLY", "2028-02-29T09:00", "BYMONTHDAY=28,29;BYSETPOS=-1"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T09:00", None),
        ("FREQ=MONTHLY;BYMONTH=1,3", "2026-01-31T09:00", None),
        ("FREQ=MONTHLY;BYDAY=1MO", "2026-01-31T09:00", None),
        ("FREQ=MONTHLY", "2026-01-28T09:00", None),
        ("FREQ=YEARLY", "2026-01-31T09:00", None),
        ("FREQ=WEEKLY", "2026-01-31T09:00", None),
    ],
)
def test_a_rule_that_leaves_months_out_says_so_and_offers_another(
    text: str, start: str, remedy: str | None
) -> None:
    at = datetime.fromisoformat(start)
    warning = describe_gaps(rule(text, at))
    if remedy is None:
        assert warning is None
        return
    assert warning is not None
    assert warning.endswith(f"write {remedy}")
    offered = rule(f"{text.partition(';BYMONTHDAY')[0]};{remedy}", at)
    assert describe_gaps(offered) is None
    assert [key[5:7] for key in keys(offered, limit=5)] == (
        ["02"] * 5 if text == "FREQ=YEARLY" else ["01", "02", "03", "04", "05"]
    )
