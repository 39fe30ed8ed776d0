"""Situations in which a timing model fools itself: one small world each, see `benchmarks/timing_faults.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.errors import InvalidInputError
from warehouse.timing.counts import LUCK_SIZES, expect_information, expect_luck
from warehouse.timing.kernels import DEFAULT_MIX
from warehouse.timing.luck import SharedLuck, estimate_luck, no_luck
from warehouse.timing.model import compute_optimal_times, compute_platform_prior, compute_slot_sums
from warehouse.timing.posterior import SlotPosts, compute_forecast
from warehouse.timing.prior import denoise_profiles, weigh_foreign
from warehouse.timing.scores import score_sums
from warehouse.timing.sums import NEVER, SlotSums, TimeSplit
from warehouse.timing.time_splits import compute_own_shares
from warehouse.timing.verdict import SIGNIFICANCE, compute_chance

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from generate_histories import START, make_world
from timing_faults import (
    advise,
    as_arrays,
    measure_boosted,
    measure_day_luck,
    measure_foreign,
    measure_honesty,
    measure_verdict,
    measure_viral,
)

QUICK = settings(max_examples=25, deadline=None)


def test_one_viral_post_does_not_decide() -> None:
    rows = [row for row in measure_viral(31, 0.4) if row["n"] <= 100]
    assert max(row["viral_hour_recommended"] for row in rows) <= 0.2
    assert sum(row["viral_hour_recommended"] for row in rows) / len(rows) <= 0.1


def test_luck_shared_by_a_day_is_no_timing() -> None:
    rows = {row["case"]: row for row in measure_day_luck(32, 0.3)}
    timed = rows.pop("day sd 0.5, with timing")
    for row in rows.values():
        assert row["labelled_high"] <= 0.05
        assert row["promised"] < 0.2
    assert timed["share_of_oracle"] > 0.25


def test_correlated_noise_of_zero_changes_nothing() -> None:
    """The general solution agrees with the fast one where no luck is shared."""
    sums = compute_slot_sums(make_world(33, accounts=5, posts=200).posts)
    mix = sums.count / sums.count.sum(axis=1, keepdims=True)
    profile = np.random.default_rng(1).normal(0, 0.1, sums.count.shape)
    nothing = SharedLuck(np.arange(5), np.zeros(5), np.zeros((5, 7, 24, 24), np.float32))
    plain, general = (
        compute_forecast(SlotPosts(sums.count, sums.mean, sums.noise, profile, mix, luck))
        for luck in (None, nothing)
    )
    for field in ("lift", "sd", "p_better", "learned"):
        np.testing.assert_allclose(getattr(plain, field), getattr(general, field), rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 10_000), posts=st.integers(1, 40), days=st.integers(1, 20))
@QUICK
def test_covariance_of_shared_luck_is_what_counting_pairs_gives(seed: int, posts: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.integers(0, 24 * days, posts * days))
    day = hours // 24
    residual = rng.normal(0, 2, days)[day] + rng.normal(0, 0.3, len(hours))
    account = np.zeros(len(hours), dtype=np.int64)
    luck = estimate_luck(account, hours, residual - residual.mean(), np.ones(len(hours)), np.array([4.0]))
    assert np.isfinite(luck.blocks).all()
    for block in luck.blocks.astype(float).reshape(-1, 24, 24):
        np.testing.assert_allclose(block, block.T, atol=1e-5)
        assert np.linalg.eigvalsh(block).min() > -1e-4


@given(seed=st.integers(0, 10_000), posts=st.integers(1, 300))
@QUICK
def test_chance_is_a_probability_and_no_slot_is_called_better_without_it(seed: int, posts: int) -> None:
    rng = np.random.default_rng(seed)
    world = make_world(seed, accounts=2, posts=posts, effect_sd=rng.choice([0.0, 0.5]))
    table = score_sums(compute_slot_sums(world.posts), np.zeros((1, 168)))
    chance = table["p_chance"]
    assert ((chance >= 0) & (chance <= 1)).all()
    assert (chance == chance[:, :1]).all(), "one test for the whole week"
    assert (table["confidence"][chance > SIGNIFICANCE] == 0).all()


def test_accounts_without_an_effect_are_told_so_and_those_with_one_too() -> None:
    null = [
        measure_verdict(advise(make_world(34, accounts=80, posts=posts, effect_sd=0.0).posts))
        for posts in (100, 1000)
    ]
    assert sum(row["verdict"] for row in null) / 2 <= 0.12
    block = make_world(35, accounts=50, posts=1000, shape="block", best=0.3)
    assert measure_verdict(advise(block.posts))["verdict"] >= 0.7


@pytest.mark.parametrize("shared", [False, True])
def test_one_block_of_good_hours_is_found_and_chance_is_not(*, shared: bool) -> None:
    """Three hours with +30 % on all days, 1,000 posts over all slots: the score test alone finds less than half."""
    rng, accounts = np.random.default_rng(35), 300
    count = rng.poisson(6.0, (accounts, 168)).astype(float)
    noise = np.full(accounts, 0.8**2)
    luck = no_luck(accounts)
    if shared:  # noticed, but of size 0: the general solution
        luck = SharedLuck(
            np.arange(accounts), np.zeros(accounts), np.zeros((accounts, 7, 24, 24), np.float32)
        )
    chance = rng.normal(0, 0.8, count.shape) / np.sqrt(np.maximum(count, 1)) * (count > 0)
    hour, first = np.arange(168) % 24, rng.integers(0, 24, (accounts, 1))
    timed = chance + ((hour - first) % 24 < 3) * np.log(1.3) * (count > 0)
    mix = count / count.sum(axis=1, keepdims=True)
    found = [
        (
            compute_chance(SlotPosts(count, mean, noise, np.zeros_like(count), mix, luck)) <= SIGNIFICANCE
        ).mean()
        for mean in (chance, timed)
    ]
    assert found[0] <= 0.14
    assert found[1] >= 0.6


def test_an_account_shows_by_its_own_split_how_much_comes_true() -> None:
    rng, accounts = np.random.default_rng(36), 40
    effect = np.tile(0.3 * np.sin(np.arange(24) / 24 * 2 * np.pi), (accounts, 7))
    count, noise = np.full((accounts, 168), 12.0), np.full(accounts, 1.2)

    def posts(timing: float) -> np.ndarray:
        return timing * effect + rng.normal(0, np.sqrt(1.2 / 12), effect.shape)

    factors = {}
    for name, later in (("stayed", 1.0), ("gone", 0.0)):
        sums = SlotSums(
            [str(number) for number in range(accounts)],
            *(2 * count, 2 * count, posts(1.0), noise, no_luck(accounts), 2 * count),
            *(np.zeros(accounts), np.full(accounts, NEVER)),
            TimeSplit(count, posts(1.0), count, posts(later)),
        )
        factor, error = compute_own_shares(sums, np.zeros_like(count), DEFAULT_MIX)
        factors[name] = factor
        assert ((error > 0) & (error < 0.5)).all()
    assert 0.9 < factors["stayed"].mean() < 1.15
    assert factors["gone"].mean() < 0.5


def test_interval_holds_the_truth_where_most_posts_have_no_engagement() -> None:
    for rate in (0.06, 0.3, 1.6):
        world = make_world(36, accounts=30, posts=600, rate=rate)
        honest = measure_honesty(world, advise(world.posts))
        assert honest["coverage_all_slots"] > 0.7, rate


@given(seed=st.integers(0, 10_000), size=st.sampled_from(range(len(LUCK_SIZES))), rate=st.floats(-4, 3))
@QUICK
def test_scores_of_counts_are_zero_on_average_and_vary_as_expected(seed: int, size: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    posts = 20_000
    count = rng.poisson(np.exp(rate + LUCK_SIZES[size] * rng.normal(size=posts))).astype(float)
    of_post, log_rate = np.full(posts, size), np.full(posts, rate)
    score = expect_luck(of_post, log_rate, count) / LUCK_SIZES[size]
    information = expect_information(of_post, log_rate)[0]
    assert abs(score.mean()) < 6 * np.sqrt(information / posts)
    assert 0.8 < (score**2).mean() / information < 1.25


def test_a_moved_audience_is_noticed_and_told_and_a_loyal_one_is_not() -> None:
    told, kept = {}, {}
    for moved in (0.7, None):
        world = make_world(37, accounts=15, posts=2500, moved=moved, effect_sd=0.3)
        sums = compute_slot_sums(world.posts)
        likely = sums.moved_at != NEVER
        told[moved] = likely.mean()
        kept[moved] = sums.count.sum(axis=1) / 2500
        if moved:
            since = (sums.moved_at[likely] / 3.6e9 - START.timestamp() / 3600) / (52 * 168)
            assert np.abs(since - moved).mean() < 0.15
    assert told[0.7] > 0.3
    assert told[None] <= 0.08
    # Posts weigh by the probability that they are not out of date.
    assert kept[None].mean() > 0.9 > kept[0.7].mean() + 0.1
    few = make_world(38, accounts=10, posts=150, effect_sd=0.3)
    sums = compute_slot_sums(few.posts)
    assert (sums.count.sum(axis=1)[sums.moved_at == NEVER] == 150).all(), "so few posts cannot tell"


def test_a_prior_of_raw_slot_means_does_no_harm() -> None:
    rows = {row["case"]: row["share_of_oracle"] for row in measure_foreign(38, 0.5)}
    for shape in ("bumps", "kernel"):
        assert rows[f"{shape}: raw slot means"] > rows[f"{shape}: none"] - 0.06
        assert rows[f"{shape}: log slot means"] > rows[f"{shape}: none"] - 0.06


@given(seed=st.integers(0, 10_000), scale=st.floats(0.001, 100))
@QUICK
def test_what_is_left_of_a_foreign_profile_is_bounded_and_of_noise_it_is_little(
    seed: int, scale: float
) -> None:
    noise = scale * np.random.default_rng(seed).normal(size=(3, 168))
    left = denoise_profiles(noise)
    assert np.isfinite(left.shape).all()
    assert np.abs(left.shape.mean(axis=1)).max() < 1e-9
    expected = left.weight[:, None] * left.shape
    assert expected.std() < min(0.6 * noise.std() + 1e-4, 0.15)


def test_a_smooth_foreign_profile_stays_and_gaps_and_few_posts_do_not_spoil_it() -> None:
    smooth = 0.2 * np.cos(2 * np.pi * (np.arange(168) % 24) / 24)[None]
    rng = np.random.default_rng(0)
    assert np.corrcoef(denoise_profiles(smooth).shape[0], smooth[0])[0, 1] > 0.99
    gaps = np.where(rng.random((1, 168)) < 0.3, np.nan, smooth)
    assert np.corrcoef(denoise_profiles(gaps).shape[0], smooth[0])[0, 1] > 0.95
    count = np.where(np.arange(168) % 2, 1000.0, 1.0)  # every other value is worthless, and says so
    mixed = np.where(np.arange(168) % 2, smooth, rng.normal(size=(1, 168)))
    assert np.corrcoef(denoise_profiles(mixed, count).shape[0], smooth[0])[0, 1] > 0.9
    assert not denoise_profiles(np.full((2, 168), 3.0)).shape.any(), "a constant says nothing"


def test_accounts_decide_how_much_of_a_foreign_profile_counts_and_in_which_hours() -> None:
    """A useful one is found on any scale and if it is given in UTC; one of noise or of others is left out."""
    world = make_world(39, accounts=120, posts=100, shape="kernel", shared=0.4)
    sums = compute_slot_sums(world.posts)
    true = world.effect.mean(axis=0)
    found = {
        name: weigh_foreign(denoise_profiles(profile[None]), sums)[0]
        for name, profile in {
            "as it is": true,
            "percent": 100 * true,
            "five hours later": np.roll(true, 5),
            "turned round": -true,
            "constant": np.ones(168),
        }.items()
    }
    for name in ("as it is", "percent", "five hours later"):
        assert np.corrcoef(found[name], true)[0, 1] > 0.8, name
        assert 0.5 < found[name].std() / true.std() < 1.5, name
    assert found["turned round"].std() < 0.3 * true.std()
    assert not found["constant"].any()


def test_a_foreign_prior_may_lack_slots_and_bring_its_counts() -> None:
    week = pd.DataFrame({"weekday": np.arange(168) // 24, "hour": np.arange(168) % 24})
    week["log_effect"] = np.cos(week["hour"] / 24 * 2 * np.pi)
    history = make_world(40, accounts=2, posts=30).posts
    whole = compute_optimal_times(history, prior=week)["expected_lift"]
    for prior in (
        week.assign(log_effect=week["log_effect"].where(week["weekday"] != 3)),
        week[week["weekday"] != 3],
        week.assign(n_posts=5),
    ):
        lift = compute_optimal_times(history, prior=prior)["expected_lift"]
        assert np.corrcoef(lift, whole)[0, 1] > 0.9
    for prior, words in (
        (week.head(50), "50 of the 168 slots"),
        (week.assign(n_posts=-1), "n_posts must be a finite number"),
        (week.assign(count="many"), "count must be a number"),
        (week.assign(log_effect=np.inf), "finite"),
        (week.assign(hour=week["hour"] + 0.5), "whole numbers"),
    ):
        with pytest.raises(InvalidInputError, match=words) as caught:
            compute_optimal_times(history, prior=prior)
        assert caught.value.field == "prior"


def test_few_posts_do_not_outweigh_the_profile_of_a_platform_where_timing_matters_little() -> None:
    """They did where the platform was believed to have timing as strong as usual."""
    world = make_world(42, accounts=180, posts=100, effect_sd=0.1)
    number = world.posts["account_id"].str[-5:].astype(int)
    prior = compute_platform_prior(world.posts[number < 120])
    assert prior.attrs["kernel"]["scale"] < 0.5
    own = world.posts[number >= 120].groupby("account_id").sample(10, random_state=1)
    answer = as_arrays(compute_optimal_times(own, prior=prior))["expected_lift"]
    gained = world.effect[120:][np.arange(60), answer.argmax(axis=1)]
    assert gained.mean() > world.effect[120:, prior["log_effect"].argmax()].mean() - 0.02


def test_paid_and_deleted_posts_are_left_out_and_unmarked_promotion_is_named() -> None:
    unmarked, marked = measure_boosted(39, 0.3)
    assert unmarked["labelled_high"] <= 0.3
    assert unmarked["named"] >= 0.5
    assert marked["labelled_high"] <= 0.1
    assert marked["named"] == 0
    history = make_world(39, accounts=1, posts=50).posts
    flags = np.arange(50) % 5 == 0
    plain = compute_optimal_times(history[~flags])
    for column in ("paid", "deleted"):
        flagged = history.assign(**{column: pd.array(np.where(flags, True, None), dtype="boolean")})
        pd.testing.assert_frame_equal(compute_optimal_times(flagged), plain)
    with pytest.raises(InvalidInputError, match="paid has values"):
        compute_optimal_times(history.assign(paid="maybe"))
