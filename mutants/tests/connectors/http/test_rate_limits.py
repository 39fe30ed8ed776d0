from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.rate_limits import parse_reset, parse_retry_at

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    "value",
    [
        "90",
        "90.0",
        str(int(LATER.timestamp())),
        str(int(LATER.timestamp() * 1000)),
        "2026-11-24T12:01:30Z",
        "2026-11-24T12:01:30.000000+00:00",
        "2026-11-24T13:01:30+01:00",
        "2026-11-24T12:01:30",
        "Tue, 24 Nov 2026 12:01:30 GMT",
    ],
)
def test_every_form_of_clock(value: str) -> None:
    assert parse_reset(value, now=NOW) == LATER


@pytest.mark.parametrize(
    "value", ["", "soon", "nan", "inf", "2026-99-99T00:00:00Z", "Tue, 99 Nov 2026 12:01:30 GMT"]
)
def test_what_names_no_time(value: str) -> None:
    assert parse_reset(value, now=NOW) is None


@pytest.mark.parametrize("value", ["0", "-5", str(int(NOW.timestamp()) - 3600), "2020-01-01T00:00:00Z"])
def test_a_time_that_is_past_by_our_clock_means_soon_not_at_once(value: str) -> None:
    assert parse_reset(value, now=NOW) == NOW + timedelta(seconds=1)


@given(st.text(max_size=30) | st.integers().map(str) | st.floats().map(str))
def test_nothing_a_server_writes_breaks_it(value: str) -> None:
    moment = parse_reset(value, now=NOW)
    assert moment is None or NOW < moment <= NOW + timedelta(days=31)


def test_the_latest_of_several_headers_counts() -> None:
    headers = {
        "retry-after": "10",
        "ratelimit-reset": str(int(LATER.timestamp())),
        "x-rate-limit-reset": "never",
    }
    assert parse_retry_at(headers, now=NOW) == LATER
    assert parse_retry_at({}, now=NOW) is None
