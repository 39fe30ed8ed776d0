"""Compute the results of each slot from its sums: lift, interval, basis, confidence, score. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.timing.batches import map_batches
from warehouse.timing.clusters import find_clusters
from warehouse.timing.history import HOURS, SLOTS
from warehouse.timing.kernels import DEFAULT_MIX, KernelMix
from warehouse.timing.moves import LIKELY
from warehouse.timing.posterior import SlotPosts, compute_forecast, normal_cdf
from warehouse.timing.sums import OWN_SPLIT_POSTS
from warehouse.timing.time_splits import LEAST_LATE_POSTS, compute_own_shares
from warehouse.timing.verdict import SIGNIFICANCE, compute_chance

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.sums import SlotSums

    FloatArray = npt.NDArray[np.float64]

Z_80 = 1.2816
UNSEEN_LIFT = 0.05  # a platform's profile alone gained 2-4 %: the limit for accounts without own posts
# Factor on the error of an account whose audience moved: of 80 % ranges, .52 to .60 held in simulations without it.
_MOVED_SD = 1.8
_NEARBY_HOURS = 2
_BATCH_ACCOUNTS = 250

BASES = ("prior", "mixed", "own")
CONFIDENCES = ("none", "low", "medium", "high")
_NUMBERS = ("expected_lift", "lift_low", "lift_high", "p_better", "score", "p_chance")
_CODES = {
    "n_posts": np.int64,
    "n_nearby": np.int64,
    "basis": np.int8,
    "confidence": np.int8,
    "suspicious": np.bool_,
}


def score_sums(
    sums: SlotSums, prior: FloatArray, kernel: KernelMix = DEFAULT_MIX
) -> dict[str, npt.NDArray[Any]]:
    """All results of every slot, (accounts, 168) each, by the column names of `compute_optimal_times`.

    `basis` and `confidence` are indices into BASES and CONFIDENCES. `prior` is the platform's profile, (1, 168) for all
    accounts or (accounts, 168); `kernel` is its kernel mix.
    """
    accounts = len(sums.account_ids)
    table: dict[str, npt.NDArray[Any]] = {key: np.empty((accounts, SLOTS)) for key in _NUMBERS}
    table |= {key: np.empty((accounts, SLOTS), dtype) for key, dtype in _CODES.items()}

    def score(first: int) -> None:
        part = slice(first, min(first + _BATCH_ACCOUNTS, accounts))
        profile = prior if len(prior) == 1 else prior[part]
        for key, values in _score_slots(sums, part, profile, kernel).items():
            table[key][part] = values

    map_batches(score, range(0, accounts, _BATCH_ACCOUNTS))
    return table


def _score_slots(
    sums: SlotSums, part: slice, prior: FloatArray, kernel: KernelMix
) -> dict[str, npt.NDArray[Any]]:
    count, rows = sums.count[part], sums.rows[part]
    n = sums.habit[part].sum(axis=1, keepdims=True)
    unseen = n == 0
    mix = np.where(unseen, 1.0 / SLOTS, sums.habit[part] / np.maximum(n, 1.0))
    luck = sums.luck.take(np.arange(len(sums.account_ids))[part])
    posts = SlotPosts(
        count, sums.mean[part], sums.noise[part], np.broadcast_to(prior, count.shape), mix, luck
    )
    forecast = compute_forecast(posts, kernel)
    lift = np.where(unseen, _lift_of_unseen(forecast.lift), forecast.lift)
    sd, p_better = forecast.sd, np.where(unseen, normal_cdf(lift / forecast.sd), forecast.p_better)
    own = np.flatnonzero(
        (n[:, 0] >= OWN_SPLIT_POSTS) & (sums.split.late_count[part].sum(axis=1) >= LEAST_LATE_POSTS)
    )
    if len(own):
        share, error = compute_own_shares(sums.take(own + (part.start or 0)), posts.profile[own], kernel)
        sd = sd.copy()
        sd[own] = np.hypot(sd[own], error[:, None] * lift[own])
        lift[own] *= share[:, None]
        p_better[own] = normal_cdf(lift[own] / sd[own])
    told = np.flatnonzero(sums.moved[part] > LIKELY)
    if len(told):
        sd = sd.copy()
        sd[told] *= _MOVED_SD
        p_better[told] = normal_cdf(lift[told] / sd[told])
    low, high = lift.min(axis=1, keepdims=True), lift.max(axis=1, keepdims=True)
    spread = high - low
    by_hour = rows.reshape(-1, 7, HOURS).sum(axis=1)
    nearby = sum(np.roll(by_hour, shift, axis=1) for shift in range(-_NEARBY_HOURS, _NEARBY_HOURS + 1))
    sure = (p_better >= 0.80).astype(np.int64) + (p_better >= 0.95) + ((p_better >= 0.99) & (n >= 300))
    confidence = np.where(unseen, np.minimum(sure, 1), sure)
    chance = compute_chance(posts)[:, None]
    confidence = np.where((chance <= SIGNIFICANCE) | unseen, confidence, 0)
    # Promotion at a fixed hour looks like the best of times: never more than `low` confidence, and named.
    # The hours around lean on it and are treated alike.
    clusters = find_clusters(count, posts.mean, posts.noise)
    suspicious = np.tile(clusters, (1, 7))
    near = sum(np.roll(clusters, shift, axis=1) for shift in range(-_NEARBY_HOURS, _NEARBY_HOURS + 1))
    leaning = np.tile(np.asarray(near) > 0, (1, 7))
    confidence = np.where(leaning, np.minimum(confidence, 1), confidence)
    return {
        "suspicious": suspicious,
        "p_chance": np.where(unseen, np.nan, np.broadcast_to(chance, lift.shape)),
        "expected_lift": np.expm1(lift),
        "lift_low": np.expm1(lift - Z_80 * sd),
        "lift_high": np.expm1(lift + Z_80 * sd),
        "p_better": p_better,
        "n_posts": rows.astype(np.int64),
        "n_nearby": (np.tile(nearby, (1, 7)) - rows).astype(np.int64),
        "basis": np.where(unseen, 0, 1 + (forecast.learned >= 0.5)),
        "confidence": confidence,
        "score": np.where(
            spread > 1e-9, np.clip(100 * (lift - low) / np.maximum(spread, 1e-9), 0, 100), 50.0
        ),
    }


def _lift_of_unseen(lift: FloatArray) -> FloatArray:
    """Lift without own posts: there is no own habit to compare with, so it is limited to 0 to 5 %."""
    highest = np.maximum(lift.max(axis=1, keepdims=True), 1e-12)
    promised: FloatArray = np.maximum(lift * np.minimum(1.0, np.log1p(UNSEEN_LIFT) / highest), 0.0)
    return promised
