from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.optimal_slots import (
    NO_EFFECT,
    choose_free_time,
    next_instant,
    rank_across_accounts,
    render_optimal_time,
)
from warehouse.errors import InvalidInputError

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""
BERLIN = ZoneInfo("Europe/Berlin")


def row(
    weekday: int = 1, hour: int = 18, lift: float = 0.14, account: str = "a", **more: Any
) -> dict[str, Any]:
    return {
        "account_id": account,
        "platform": "twitter",
        "handle": "tea",
        "timezone": "UTC",
        "weekday": weekday,
        "hour": hour,
        "expected_lift": lift,
        "lift_low": -0.02,
        "lift_high": 0.32,
        "p_better": 0.96,
        "n_posts": 9,
        "n_nearby": 60,
        "basis": "own",
        "confidence": "medium",
        "score": 100.0,
        **more,
    }


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
def test_next_instant(weekday: int, hour: int, after: datetime, expected: str) -> None:
    assert next_instant(weekday, hour, BERLIN, after).isoformat() == expected


def test_every_slot_of_a_week_is_found_and_lies_ahead() -> None:
    for weekday in range(7):
        for hour in range(24):
            at = next_instant(weekday, hour, BERLIN, NOON)
            assert (at.weekday(), at.hour) == (weekday, hour)
            assert timedelta(0) < at - NOON <= timedelta(days=7)


def test_the_sentence_of_the_specification() -> None:
    told = render_optimal_time(row(), None, NOON)
    assert told.sentence == (
        "Posts around Tue 18:00 did about 14 % better than your usual times (80 % range -2 to +32 %), "
        "from 9 posts there and 60 at similar hours."
    )
    assert (told.expected_lift_pct, told.interval_80) == (14.0, (-2.0, 32.0))


def test_no_effect_is_an_answer_and_a_prior_says_so() -> None:
    told = render_optimal_time(row(confidence="none"), None, NOON)
    assert told.confidence == NO_EFFECT
    assert told.sentence.startswith("No reliable timing effect")
    prior = render_optimal_time(row(basis="prior", n_posts=0, n_nearby=0), None, NOON)
    assert "none of your own posts" in prior.sentence


def test_a_slot_can_be_told_in_another_zone() -> None:
    told = render_optimal_time(row(weekday=1, hour=23), ZoneInfo("Asia/Kolkata"), NOON)
    assert (told.weekday, told.hour, told.timezone) == (2, 4, "Asia/Kolkata")
    assert told.next_at.isoformat() == "2026-03-04T04:30:00+05:30"
    assert "Wed 04:30" in told.sentence


def test_each_accounts_best_comes_before_any_second_best() -> None:
    rows = [row(lift=0.5), row(lift=0.4, hour=1), row(lift=0.1, account="b"), row(lift=0.05, account="b")]
    picked = [(one["account_id"], one["expected_lift"]) for one in rank_across_accounts(rows, 3)]
    assert picked == [("a", 0.5), ("b", 0.1), ("a", 0.4)]


def test_the_best_free_time_keeps_two_hours_to_other_posts() -> None:
    rows = [row(1, 18, 0.3), row(1, 19, 0.2), row(2, 9, 0.1)]
    best = datetime(2026, 3, 3, 18, tzinfo=UTC)
    assert choose_free_time(rows, ["a"], {}, NOON) == best
    busy = {"a": [best + timedelta(minutes=30)]}
    assert choose_free_time(rows, ["a"], busy, NOON) == datetime(2026, 3, 4, 9, tzinfo=UTC)


def test_a_full_week_leads_to_the_next() -> None:
    best = datetime(2026, 3, 3, 18, tzinfo=UTC)
    assert choose_free_time([row()], ["a"], {"a": [best]}, NOON) == best + timedelta(days=7)
    with pytest.raises(InvalidInputError) as raised:
        choose_free_time([row()], ["a"], {"a": [best, best + timedelta(days=7)]}, NOON)
    assert raised.value.code == "no_free_time"


def test_several_accounts_share_the_best_sum() -> None:
    rows = [
        row(1, 18, 0.3),
        row(2, 9, 0.2),
        row(1, 18, -0.2, account="b"),
        row(2, 9, 0.1, account="b"),
        # One hour later on this account's clocks is the same instant.
        row(3, 10, 0.9, account="b", timezone="Europe/Berlin"),
    ]
    assert choose_free_time(rows, ["a", "b"], {}, NOON) == datetime(2026, 3, 4, 9, tzinfo=UTC)
    with pytest.raises(InvalidInputError) as raised:
        choose_free_time(rows, ["a", "c"], {}, NOON)
    assert raised.value.code == "no_advised_time"
