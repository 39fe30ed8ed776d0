"""The measured worth of advised times: invariant where it must be, and right about its own error."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.timing.placement_effect import FEWEST_POSTS, Outcome, compute_effect, compute_t_quantile


def experiment(
    seed: int, posts: int = 120, *, share: float = 0.3, effect: float = 0.2, accounts: int = 3
) -> list[Outcome]:
    """Accounts of very different size; a post goes to two of them and is as lucky on both."""
    rng = random.Random(seed)
    outcomes = []
    for number in range(posts):
        recommended = rng.random() >= share
        luck = rng.gauss(0, 1.1)
        for account in rng.sample(range(accounts), min(2, accounts)):
            value = 2.0 * account + luck + rng.gauss(0, 0.4) + (effect if recommended else 0.0)
            outcomes.append(Outcome(f"p{number}", account, recommended, value))
    return outcomes


def test_the_intervals_hold_a_known_effect_as_often_as_they_say() -> None:
    held = {0.8: 0, 0.95: 0}
    errors = []
    repeats = 300
    for seed in range(repeats):
        effect = compute_effect(experiment(seed, 80))
        assert effect.difference is not None
        errors.append(effect.difference - 0.2)
        for level in held:
            low, high = effect.interval(level) or (0.0, 0.0)
            held[level] += low <= 0.2 <= high
    # Three standard errors around the nominal shares; the jackknife errs to the careful side.
    assert 0.73 <= held[0.8] / repeats <= 0.90
    assert held[0.95] / repeats >= 0.91
    assert abs(sum(errors) / repeats) < 0.05


def test_a_post_on_many_accounts_counts_once() -> None:
    rng = random.Random(5)
    once = [Outcome(f"p{n}", 0, n % 2 == 0, rng.gauss(0, 1)) for n in range(60)]
    copied = [outcome._replace(stratum=account) for outcome in once for account in range(4)]
    one, four = compute_effect(once), compute_effect(copied)
    assert four.difference == pytest.approx(one.difference)
    assert four.standard_error == pytest.approx(one.standard_error)
    assert (four.recommended, four.random) == (30, 30)


@given(
    seed=st.integers(0, 10_000),
    shifts=st.lists(st.floats(-50, 50), min_size=3, max_size=3),
    scale=st.floats(0.1, 10),
)
@settings(max_examples=25, deadline=None)
def test_accounts_are_compared_with_themselves_only(seed: int, shifts: list[float], scale: float) -> None:
    outcomes = experiment(seed)
    plain = compute_effect(outcomes)
    moved = compute_effect(
        [one._replace(value=one.value + shifts[int(str(one.stratum))]) for one in outcomes]
    )
    scaled = compute_effect([one._replace(value=one.value * scale) for one in outcomes])
    turned = compute_effect([one._replace(recommended=not one.recommended) for one in outcomes])
    assert plain.difference is not None
    assert plain.standard_error is not None
    assert moved.difference == pytest.approx(plain.difference, abs=1e-9)
    assert moved.standard_error == pytest.approx(plain.standard_error, abs=1e-9)
    assert scaled.difference == pytest.approx(plain.difference * scale)
    assert turned.difference == pytest.approx(-plain.difference)


def test_shares_that_changed_are_no_difference() -> None:
    """Better weeks with fewer random posts make the advice look good, unless weeks are compared with themselves."""
    rng = random.Random(1)
    outcomes = []
    for number in range(400):
        good = number % 2 == 0
        recommended = rng.random() >= (0.1 if good else 0.5)
        outcomes.append(
            Outcome(f"p{number}", ("a", 0.1 if good else 0.5), recommended, 3.0 * good + rng.gauss(0, 0.3))
        )
    assert abs(compute_effect(outcomes).difference or 1) < 0.1
    mixed = compute_effect([one._replace(stratum="a") for one in outcomes])
    assert (mixed.difference or 0) > 0.5


def test_too_few_posts_are_no_answer() -> None:
    few = [Outcome(f"p{n}", "a", n >= FEWEST_POSTS - 1, float(n)) for n in range(60)]
    effect = compute_effect(few)
    assert (effect.random, effect.difference, effect.interval(0.95)) == (FEWEST_POSTS - 1, None, None)
    assert compute_effect([]).difference is None
    # An account with one kind only says nothing about the other.
    apart = [Outcome(f"p{n}", n % 2, n % 2 == 0, 1.0) for n in range(80)]
    assert (compute_effect(apart).recommended, compute_effect(apart).difference) == (0, None)


def test_all_alike_is_no_effect_without_error() -> None:
    alike = [Outcome(f"p{n}", "a", n % 2 == 0, 1.0) for n in range(40)]
    effect = compute_effect(alike)
    assert (effect.difference, effect.interval(0.95)) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [(0.975, 9, 2.2622), (0.975, 30, 2.0423), (0.9, 9, 1.3830), (0.9, 15, 1.3406), (0.975, 1e6, 1.9600)],
)
def test_quantiles_are_those_of_the_tables(probability: float, degrees: float, expected: float) -> None:
    assert compute_t_quantile(probability, degrees) == pytest.approx(expected, abs=3e-4)
