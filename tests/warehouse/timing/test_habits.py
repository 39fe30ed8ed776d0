"""How often to post, which kinds and lengths: known effects are found, and nothing is known where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.timing.habits import PACE, HabitPosts, compute_all_habits, compute_habits

MICROSECONDS_PER_DAY = 86_400_000_000
KINDS = ["text", "photo", "video"]


def draw_posts(seed: int, accounts: int, posts: int, *, effects: bool) -> HabitPosts:
    """A year of posts on busy and quiet days; days have luck of their own."""
    rng = np.random.default_rng(seed)
    parts = []
    for account in range(accounts):
        rate = rng.gamma(2, 1, 364)
        day = np.sort(rng.choice(364, posts, p=rate / rate.sum()))
        kind, length = rng.integers(0, 3, posts), rng.integers(0, 3, posts)
        y = 4 + np.sin(day / 60) / 2 + rng.normal(0, 1.1, posts) + 0.3 * rng.normal(size=364)[day]
        if effects:
            y += 0.4 * (kind == 2) - 0.3 * (length == 2) - 0.3 * np.log2(np.bincount(day)[day])
        parts.append((np.full(posts, account), day, np.round(np.expm1(y).clip(0)), kind, length))
    account, day, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return HabitPosts(account, day * MICROSECONDS_PER_DAY, *rest)


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
    every = np.arange(120) * MICROSECONDS_PER_DAY
    every_day = HabitPosts(drawn.account, every, drawn.engagement, drawn.kind, drawn.length)
    assert not [row for row in compute_habits(every_day, KINDS, ["UTC"]) if row["subject"] == PACE]
