"""The calendar as files: what each column and property says, and what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest

from warehouse.scheduling.calendar_file import write_calendar_csv
from warehouse.scheduling.icalendar import write_calendar
from warehouse.store.models import Post, Publication

NOON = datetime(2026, 3, 2, 12, 0, 5, 7, tzinfo=UTC)


def planned(*, post: dict[str, Any] | None = None, **values: Any) -> tuple[Publication, Post]:
    row = {"id": "pub_1", "platform": "mastodon", "account_id": "acct_1", "status": "scheduled"}
    row |= {"content": {"text": "one\n two"}, "scheduled_at": NOON} | values
    of_post = {"id": "post_1", "updated_at": NOON, "version": 3, "scheduled_at": NOON} | (post or {})
    return Publication(**row), Post(**of_post)


def test_an_event_says_what_is_published_when_and_how_it_stands() -> None:
    written = write_calendar([planned(reason="HTTP 503", permalink="https://m.example/1")], "Team A")
    calendar = icalendar.Calendar.from_ical(written)
    (event,) = calendar.events
    assert {name: str(calendar[name]) for name in ("PRODID", "VERSION", "METHOD", "X-WR-CALNAME")} == {
        "PRODID": "-//SocialFlow//Content calendar//EN",
        "VERSION": "2.0",
        "METHOD": "PUBLISH",
        "X-WR-CALNAME": "SocialFlow: Team A",
    }
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT15M" in written
    assert {name: str(value) for name, value in event.items() if not hasattr(value, "dt")} == {
        "UID": "pub_1@socialflow",
        "SEQUENCE": "3",
        "TRANSP": "TRANSPARENT",
        "SUMMARY": "mastodon: one two",
        "DESCRIPTION": "one\n two\n\nscheduled\n(HTTP 503)",
        "STATUS": "CONFIRMED",
        "URL": "https://m.example/1",
    }
    second = NOON.replace(microsecond=0)
    assert {name: value.dt for name, value in event.items() if hasattr(value, "dt")} == {
        "DTSTAMP": second,
        "LAST-MODIFIED": second,
        "DTSTART": second,
        "DURATION": timedelta(minutes=15),
    }


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"status": "draft"}, {"STATUS": "TENTATIVE", "DESCRIPTION": "one\n two\n\ndraft", "URL": None}),
        ({"status": "needs_review"}, {"STATUS": "TENTATIVE"}),
        ({"status": "failed"}, {"STATUS": "TENTATIVE"}),
        ({"reason_code": "pending_approval"}, {"STATUS": "TENTATIVE"}),
        ({"reason_code": "rate_limited"}, {"STATUS": "CONFIRMED"}),
        ({"content": {"text": "x" * 80}}, {"SUMMARY": "mastodon: " + "x" * 80}),
        ({"content": {"text": "x" * 81}}, {"SUMMARY": "mastodon: " + "x" * 79 + "…"}),
        ({"content": {}}, {"SUMMARY": "mastodon: ", "DESCRIPTION": "\n\nscheduled"}),
    ],
)
def test_what_an_event_shows(values: dict[str, Any], shown: dict[str, str | None]) -> None:
    (event,) = icalendar.Calendar.from_ical(write_calendar([planned(**values)], "A")).events
    assert {name: None if name not in event else str(event[name]) for name in shown} == shown


def test_what_has_no_time_is_left_out_and_the_rest_is_not() -> None:
    written = write_calendar([planned(id="pub_0", post={"scheduled_at": None}), planned()], "A")
    assert [str(event["UID"]) for event in icalendar.Calendar.from_ical(written).events] == [
        "pub_1@socialflow"
    ]


def test_a_row_says_what_is_published_at_its_local_time() -> None:
    start, end = NOON, NOON + timedelta(days=1)
    media = [{"url": "https://a.example/1"}, {"url": "https://a.example/2"}, {}]
    rows = [
        planned(content={"text": "=1", "link": "https://b.example", "media": media}),
        planned(scheduled_at=None, content={}, post={"scheduled_at": NOON + timedelta(hours=11)}),
        planned(
            published_at=NOON + timedelta(hours=2), status="published", content={"text": None, "link": None}
        ),
        planned(scheduled_at=None, post={"scheduled_at": None}),
        planned(scheduled_at=start - timedelta(microseconds=1)),
        planned(scheduled_at=end),
    ]
    written = write_calendar_csv(rows, ZoneInfo("Europe/Berlin"), start, end)
    assert written.decode("utf-8-sig").split("\r\n") == [
        "date,time,timezone,platform,account_id,status,content,link,media,post_id",
        (
            "2026-03-02,13:00,Europe/Berlin,mastodon,acct_1,scheduled,'=1,https://b.example,"
            "https://a.example/1 https://a.example/2 ,post_1"
        ),
        "2026-03-03,00:00,Europe/Berlin,mastodon,acct_1,scheduled,,,,post_1",
        "2026-03-02,15:00,Europe/Berlin,mastodon,acct_1,published,,,,post_1",
        "",
    ]
    assert written.startswith(b"\xef\xbb\xbf")
