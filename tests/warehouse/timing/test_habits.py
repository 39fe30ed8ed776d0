"""How often to post, which kinds and lengths: known effects are found, and nothing is known where there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.timing.habits import PACE, HabitPosts, compute_all_habits, compute_habits

MICROSECONDS_PER_HOUR = 3_600_000_000
KINDS = ["text", "photo", "video"]


def draw_posts(seed: int, accounts: int, posts: int, *, effects: bool, trap: str = "") -> HabitPosts:
    """A year of posts on busy and quiet days; days have luck of their own.

    `trap`: what may pass for an effect. "small counts": 0 to 3 engagements for most posts, "evenings": videos come in
    the evening, when any post does better, "weekdays": both more posts and more engagement than on weekends, "switch":
    from text to video on a day, with whatever else changed then.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for account in range(accounts):
        rate = rng.gamma(2, 1, 364) * (1 + 2 * (trap == "weekdays") * (np.arange(364) % 7 < 5))
        day = np.sort(rng.choice(364, posts, p=rate / rate.sum()))
        kind, length = rng.integers(0, 3, posts), rng.integers(0, 3, posts)
        hour = rng.integers(7, 23, posts)
        y = 4 + np.sin(day / 60) / 2 + rng.normal(0, 1.1, posts) + 0.3 * rng.normal(size=364)[day]
        if effects:
            y += 0.4 * (kind == 2) - 0.3 * (length == 2) - 0.3 * np.log2(np.bincount(day)[day])
        if trap == "evenings":
            kind = 2 * (rng.random(posts) < np.where(hour >= 17, 0.8, 0.2))
            y += 0.4 * (hour >= 17)
        elif trap == "switch":
            kind = 2 * (day >= 180)
            y += 0.5 * (day >= 180)
        elif trap == "weekdays":
            y += 0.4 * (day % 7 < 5)
        count = rng.poisson(np.exp(y - 4)) if trap == "small counts" else np.round(np.expm1(y).clip(0))
        published = day * 24 + hour
        order = np.argsort(published, kind="stable")
        parts.append([np.full(posts, account), *(one[order] for one in (published, count, kind, length))])
    who, published, count, kind, length = (np.concatenate(column) for column in zip(*parts, strict=True))
    return HabitPosts(who, published * MICROSECONDS_PER_HOUR, count.astype(float), kind, length)


@pytest.mark.parametrize("effects", [True, False])
def test_intervals_hold_the_truth_and_chance_is_seldom_known(*, effects: bool) -> None:
    rows = compute_habits(draw_posts(5, 60, 600, effects=effects), KINDS, ["UTC"] * 60)
    truth = {"video": 0.4, "long": -0.3, PACE: -0.3}
    for label, log_effect in truth.items():
        found = [row for row in rows if row["label"] == label]
        true = np.expm1(log_effect if effects else 0.0)
        assert len(found) == 60
        assert 0.65 < np.mean([row["low"] <= true <= row["high"] for row in found]) < 0.95
        known = np.mean([row["known"] for row in found])
        assert known > 0.5 if effects else known < 0.15


@given(seed=st.integers(0, 10_000), posts=st.integers(1, 60), accounts=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_findings_are_finite_ordered_and_of_accounts_with_enough_posts(
    seed: int, posts: int, accounts: int
) -> None:
    drawn = draw_posts(seed, accounts, posts, effects=False)
    rows = compute_all_habits(drawn, KINDS, ["UTC"] * accounts)
    assert rows == compute_habits(drawn, KINDS, ["UTC"] * accounts)
    assert not rows or posts >= 30
    for row in rows:
        assert -1 < row["low"] <= row["effect"] <= row["high"] < 100
        assert 0 <= row["account"] < accounts


def test_the_same_number_of_posts_every_day_says_nothing_about_pace() -> None:
    drawn = draw_posts(6, 1, 120, effects=False)
    every_day = replace(drawn, published=np.arange(120) * 24 * MICROSECONDS_PER_HOUR)
    assert not [row for row in compute_habits(every_day, KINDS, ["UTC"]) if row["subject"] == PACE]


@pytest.mark.parametrize(("trap", "label"), [("evenings", "video"), ("weekdays", PACE)])
def test_what_the_time_explains_is_no_effect_of_a_kind_or_of_the_pace(trap: str, label: str) -> None:
    rows = compute_habits(draw_posts(7, 60, 1000, effects=False, trap=trap), KINDS, ["UTC"] * 60)
    found = [row for row in rows if row["label"] == label]
    assert len(found) == 60
    assert np.mean([row["known"] for row in found]) < 0.17
    assert np.mean([row["low"] <= 0 <= row["high"] for row in found]) > 0.65


def test_effects_on_small_counts_are_not_shrunk() -> None:
    rows = compute_habits(draw_posts(8, 40, 1000, effects=True, trap="small counts"), KINDS, ["UTC"] * 40)
    for label, log_effect in {"video": 0.4, "long": -0.3, PACE: -0.3}.items():
        found = [row for row in rows if row["label"] == label]
        assert np.mean([np.log1p(row["effect"]) for row in found]) == pytest.approx(log_effect, abs=0.08)
        assert np.mean([row["low"] <= np.expm1(log_effect) <= row["high"] for row in found]) > 0.6


def test_one_switch_of_kinds_is_not_known_for_their_effect() -> None:
    rows = compute_habits(draw_posts(9, 20, 400, effects=False, trap="switch"), KINDS, ["UTC"] * 20)
    assert not [row for row in rows if row["subject"] == "kind"]
    assert [row for row in rows if row["subject"] == "length"]


def test_posts_without_an_engagement_count_only_for_their_day() -> None:
    drawn = draw_posts(10, 1, 300, effects=True)
    hidden = np.arange(300) % 2 == 1
    partly = replace(drawn, engagement=np.where(hidden, np.nan, drawn.engagement))
    pace = {row["label"]: row for row in compute_habits(partly, KINDS, ["UTC"])}[PACE]
    assert pace["n_posts"] == 150
    left = HabitPosts(*(getattr(drawn, name)[~hidden] for name in HabitPosts.__slots__))
    without = {row["label"]: row for row in compute_habits(left, KINDS, ["UTC"])}
    assert PACE not in without or without[PACE]["effect"] != pace["effect"]
    assert not compute_habits(replace(drawn, engagement=np.full(300, np.nan)), KINDS, ["UTC"])
