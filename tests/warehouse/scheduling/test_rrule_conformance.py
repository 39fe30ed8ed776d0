"""Recurrence rules against libical's test file, if it is available: the same days, or a reason for each other one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conformance import explain_absence, make_absent_case, read_text
from warehouse.errors import InvalidInputError
from warehouse.scheduling.recurrence_rules import parse_rule

FILE = "icalendar/icalrecur_test.txt"

OFTEN = re.compile(r"FREQ=(?:HOURLY|MINUTELY|SECONDLY)\b")
"""Refused: at most 24 posts a day, at times that BYHOUR and BYMINUTE name. 23 rules of the file."""
WEEKS_OF_THE_START = (
    "the start (3 January 2027) is in the last week of 2026: SocialFlow counts every fifth or sixth year from 2026, "
    "the year of the start's week, as libical does where the start is an occurrence; here libical counts from 2027"
)
TOO_LATE = (
    f"{WEEKS_OF_THE_START}; no year of 2026, 2031, 2036 has 53 weeks, and nine years ahead are searched"
)
DIFFERENT = {
    "FREQ=DAILY;BYMINUTE=1,2,3,4;INTERVAL=2;COUNT=3": "the start is a date alone; SocialFlow's starts have a time",
    "FREQ=YEARLY;BYWEEKNO=53;INTERVAL=6;BYDAY=TH;COUNT=1": WEEKS_OF_THE_START,
    "FREQ=YEARLY;BYWEEKNO=53;INTERVAL=5;BYDAY=TH;COUNT=1": TOO_LATE,
}
SEVERAL_SECONDS = "BYSECOND=1,2,"
"""Refused: posts at several seconds of a minute. One rule of the file."""


def _read() -> list[Any]:
    text = read_text(FILE)
    if text is None:
        return make_absent_case(FILE, "", "", "")
    cases = []
    for block in re.split(r"\n\s*\n", text):
        lines = dict(
            line.split(":", 1) for line in block.splitlines() if ":" in line and not line.startswith("#")
        )
        # One rule is marked as not implemented by libical itself.
        if "RRULE" in lines and not lines["INSTANCES"].strip().startswith("***"):
            values = lines["RRULE"], lines["DTSTART"], lines["INSTANCES"]
            cases.append(pytest.param(*values, id=f"{len(cases)}: {values[0][:80]}"))
    return cases


def _at(text: str) -> datetime:
    return datetime.strptime(text.strip().rstrip("Z"), "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")  # noqa: DTZ007 (wall-clock times)


@pytest.mark.parametrize(("text", "start", "instances"), _read())
def test_rule(text: str, start: str, instances: str) -> None:
    expected = [_at(one) for one in instances.split(",")]
    if OFTEN.search(text) or SEVERAL_SECONDS in text or DIFFERENT.get(text) is TOO_LATE:
        with pytest.raises(InvalidInputError):
            parse_rule(text, _at(start), ZoneInfo("UTC"))
        return
    rule = parse_rule(text, _at(start), ZoneInfo("UTC"))
    found, _is_complete = rule._expand(rule.starts_at, expected[-1] + timedelta(days=400))
    assert (list(found) == expected) == (text not in DIFFERENT)


def test_every_listed_difference_is_in_the_file() -> None:
    text = read_text(FILE)
    if text is None:
        pytest.skip(explain_absence(FILE))
    rules = re.findall(r"^RRULE:(.*)$", text, re.MULTILINE)
    assert set(DIFFERENT) <= set(rules)
    assert sum(bool(OFTEN.search(rule)) for rule in rules) == 23
