from __future__ import annotations

import math
from dataclasses import astuple
from itertools import pairwise
from statistics import correlation, fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.engagement import (
    COMPLETE_AFTER_S,
    SLOTS,
    Audience,
    compute_age_share,
    compute_counters,
    compute_curve,
    compute_final_engagement,
    compute_followers,
)

KINDS = st.sampled_from(["text", "link", "photo", "video"])
AGES = st.floats(min_value=-3600, max_value=30 * 86_400)


def audience(*, noise_sd: float = 0.7, seed: int = 3) -> Audience:
    return Audience(
        seed=seed,
        timezone="UTC",
        curve=compute_curve(seed, "account", sd=0.35),
        followers_at_epoch=5000.0,
        daily_growth=0.0012,
        engagement_rate=0.01,
        noise_sd=noise_sd,
    )


@given(final=st.floats(min_value=0, max_value=1e7), key=st.text(), kind=KINDS, first=AGES, second=AGES)
def test_counters_never_fall_and_never_contradict_each_other(
    final: float, key: str, kind: str, first: float, second: float
) -> None:
    younger, older = sorted((first, second))
    before = compute_counters(final, seed=1, post_key=key, kind=kind, age_seconds=younger)
    after = compute_counters(final, seed=1, post_key=key, kind=kind, age_seconds=older)
    assert all(early <= late for early, late in zip(astuple(before), astuple(after), strict=True))
    assert 0 <= after.reach <= after.impressions
    assert after.engagement <= final + 1
    assert (after.video_views > 0) <= (kind == "video")


@given(age=st.floats(min_value=COMPLETE_AFTER_S, max_value=1e9))
def test_counters_stand_still_after_two_days(age: float) -> None:
    at_two_days = compute_counters(800, seed=1, post_key="p", kind="text", age_seconds=COMPLETE_AFTER_S)
    assert compute_counters(800, seed=1, post_key="p", kind="text", age_seconds=age) == at_two_days


def test_the_age_curve_is_about_half_at_two_hours_and_has_no_step() -> None:
    assert compute_age_share(0) == 0
    assert 0.45 < compute_age_share(2 * 3600) < 0.6
    assert 0.95 < compute_age_share(COMPLETE_AFTER_S - 1) <= 1
    minutes = [compute_age_share(60.0 * minute) for minute in range(60, 2881)]
    assert max(b - a for a, b in pairwise(minutes)) < 0.01


def test_a_post_of_no_age_has_nothing() -> None:
    assert compute_counters(5000, seed=1, post_key="p", kind="video", age_seconds=0).engagement == 0


@given(seed=st.integers(0, 2**32), sd=st.floats(min_value=0.05, max_value=1.0))
def test_a_curve_has_168_slots_mean_zero_and_the_spread_asked_for(seed: int, sd: float) -> None:
    curve = compute_curve(seed, "account", sd=sd)
    assert len(curve) == SLOTS
    assert fmean(curve) == pytest.approx(0, abs=1e-9)
    assert pstdev(curve) == pytest.approx(sd)


def test_curves_differ_between_accounts_and_neighbouring_hours_are_alike() -> None:
    curve, other = compute_curve(1, "a", sd=0.35), compute_curve(1, "b", sd=0.35)
    assert curve != other
    neighbours = [abs(curve[slot] - curve[slot + 1]) for slot in range(23)]
    assert max(neighbours) < 0.6


def test_the_hidden_curve_comes_out_of_many_posts() -> None:
    who = audience(noise_sd=0.7)
    estimates = [
        fmean(
            math.log(
                compute_final_engagement(who, post_key=f"{slot}/{n}", slot=slot, kind="text", followers=5000)
            )
            for n in range(200)
        )
        for slot in range(SLOTS)
    ]
    assert correlation(estimates, who.curve) > 0.97


def test_the_noise_has_the_spread_asked_for() -> None:
    who = audience(noise_sd=1.1)
    logs = [
        math.log(compute_final_engagement(who, post_key=str(n), slot=0, kind="text", followers=5000))
        for n in range(4000)
    ]
    assert pstdev(logs) == pytest.approx(1.1, rel=0.05)


@given(day=st.integers(0, 4000), start=st.floats(0, 1), end=st.floats(0, 1))
def test_followers_grow_every_day_and_within_each(day: int, start: float, end: float) -> None:
    who = audience()
    early, late = sorted((start, end))
    assert compute_followers(who, day + early) <= compute_followers(who, day + late)
    assert compute_followers(who, day) < compute_followers(who, day + 2)
