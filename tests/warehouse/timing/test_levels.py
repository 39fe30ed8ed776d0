"""What is taken out of engagement before timing is looked at: jumps of the level, and how viral luck is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.timing.age import DEFAULT_AGE_CURVE
from warehouse.timing.breaks import after_break
from warehouse.timing.history import PostArrays
from warehouse.timing.levels import MICROSECONDS_PER_DAY, compute_residuals, robust_spread

QUICK = settings(max_examples=30, deadline=None)


def posts_of(y: list[np.ndarray]) -> PostArrays:
    """Accounts with two posts a day, one log engagement each."""
    account = np.repeat(np.arange(len(y)), [len(values) for values in y])
    place = np.concatenate([np.arange(len(values)) for values in y]) if y else np.zeros(0, dtype=np.int64)
    size = len(account)
    return PostArrays(
        account,
        (place * MICROSECONDS_PER_DAY) // 2,
        np.exp(np.concatenate(y)) if y else np.zeros(0),
        np.zeros(size, dtype=np.int64),
        np.full(size, np.inf),
        np.ones(size),
    )


@given(seed=st.integers(0, 10_000), before=st.integers(30, 200), after=st.integers(30, 200))
@QUICK
def test_a_jump_is_found_where_it_is_and_only_there(seed: int, before: int, after: int) -> None:
    rng = np.random.default_rng(seed)
    jumping = np.concatenate((rng.normal(5, 1, before), rng.normal(9, 1, after)))
    calm = 5 + np.sin(np.arange(before + after) / 60) + rng.normal(0, 1, before + after)
    values = np.concatenate((calm, jumping))
    found = after_break(posts_of([calm, jumping]), values, np.array([1.0, 1.0]))
    moment = before + after + np.argmax(found[before + after :])
    assert abs(moment - (2 * before + after)) <= 2
    assert (np.diff(found[before + after :]) >= 0).all()


def test_luck_alone_is_seldom_a_jump() -> None:
    rng = np.random.default_rng(0)
    y = [rng.normal(5, 1, 300) for _ in range(200)]
    found = after_break(posts_of(y), np.concatenate(y), np.ones(200)).reshape(200, 300)
    assert found.any(axis=1).mean() < 0.1


@pytest.mark.parametrize("size", [0, 1, 19])
def test_too_few_posts_have_no_jump(size: int) -> None:
    y = np.where(np.arange(size) < size // 2, 0.0, 50.0)
    assert not after_break(posts_of([y]), y, np.ones(1)).any()


def test_a_jump_leaves_nothing_in_the_residuals() -> None:
    rng = np.random.default_rng(1)
    y = np.concatenate((rng.normal(4, 1, 150), rng.normal(8, 1, 150)))
    residual, _ = compute_residuals(posts_of([y]), 1, DEFAULT_AGE_CURVE)
    for around in (slice(130, 150), slice(150, 170)):
        assert abs(residual[around].mean()) < 0.5, "a smooth level leaves -2 before the jump and +2 after it"


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    sd=st.floats(0.2, 2.0),
)
@QUICK
def test_spread_and_tails_are_those_of_the_posts(seed: int, sizes: list[int], sd: float) -> None:
    rng = np.random.default_rng(seed)
    residual = [sd * rng.standard_t(3, size).clip(-2.4, 2.4) for size in sizes]
    spread, tails = robust_spread(np.concatenate(residual), posts_of(residual), len(sizes))
    for row, values in enumerate(residual):
        middle = np.sort(np.abs(values))[[(len(values) - 1) // 2, len(values) // 2]]
        assert 1.4826 * (middle[0] - 0.02) <= max(spread[row], 0.1 + 1e-9)
        assert spread[row] <= max(1.4826 * (middle[1] + 0.02), 0.1 + 1e-9)
        near = [(np.abs(values) > 2.5 * spread[row] + shift).mean() for shift in (0.02, -0.02)]
        assert near[0] - 1e-9 <= tails[row] <= near[1] + 1e-9


def test_normal_luck_is_hardly_clipped_and_viral_luck_is() -> None:
    rng = np.random.default_rng(2)
    normal, viral = rng.normal(6, 1, 2000), 6 + rng.standard_t(2.5, 2000)
    highest = []
    for y in (normal, viral):
        residual, _ = compute_residuals(posts_of([y]), 1, DEFAULT_AGE_CURVE)
        highest.append(np.abs(residual).max() / (1.4826 * np.median(np.abs(y - 6))))
    assert highest[0] > 2.7
    assert highest[1] < 2.1
