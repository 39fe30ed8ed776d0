from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.times import require_future, resolve_time
from warehouse.errors import InvalidInputError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "utc", "resolution"),
    [
        ("2026-04-15T14:30:00Z", "2026-04-15T14:30:00", "exact"),
        ("2026-04-15T14:30:00+02:00", "2026-04-15T12:30:00", "exact"),
        ("2026-04-15 14:30", "2026-04-15T12:30:00", "exact"),
        ("2026-01-15T14:30:00.250", "2026-01-15T13:30:00.250000", "exact"),
        # The clocks go forward on 29 March 2026 at 02:00, back on 25 October at 03:00.
        ("2026-03-29T01:59", "2026-03-29T00:59:00", "exact"),
        ("2026-03-29T02:30", "2026-03-29T01:30:00", "shifted_forward"),
        ("2026-03-29T03:00", "2026-03-29T01:00:00", "exact"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00", "first_of_two"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30:00", "exact"),
        ("2026-10-25T03:00", "2026-10-25T02:00:00", "exact"),
    ],
)
def test_one_instant_and_how_it_was_found(value: str, utc: str, resolution: str) -> None:
    resolved = resolve_time(value, BERLIN)
    assert (resolved.at, resolved.resolution) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), resolution)
    assert resolved.requested == value
    assert (resolved.note is None) == (resolution == "exact")


def test_a_skipped_time_is_told_as_the_one_it_became() -> None:
    note = resolve_time("2026-03-29T02:30", BERLIN).note
    assert note is not None
    assert "2026-03-29T03:30:00" in note


@pytest.mark.parametrize(
    "value",
    ["", "now", "2026-04-15", "14:30", "2026-13-01T00:00Z", "2026-02-29T10:00", "2026-04-15T25:00Z", "20260415T1430Z",
     "2026-04-15T14:30:00+99:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
     "9999-12-31T23:59:59Z", "1970-12-31T00:00Z", "٢٠٢٦-04-15T14:30"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_its_field(value: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        resolve_time(value, BERLIN, field="from")
    assert raised.value.field == "from"


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001 (naive on purpose)
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_a_local_time_that_exists_is_shown_again_as_written(written: datetime, zone: str) -> None:
    resolved = resolve_time(written.isoformat(), ZoneInfo(zone))
    shown = resolved.at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if resolved.resolution == "shifted_forward":
        assert timedelta(0) < shown - written <= timedelta(hours=1)
    else:
        assert shown == written


@given(st.text(max_size=40))
def test_no_text_breaks_it(value: str) -> None:
    try:
        assert resolve_time(value, BERLIN).at.tzinfo is UTC
    except InvalidInputError as error:
        assert error.field == "scheduled_at"  # noqa: PT017 (either outcome is right)


def test_a_clock_that_is_a_little_off_is_forgiven() -> None:
    now = datetime(2026, 4, 15, 14, 30, tzinfo=UTC)
    require_future(resolve_time("2026-04-15T14:29:57Z", BERLIN), now)
    with pytest.raises(InvalidInputError):
        require_future(resolve_time("2026-04-15T14:29:50Z", BERLIN), now)
