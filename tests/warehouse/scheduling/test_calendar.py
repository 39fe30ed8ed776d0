"""The calendar of what is planned: its span, its local days, and posts that are too close to each other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from warehouse.errors import InvalidInputError
from warehouse.scheduling.calendar import describe_calendar, resolve_span
from warehouse.store.models import Post, Publication

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def planned(name: str, at: datetime | None, account: str = "a", **values: Any) -> tuple[Publication, Post]:
    row = {"content": {"text": name}, "platform": "mastodon", "status": "scheduled"} | values
    return Publication(id=name, account_id=account, **row), Post(id=f"post {name}", scheduled_at=at)


def test_posts_of_one_account_within_half_an_hour_are_in_conflict() -> None:
    told = describe_calendar(
        [
            planned("a1", NOON),
            planned("b1", NOON, "b"),
            planned("a2", NOON + 29 * MINUTE),
            planned("b2", NOON + 10 * MINUTE, "b"),
            planned("a3", NOON + 30 * MINUTE),
            planned("a4", NOON + 60 * MINUTE),
            planned("b3", None, "b"),
        ],
        BERLIN,
        NOON,
        NOON + DAY,
    )
    (day,) = told["data"]
    assert {entry["publication_id"]: entry["conflicts"] for entry in day["entries"]} == {
        "a1": ["a2"],
        "a2": ["a1", "a3"],
        "a3": ["a2"],
        "a4": [],
        "b1": ["b2"],
        "b2": ["b1"],
    }


def test_an_entry_is_on_its_local_day_and_only_within_the_span() -> None:
    late = NOON + timedelta(hours=11)
    row = planned("late", late, reason="HTTP 503", published_at=NOON, permalink="https://m.example/1")
    entries = [
        planned("before", NOON - MINUTE),
        planned("first", NOON, content={}),
        row,
        planned("end", NOON + DAY),
    ]
    told = describe_calendar(entries, BERLIN, NOON, NOON + DAY)
    assert (told["timezone"], told["from"], told["to"]) == ("Europe/Berlin", NOON, NOON + DAY)
    first, second = told["data"]
    assert (first["date"], first["weekday"], [one["content"] for one in first["entries"]]) == (
        date(2026, 3, 2),
        0,
        [""],
    )
    assert (second["date"], second["weekday"]) == (date(2026, 3, 3), 1)
    (entry,) = second["entries"]
    assert entry.pop("local_time").isoformat() == "2026-03-03T00:00:00+01:00"
    assert entry == {
        "post_id": "post late",
        "publication_id": "late",
        "account_id": "a",
        "platform": "mastodon",
        "status": "scheduled",
        "reason": "HTTP 503",
        "content": "late",
        "scheduled_at": late,
        "published_at": NOON,
        "permalink": "https://m.example/1",
        "conflicts": [],
    }


MIDNIGHT = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("from_", "to", "span"),
    [
        (None, None, (MIDNIGHT, MIDNIGHT + 30 * DAY)),
        ("2026-03-05T00:00Z", None, (datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 4, 4, tzinfo=UTC))),
        (None, "2026-03-03T00:00", (MIDNIGHT, MIDNIGHT + DAY)),
        (
            "2026-01-01T00:00Z",
            "2027-01-02T00:00Z",
            (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)),
        ),
    ],
)
def test_a_span_begins_at_local_midnight_and_lasts_thirty_days_unless_said(
    from_: str | None, to: str | None, span: tuple[datetime, datetime]
) -> None:
    now = NOON.replace(second=7, microsecond=9)
    assert resolve_span(from_, to, BERLIN, now) == span


@pytest.mark.parametrize(
    ("from_", "to", "entry"),
    [
        ("2026-03-05T00:00Z", "2026-03-05T00:00Z", ("to", "empty_span", "'to' must be after 'from'")),
        ("2026-01-01T00:00Z", "2027-01-02T00:01Z", ("to", "span_too_long", "ask for at most 366 days")),
    ],
)
def test_a_span_that_is_none_is_refused_by_name(from_: str, to: str, entry: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        resolve_span(from_, to, BERLIN, NOON)
    (told,) = refused.value.entries
    assert (told["pointer"], told["code"], told["detail"]) == entry


@pytest.mark.parametrize(("from_", "to", "field"), [("soon", None, "from"), (None, "later", "to")])
def test_a_time_that_is_none_is_named(from_: str | None, to: str | None, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        resolve_span(from_, to, BERLIN, NOON)
    assert refused.value.field == field
