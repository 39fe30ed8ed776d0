"""Weekly slots over zones whose clocks change in every way."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.scheduling.queue_times import WeeklySlot, slot_instants

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
)

slots = st.builds(WeeklySlot, st.integers(0, 6), st.builds(time, st.integers(0, 23), st.integers(0, 59)))
starts = st.datetimes(datetime.fromisoformat("2010-01-01"), datetime.fromisoformat("2030-01-01")).map(
    lambda at: at.replace(tzinfo=UTC, microsecond=0)
)


@settings(max_examples=50)
@given(
    st.sets(slots, min_size=1, max_size=5),
    st.sampled_from(ZONES),
    starts,
    st.integers(1, 400),
    st.integers(1, 400),
)
def test_a_span_is_the_sum_of_its_parts(
    drawn: set[WeeklySlot], name: str, start: datetime, first: int, second: int
) -> None:
    zone = ZoneInfo(name)
    middle = start + timedelta(hours=first)
    end = middle + timedelta(hours=second)
    parts = [slot_instants(drawn, zone, start, middle), slot_instants(drawn, zone, middle, end)]
    assert parts[0] | parts[1] == slot_instants(drawn, zone, start, end)
    assert not parts[0] & parts[1]


@settings(max_examples=50)
@given(slots, st.sampled_from(ZONES), starts)
def test_every_week_has_it_once_and_at_its_local_time(drawn: WeeklySlot, name: str, start: datetime) -> None:
    zone = ZoneInfo(name)
    found = sorted(slot_instants([drawn], zone, start, start + timedelta(days=70)))
    assert len(found) in {9, 10, 11}
    shown = [at.astimezone(zone) for at in found]
    local = [(one.weekday(), one.time().replace(tzinfo=None)) for one in shown]
    # The clocks may skip the slot's own time at most twice in ten weeks.
    assert sum(one != (drawn.weekday, drawn.at) for one in local) <= 2
    days = {one.date() for one in shown}
    assert len(days) == len(found)


def test_spring_and_autumn_in_berlin() -> None:
    zone = ZoneInfo("Europe/Berlin")
    sunday = WeeklySlot(6, time(2, 30))
    spring = slot_instants(
        [sunday], zone, datetime(2026, 3, 23, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    )
    assert spring == {datetime(2026, 3, 29, 1, 30, tzinfo=UTC)}
    autumn = slot_instants(
        [sunday], zone, datetime(2026, 10, 19, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)
    )
    assert autumn == {datetime(2026, 10, 25, 0, 30, tzinfo=UTC)}
