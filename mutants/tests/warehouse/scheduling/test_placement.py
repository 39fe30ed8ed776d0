"""Where posts may go in an advised week: checked against the clock itself, and against brute force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from warehouse.scheduling.optimal_placement import choose
from warehouse.scheduling.placement import (
    HARD_GAP,
    PICK_WINDOW,
    UNKNOWN_SLOT,
    WANTED_GAP,
    Calendar,
    Candidate,
    SlotAdvice,
    Week,
    choose_greedily,
    iter_slot_starts,
    list_candidates,
    next_instant,
    weigh,
)
from warehouse.store.schedules.placements import PlacementPolicy

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""
QUARTER = timedelta(minutes=15)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Africa/Casablanca",
]
LORD_HOWE_BACK, LORD_HOWE_FORWARD = datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)

zones = st.sampled_from(ZONES).map(ZoneInfo)
starts = st.integers(0, 4 * 24 * 366 * 30).map(
    lambda quarters: datetime(2005, 1, 1, tzinfo=UTC) + quarters * QUARTER
)


def slot(lift: float = 0.1, low: float | None = None, high: float | None = None) -> SlotAdvice:
    return SlotAdvice(
        lift, lift - 0.1 if low is None else low, lift + 0.1 if high is None else high, 0.9, "low"
    )


def candidate(
    hours: float, lift: float = 0.1, low: float | None = None, high: float | None = None
) -> Candidate:
    worth = slot(lift, low, high)
    return Candidate(
        NOON + timedelta(hours=hours), lift, worth.lift_low, worth.lift_high, by_account={"a": worth}
    )


@given(zone=zones, start=starts, days=st.integers(1, 4))
@example(zone=ZoneInfo("Australia/Lord_Howe"), start=LORD_HOWE_BACK, days=2)
@example(zone=ZoneInfo("Australia/Lord_Howe"), start=LORD_HOWE_FORWARD, days=2)
@example(zone=ZoneInfo("Europe/Berlin"), start=datetime(2026, 3, 28, tzinfo=UTC), days=2)
@example(zone=ZoneInfo("Europe/Berlin"), start=datetime(2026, 10, 24, tzinfo=UTC), days=2)
@example(zone=ZoneInfo("Pacific/Apia"), start=datetime(2011, 12, 29, tzinfo=UTC), days=3)
@settings(max_examples=60, deadline=None)
def test_slots_begin_exactly_where_the_clock_first_shows_a_full_hour(
    zone: ZoneInfo, start: datetime, days: int
) -> None:
    end = start + timedelta(days=days)
    shown = []
    at = start
    while at < end:
        local = at.astimezone(zone)
        # fold 1 = the clock shows this time for the second time.
        if local.minute == 0 and local.fold == 0:
            shown.append(at)
        at += QUARTER
    assert list(iter_slot_starts(zone, start, end)) == shown


@given(zone=zones, start=starts, weekday=st.integers(0, 6), hour=st.integers(0, 23))
@settings(max_examples=60, deadline=None)
def test_the_next_instant_is_the_first_of_its_slot_that_lies_ahead(
    zone: ZoneInfo, start: datetime, weekday: int, hour: int
) -> None:
    at = next_instant(weekday, hour, zone, start)
    assert (at.weekday(), at.hour, at.minute) == (weekday, hour, 0)
    assert at > start
    between = iter_slot_starts(zone, start + QUARTER, at.astimezone(UTC))
    assert not [
        other
        for other in between
        if (other.astimezone(zone).weekday(), other.astimezone(zone).hour) == (weekday, hour)
    ]


@pytest.mark.parametrize(
    ("weekday", "hour", "after", "expected"),
    [
        (0, 13, NOON, "2026-03-09T13:00:00+01:00"),
        (0, 14, NOON, "2026-03-02T14:00:00+01:00"),
        (6, 2, datetime(2026, 3, 23, tzinfo=UTC), "2026-04-05T02:00:00+02:00"),
        (6, 2, datetime(2026, 10, 20, tzinfo=UTC), "2026-10-25T02:00:00+02:00"),
    ],
    ids=["just begun", "in an hour", "skipped by the clocks", "first of two"],
)
def test_next_instant_around_clock_changes(weekday: int, hour: int, after: datetime, expected: str) -> None:
    assert next_instant(weekday, hour, ZoneInfo("Europe/Berlin"), after).isoformat() == expected


def test_every_slot_of_a_week_is_found_and_lies_ahead() -> None:
    for weekday in range(7):
        for hour in range(24):
            at = next_instant(weekday, hour, ZoneInfo("Europe/Berlin"), NOON)
            assert (at.weekday(), at.hour) == (weekday, hour)
            assert timedelta(0) < at - NOON <= timedelta(days=7)


def test_accounts_of_half_hour_zones_share_a_time_by_their_own_clocks() -> None:
    berlin = Week("a", "twitter", ZoneInfo("Europe/Berlin"), {(1, 18): slot(0.3)})
    kolkata = Week("b", "mastodon", ZoneInfo("Asia/Kolkata"), {(1, 22): slot(0.2)})
    found = {one.at: one for one in list_candidates([berlin, kolkata], NOON, NOON + timedelta(days=7))}
    # Tuesday 18:00 in Berlin is 22:30 in Kolkata; its 22:00 is 17:30 in Berlin, which is another hour there.
    together = found[datetime(2026, 3, 3, 17, 0, tzinfo=UTC)]
    assert together.lift == pytest.approx(0.25)
    alone = found[datetime(2026, 3, 3, 16, 30, tzinfo=UTC)]
    assert alone.lift == pytest.approx(0.1)
    assert alone.by_account["a"] == UNKNOWN_SLOT


@given(
    lifts=st.lists(st.floats(-0.5, 1), min_size=1, max_size=4),
    spread=st.floats(0, 0.5),
    weights=st.lists(st.floats(0.1, 10), min_size=4, max_size=4),
    scale=st.floats(0.1, 10),
)
@settings(max_examples=50, deadline=None)
def test_a_shared_worth_is_a_weighted_mean_with_its_range(
    lifts: list[float], spread: float, weights: list[float], scale: float
) -> None:
    weeks = [
        Week(str(number), f"p{number}", ZoneInfo("UTC"), {(0, 12): slot(lift, lift - spread, lift + spread)})
        for number, lift in enumerate(lifts)
    ]
    by_platform = {f"p{number}": weight for number, weight in enumerate(weights)}
    found = weigh(weeks, NOON, weights=by_platform)
    scaled = weigh(weeks, NOON, weights={name: weight * scale for name, weight in by_platform.items()})
    assert found.lift == pytest.approx(scaled.lift)
    assert found.lift_low == pytest.approx(scaled.lift_low)
    assert min(lifts) - 1e-9 <= found.lift <= max(lifts) + 1e-9
    # Errors of several accounts cancel out in part; of one alone the range is its own.
    assert found.lift - found.lift_low <= spread + 1e-9
    if len(lifts) == 1:
        assert found.lift_high == pytest.approx(lifts[0] + spread)


hours = st.integers(0, 60).map(lambda half: half / 2)


@given(
    offered=st.lists(st.tuples(hours, st.floats(-0.5, 1)), max_size=9, unique_by=lambda one: one[0]),
    busy=st.lists(hours, max_size=3),
    picks=st.lists(hours, max_size=3),
    count=st.integers(1, 6),
    gap=st.sampled_from([HARD_GAP, timedelta(hours=1), WANTED_GAP, timedelta(hours=5)]),
)
@settings(max_examples=150, deadline=None)
def test_suggestions_keep_every_rule_and_fit_as_many_as_can_be(
    offered: list[tuple[float, float]], busy: list[float], picks: list[float], count: int, gap: timedelta
) -> None:
    candidates = sorted((candidate(at, lift) for at, lift in offered), key=lambda one: one.at)
    taken = [NOON + timedelta(hours=at) for at in busy]
    advised = [NOON + timedelta(hours=at) for at in picks]
    calendar = Calendar({"a": [*taken, *advised]}, {"a": advised})
    chosen = choose_greedily(candidates, calendar, count, gap=gap)
    instants = [one.at for one in chosen]

    def allowed(group: list[datetime]) -> bool:
        apart = all(abs(one - other) >= gap for one, other in combinations(group, 2))
        free = all(abs(one - other) >= gap for one in group for other in [*taken, *advised])
        return apart and free

    assert len(chosen) <= count
    assert allowed(instants)
    assert [one.lift for one in chosen] == sorted((one.lift for one in chosen), reverse=True)
    if chosen:
        in_order = sorted([*instants, *advised])
        new = set(instants)
        for first, _second, third in zip(in_order, in_order[1:], in_order[2:], strict=False):
            if {first, _second, third} & new:
                assert third - first > PICK_WINDOW
    if gap > PICK_WINDOW / 2:
        # Then the rule about picks says nothing that the gap does not, save beside earlier picks.
        best = max(
            (
                size
                for size in range(count + 1)
                for group in combinations([one.at for one in candidates], size)
                if allowed(list(group))
            ),
            default=0,
        )
        if not advised:
            assert len(chosen) == best


def test_the_best_hour_is_passed_over_only_where_it_makes_the_rest_impossible() -> None:
    offered = [candidate(1, 0.1), candidate(2, 0.5), candidate(3, 0.2), candidate(9, 0.0)]
    one = choose_greedily(offered, Calendar({}), 1)
    assert [found.at for found in one] == [NOON + timedelta(hours=2)]
    two = choose_greedily(offered, Calendar({}), 2)
    assert [found.at for found in two] == [NOON + timedelta(hours=2), NOON + timedelta(hours=9)]
    three = choose_greedily(offered, Calendar({}), 3)
    assert sorted(found.at for found in three) == [NOON + timedelta(hours=at) for at in (1, 3, 9)]
    assert len(choose_greedily(offered, Calendar({}), 9)) == 3


def test_picks_crowd_each_other_out_and_posts_by_hand_do_not() -> None:
    at = NOON + timedelta(hours=2)
    near = {"a": [NOON, NOON + timedelta(hours=1)]}
    assert Calendar(near).is_free(at, HARD_GAP)
    assert not Calendar(near, near).is_free(at, HARD_GAP)
    # One on each of two accounts is not two on one.
    apart = {"a": [NOON], "b": [NOON + timedelta(hours=1)]}
    assert Calendar(apart, apart).is_free(at, HARD_GAP)


def policy(share: float = 0.0, *, explore: bool = False) -> PlacementPolicy:
    return PlacementPolicy(workspace_id="ws", random_share=share, weekly_exploration=explore, updated_at=NOON)


FREE = [candidate(1, 0.4), candidate(2, 0.1), candidate(3, -0.3, -0.5, -0.1), candidate(4, 0.0, -0.2, 0.9)]


def test_without_an_experiment_the_best_is_taken() -> None:
    for chosen in (
        choose(FREE, WANTED_GAP, policy=policy(), seed=1),
        choose(FREE, WANTED_GAP, policy=policy(0.5, explore=True), seed=None),
    ):
        assert (chosen.kind, chosen.candidate, chosen.random_share) == ("recommended", FREE[0], None)


def test_the_experiment_draws_its_share_evenly_among_acceptable_times() -> None:
    drawn = [choose(FREE, WANTED_GAP, policy=policy(0.25), seed=seed) for seed in range(4000)]
    at_random = [one for one in drawn if one.kind == "random"]
    assert 0.22 < len(at_random) / len(drawn) < 0.28
    assert {one.candidate.at for one in drawn if one.kind == "recommended"} == {FREE[0].at}
    counts = [sum(one.candidate == offered for one in at_random) for offered in FREE]
    assert counts[2] == 0, "its whole range lies below the usual times"
    assert all(260 < count < 410 for count in (counts[0], counts[1], counts[3]))
    assert {(one.random_share, one.acceptable) for one in drawn} == {(0.25, 3)}
    again = choose(FREE, WANTED_GAP, policy=policy(0.25), seed=7)
    assert again == drawn[7], "the kept seed tells the draw again"


def test_where_no_time_is_acceptable_there_is_no_experiment() -> None:
    bad = [candidate(1, -0.3, -0.5, -0.1)]
    assert choose(bad, WANTED_GAP, policy=policy(0.5), seed=3).random_share is None


def test_one_exploration_a_week_where_little_is_known() -> None:
    chosen = choose(FREE, WANTED_GAP, policy=policy(explore=True), seed=1)
    assert (chosen.kind, chosen.candidate) == ("exploration", FREE[3])
    explored = [FREE[3].at - timedelta(days=6)]
    assert (
        choose(FREE, WANTED_GAP, policy=policy(explore=True), seed=1, explored=explored).kind == "recommended"
    )
    long_ago = [FREE[3].at - timedelta(days=8)]
    assert (
        choose(FREE, WANTED_GAP, policy=policy(explore=True), seed=1, explored=long_ago).kind == "exploration"
    )
