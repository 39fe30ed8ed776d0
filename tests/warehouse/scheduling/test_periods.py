"""The period of a question about figures: what is asked, what is meant, and what is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from warehouse.errors import InvalidInputError
from warehouse.scheduling.periods import resolve_period

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, 14, 30, 59, 7, tzinfo=timezone(timedelta(hours=2)))
MINUTE = datetime(2026, 3, 2, 12, 31, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("period", "from_", "to", "start", "end"),
    [
        (None, None, None, MINUTE - 30 * DAY, MINUTE),
        ("1d", None, None, MINUTE - DAY, MINUTE),
        ("365d", None, None, MINUTE - 365 * DAY, MINUTE),
        (None, "2026-03-01T00:00", None, datetime(2026, 2, 28, 23, tzinfo=UTC), MINUTE),
        (
            None,
            "2026-02-01T00:00",
            "2026-03-01T00:00Z",
            datetime(2026, 1, 31, 23, tzinfo=UTC),
            datetime(2026, 3, 1, tzinfo=UTC),
        ),
        (
            None,
            "2024-01-01T00:00Z",
            "2025-01-01T00:00Z",
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2025, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_what_is_asked(
    period: str | None, from_: str | None, to: str | None, *, start: datetime, end: datetime
) -> None:
    asked = resolve_period(period, from_, to, BERLIN, NOW)
    assert (asked.start, asked.end, asked.written) == (start, end, (period, from_, to))


@pytest.mark.parametrize(
    ("period", "from_", "to", "entry"),
    [
        (
            "1d",
            "2026-03-01T00:00",
            None,
            ("period", "conflicting_period", "give either period, or from and to"),
        ),
        (
            "1d",
            None,
            "2026-03-01T00:00",
            ("period", "conflicting_period", "give either period, or from and to"),
        ),
        (None, None, "2026-03-01T00:00", ("from", "missing_from", "'to' needs 'from'")),
        *(
            (
                text,
                None,
                None,
                ("period", "invalid_period", f"{text!r} is not a valid period: use 1d to 365d"),
            )
            for text in ("0d", "366d", "1w", "01d", "7")
        ),
        (None, "2026-03-01T00:00", "2026-03-01T00:00", ("to", "empty_period", "'to' must be after 'from'")),
        (None, "2026-04-01T00:00", None, ("to", "empty_period", "'to' must be after 'from'")),
        (
            None,
            "2024-01-01T00:00Z",
            "2025-01-01T00:01Z",
            ("from", "period_too_long", "ask for at most 366 days"),
        ),
    ],
)
def test_what_is_refused_is_named(
    period: str | None, from_: str | None, to: str | None, entry: tuple[str, str, str]
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        resolve_period(period, from_, to, BERLIN, NOW)
    (told,) = refused.value.entries
    assert (told["pointer"], told["code"], told["detail"]) == entry


@pytest.mark.parametrize(
    ("from_", "to", "field"), [("soon", None, "from"), ("2026-03-01T00:00", "later", "to")]
)
def test_a_time_that_is_none_is_named(from_: str, to: str | None, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        resolve_period(None, from_, to, BERLIN, NOW)
    assert refused.value.field == field
