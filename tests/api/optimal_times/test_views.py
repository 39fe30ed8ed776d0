from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from api.optimal_times.views import render_optimal_time
from warehouse.scheduling.explanations import NO_EFFECT, describe_account, list_account_caveats

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""


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
        "account_posts": 400,
        "computed_at": NOON - timedelta(hours=9),
        **more,
    }


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
    worse = render_optimal_time(
        row(confidence="none", expected_lift=-0.3, lift_low=-0.5, lift_high=-0.1), None, NOON
    )
    assert worse.confidence == "worse than usual"
    assert worse.sentence.startswith("Posts around Tue 18:00 did about 30 % worse than your usual times")
    prior = render_optimal_time(row(basis="prior", n_posts=0, n_nearby=0), None, NOON)
    assert "no data from your own posts" in prior.sentence


def test_a_slot_can_be_told_in_another_zone() -> None:
    told = render_optimal_time(row(weekday=1, hour=23), ZoneInfo("Asia/Kolkata"), NOON)
    assert (told.weekday, told.hour, told.timezone) == (2, 4, "Asia/Kolkata")
    assert told.next_at.isoformat() == "2026-03-04T04:30:00+05:30"
    assert "Wed 04:30" in told.sentence


def test_the_verdict_says_no_effect_nothing_of_its_own_and_nothing_at_all() -> None:
    assert "Timing seems to matter (medium confidence)" in describe_account(row(), NOON)
    none = describe_account(row(confidence="none"), NOON)
    assert none.startswith("No reliable timing effect")
    assert "Post when it suits you" in none
    assert "None of this account's posts has been measured" in describe_account(row(account_posts=0), NOON)
    assert "Nothing has been computed" in describe_account(None, None)


def test_few_posts_and_old_figures_are_caveats() -> None:
    assert list_account_caveats(row(), NOON) == []
    (few,) = list_account_caveats(row(account_posts=40), NOON)
    assert few.startswith("Only 40 measured posts")
    (old,) = list_account_caveats(row(), NOON + timedelta(days=5))
    assert old.startswith("Computed 5 days ago")
