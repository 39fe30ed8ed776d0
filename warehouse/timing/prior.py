"""Estimate what a platform's accounts have in common from their slot sums: a profile and the kernel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import SLOTS
from warehouse.timing.kernels import (
    CARRIED,
    DEFAULT_MIX,
    SLOT_VARIANCE,
    STRENGTHS,
    KernelMix,
    slot_kernel,
    smooth_covariance,
)
from warehouse.timing.levels import NOISE_MARGIN
from warehouse.timing.posterior import SlotPosts, compute_evidence, compute_forecast, weigh_evidence
from warehouse.timing.time_splits import CARRIED_RANGE, LEAST_LATE_POSTS, compare_halves

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.sums import SlotSums

    FloatArray = npt.NDArray[np.float64]

ACCOUNT_VARIANCE = 0.05  # variance of an account around its platform's profile, per slot
# Candidate strengths of the common profile, as factors on the kernel; the accounts' posts decide among them.
PROFILE_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ELSEWHERE_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # candidate weights of the other platforms' profile
FOREIGN_NOISES = tuple(
    10 ** (exponent / 2) for exponent in range(-7, 10)
)  # variances of noise in a foreign profile
FOREIGN_SD = (
    0.12  # largest sd of a foreign profile over the week without noise: what accounts share is seldom more
)
_CLEAR_NOISE = 0.04  # variance of noise that halves it
_TYPICAL_NOISE = (
    0.1  # beyond this variance, a foreign profile is made of something else than many posts' logarithms
)
_ROUNDS = 4
KERNEL_ACCOUNTS = 300  # number of accounts from which the similarity of a platform's slots is learned
_KERNEL_POSTS = 20  # accounts with fewer posts have no information about it
_LEAST_ACCOUNTS = 10  # with fewer, each account would mostly see its own posts
_DEFAULT_COUNTS = 20.0  # weight of the default, in accounts
_KERNEL_ROUNDS = 40
CARRIED_VARIANCE = 0.15  # of the share of a forecast that comes true, between platforms
# What is expected of it before the time splits are looked at, by the ratio of forecasts with the strengths as they were
# learned to those made half-way: at this ratio the default, less by this factor, and no less than this.
_USUAL_RATIO, _RATIO_SLOPE, _LEAST_EXPECTED = 0.92, 4.0, 0.6


def pool_profiles(
    count: FloatArray, mean: FloatArray, noise: FloatArray, elsewhere: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """The common profile, and for each account the profile of the others.

    Each account's slot mean is weighted by its precision, limited by the variance between accounts. The accounts'
    offsets (an account that posts only at good hours looks average to itself) are estimated too. The profile of the
    others uses the smoothing of all, which shrinks slightly more with few accounts.

    Other platforms' users are often the same people: their profile is the expectation of this one, with a weight from 0
    (nothing in common) to 1 that this platform's accounts decide.

    Args:
        count: posts per slot, (accounts, 168).
        mean: mean residual per slot, (accounts, 168).
        noise: variance of one post, (accounts,).
        elsewhere: the profile of the other platforms, (168,), mean 0; None = none is known.

    Returns:
        Shapes (168,) and (accounts, 168), log units, mean 0 over the week.
    """
    pooled = pool_accounts(count, mean, noise, elsewhere)
    return pooled.profile, pooled.leave_out_each(count, mean, noise)


def pool_elsewhere(platforms: list[SlotSums]) -> list[FloatArray]:
    """For each platform the common profile of all accounts of the others, (168,) each; 0 if there are none."""
    profiles = []
    for place in range(len(platforms)):
        others = [sums for other, sums in enumerate(platforms) if other != place and len(sums.account_ids)]
        if others:
            count, mean, noise = (
                np.concatenate(arrays)
                for arrays in zip(
                    *((sums.independent_count(), sums.mean, sums.noise) for sums in others), strict=True
                )
            )
            profiles.append(pool_profiles(count, mean, noise)[0])
        else:
            profiles.append(np.zeros(SLOTS))
    return profiles


@dataclass(frozen=True, slots=True)
class PooledProfile:
    """What a platform's accounts have in common, in a form from which any of them can be left out again."""

    profile: FloatArray
    """(168,), log units, mean 0 over the week."""
    basis: FloatArray
    """(168,) the profile of the round before, against which the accounts' offsets were estimated."""
    total: FloatArray
    """(168,) sum of all accounts' weights."""
    sums: FloatArray
    """(168,) sum of all accounts' weighted means without their offsets."""
    expected: FloatArray
    """(168,) the other platforms' profile, 0 if there is none."""
    chances: FloatArray
    """(6,) probability of each of PROFILE_STRENGTHS."""
    leaning: FloatArray
    """(6,) the same times the weight of `expected` at that strength."""

    def leave_out_each(self, count: FloatArray, mean: FloatArray, noise: FloatArray) -> FloatArray:
        """Return, for each of these accounts of the pool, the profile of the others; (accounts, 168)."""
        if not self.total.any():
            return np.tile(self.profile, (len(count), 1))
        weight = _weigh(count, noise)
        moved = _centre(weight, mean, self.basis)
        matrices = np.array([_Smoother(strength, self.total).matrix for strength in PROFILE_STRENGTHS])
        return self.expect(self.sums - moved, self.total - weight, matrices)

    def expect(self, sums: FloatArray, total: FloatArray, matrices: FloatArray) -> FloatArray:
        """Posterior mean profiles given weighted sums and their weights, (n, 168) each, mean 0 over the week."""
        found = sums @ np.einsum("k,kst->st", self.chances, matrices).T
        if self.expected.any():
            found -= (total * self.expected) @ np.einsum("k,kst->st", self.leaning, matrices).T
            found += self.leaning.sum() * self.expected
        return np.asarray(found - found.mean(axis=1, keepdims=True), np.float64)


def pool_accounts(
    count: FloatArray, mean: FloatArray, noise: FloatArray, elsewhere: FloatArray | None = None
) -> PooledProfile:
    """Pool a platform's accounts; arguments as for `pool_profiles`."""
    nothing, unknown = np.zeros(SLOTS), np.zeros(len(PROFILE_STRENGTHS))
    expected = nothing if elsewhere is None else elsewhere
    shares = np.array(ELSEWHERE_WEIGHTS if expected.any() else (0.0,))
    if not count.any():
        return PooledProfile(shares.mean() * expected, nothing, nothing, nothing, expected, unknown, unknown)
    weight = _weigh(count, noise)
    total = weight.sum(axis=0)
    smoothers = [_Smoother(strength, total) for strength in PROFILE_STRENGTHS]
    matrices = np.array([item.matrix for item in smoothers])
    pooled = PooledProfile(nothing, nothing, total, nothing, expected, unknown, unknown)
    for _ in range(_ROUNDS):
        sums = _centre(weight, mean, pooled.profile).sum(axis=0)
        left = [sums - share * total * expected for share in shares]
        evidence = np.array([[smoother.log_likelihood(values) for smoother in smoothers] for values in left])
        chance = np.exp(evidence - evidence.max())  # (weights, strengths)
        chance /= chance.sum()
        pooled = replace(
            pooled, basis=pooled.profile, sums=sums, chances=chance.sum(axis=0), leaning=shares @ chance
        )
        pooled = replace(pooled, profile=pooled.expect(sums[None], total[None], matrices)[0])
    return pooled


def _weigh(count: FloatArray, noise: FloatArray) -> FloatArray:
    return np.asarray(count / (noise[:, None] + ACCOUNT_VARIANCE * count), np.float64)


def _centre(weight: FloatArray, mean: FloatArray, profile: FloatArray) -> FloatArray:
    """Weighted means of each account without its offset from the profile."""
    per_account = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    offset = (weight * (mean - profile)).sum(axis=1, keepdims=True) / per_account
    return np.asarray(weight * (mean - offset), np.float64)


def learn_kernel(sums: SlotSums, profile: FloatArray) -> KernelMix:
    """Learn the probability of each shape and strength of the kernel from the platform's accounts.

    A hundred posts of one account have no information about it; the posts of many accounts show whether good times are
    narrow or wide. Each account's posts have a likelihood under each of the 24 kernels; expectation maximisation fits
    the probabilities to them, with the default counted as twenty more accounts.

    Args:
        sums: the platform's accounts; 300 of them, evenly spaced, are used.
        profile: each account's prior, (accounts, 168), or (1, 168) for all.
    """
    able = np.flatnonzero(sums.count.sum(axis=1) >= _KERNEL_POSTS)
    if len(able) < _LEAST_ACCOUNTS:
        return DEFAULT_MIX
    chosen = able[np.unique(np.linspace(0, len(able) - 1, KERNEL_ACCOUNTS).round().astype(np.int64))]
    some = sums.take(chosen)
    mix = some.count / some.count.sum(axis=1, keepdims=True)
    its_profile = np.broadcast_to(profile, sums.count.shape)[chosen]
    # The margin on the noise is for the intervals; here it would look like weak timing.
    posts = SlotPosts(some.count, some.mean, some.noise / NOISE_MARGIN, its_profile, mix, some.luck)
    shapes = len(DEFAULT_MIX.shapes)
    pure = [tuple(np.eye(shapes)[shape].tolist()) for shape in range(shapes)]
    evidence = np.array(
        [compute_evidence(slot_kernel(shape, strength), posts) for shape in pure for strength in STRENGTHS]
    )
    default = np.outer(DEFAULT_MIX.shapes, DEFAULT_MIX.strengths).reshape(-1)
    chances = default
    for _ in range(_KERNEL_ROUNDS):
        said = weigh_evidence(evidence, chances).sum(axis=1) + _DEFAULT_COUNTS * default
        chances = said / said.sum()
    by_shape = chances.reshape(shapes, len(STRENGTHS))
    weights = by_shape @ np.array(STRENGTHS)  # a shape is weighted by its variance
    # Level and kinds are estimated from the same posts and absorb a part of the timing effect, so the learned strengths
    # are too low: going only half of the way to them keeps the expected lifts accurate.
    strengths = (by_shape.sum(axis=0) + np.array(DEFAULT_MIX.strengths)) / 2
    mix = KernelMix(tuple((weights / weights.sum()).tolist()), tuple(strengths.tolist()))
    return replace(mix, carried=learn_carried(sums, profile, mix))


def learn_carried(sums: SlotSums, profile: FloatArray, mix: KernelMix) -> float:
    """Learn from the platform's accounts how much of a forecast effect comes true.

    Each account's older posts forecast its newer ones, with the model as it is; the slope of what came on what was
    forecast is the answer. It covers everything that makes promises too large or too small: audiences that change,
    effects that are weaker or stronger here than the kernel believes, and the winner's curse.

    Args:
        sums: the platform's accounts; those with a time split are used.
        profile: each account's prior, (accounts, 168), or (1, 168) for all.
        mix: the platform's kernel.
    """
    chosen = np.flatnonzero(sums.split.late_count.sum(axis=1) >= LEAST_LATE_POSTS)
    if len(chosen) < _LEAST_ACCOUNTS:
        return mix.carried
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, KERNEL_ACCOUNTS).round().astype(np.int64))]
    some = sums.take(chosen)
    its_profile = np.broadcast_to(profile, sums.count.shape)[chosen]
    forecast, realised, weight, early = compare_halves(some, its_profile, mix)
    told = (weight * forecast**2).sum(axis=1)
    came = (weight * forecast * realised).sum(axis=1)
    information = max(float(told.sum()), 1e-9)
    slope = came.sum() / information
    # Accounts differ, and luck that was not noticed is shared: so the error is what the accounts show.
    error = np.sqrt(np.maximum(((came - slope * told) ** 2).sum(), information)) / information
    expected = _expect_carried(early, mix, forecast, weight)
    # A slope above what is expected has been found in the nearest future: it counts as far as it is sure.
    sure = slope if slope <= CARRIED else max(slope - 0.5 * error, CARRIED)
    trust = CARRIED_VARIANCE / (CARRIED_VARIANCE + error**2)
    return float(np.clip(expected + trust * (sure - expected), *CARRIED_RANGE))


def _expect_carried(posts: SlotPosts, mix: KernelMix, forecast: FloatArray, weight: FloatArray) -> float:
    """Expect less to come true where the learned strengths are weaker than those that forecasts are made with."""
    learned = np.maximum(2 * np.array(mix.strengths) - np.array(DEFAULT_MIX.strengths), 1e-6)
    lift = compute_forecast(posts, KernelMix(mix.shapes, tuple(learned.tolist()), 1.0)).lift
    ratio = (weight * lift * forecast).sum() / max(float((weight * forecast**2).sum()), 1e-9)
    return float(np.clip(CARRIED + _RATIO_SLOPE * (ratio - _USUAL_RATIO), _LEAST_EXPECTED, CARRIED))


def denoise_profiles(profiles: FloatArray) -> FloatArray:
    """Profiles from elsewhere without their noise, whose size is unknown; (profiles, 168), log units, mean 0.

    A table of slot means is mostly noise, and may be on any scale. Each profile is taken as a smooth week of unknown
    strength plus noise of unknown size; both are averaged by how likely they make it. What is then left of a smooth
    profile is nearly all, of raw slot means little: the more noise, the less weight has the rest, too. Slots that
    stand out are cut to three robust sd first, and a profile steeper than platforms are is scaled down.
    """
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(centred), axis=1, keepdims=True)
    typical = np.where(spread > 0, spread, centred.std(axis=1, keepdims=True))
    cut = np.clip(centred, -3 * typical, 3 * typical) if len(profiles) else centred
    values, vectors = np.linalg.eigh(smooth_covariance())
    values = values.clip(0)
    turned = cut @ vectors
    evidence, means, noises = [], [], []
    for strength in (*PROFILE_STRENGTHS, 4.0):  # some profiles are steeper than an account's week can be
        for noise in FOREIGN_NOISES:
            total = strength * (values + SLOT_VARIANCE) + noise
            evidence.append(-0.5 * ((turned**2 / total) + np.log(total)).sum(axis=1))
            noises.append(noise)
            means.append(strength * (values + SLOT_VARIANCE) / total / (1 + noise / _TYPICAL_NOISE))
    log_chance = np.array(evidence)  # (candidates, profiles)
    chance = np.exp(log_chance - log_chance.max(axis=0))
    chance /= chance.sum(axis=0)
    found = (turned * (chance.T @ np.array(means))) @ vectors.T
    found -= found.mean(axis=1, keepdims=True)
    size = np.maximum(found.std(axis=1, keepdims=True), 1e-12)
    most = FOREIGN_SD / (1 + (chance.T @ np.array(noises)) / _CLEAR_NOISE)
    return np.asarray(found * np.minimum(1.0, most[:, None] / size), np.float64)


class _Smoother:
    """Maps weighted sums per slot to the posterior mean of a profile of one strength."""

    def __init__(self, strength: float, total: FloatArray) -> None:
        covariance = strength * (smooth_covariance() + SLOT_VARIANCE * np.eye(SLOTS))
        self._root = np.sqrt(total)
        scaled = self._root[:, None] * covariance
        self._whitened = np.eye(SLOTS) + scaled * self._root
        self.matrix: FloatArray = covariance - scaled.T @ np.linalg.solve(self._whitened, scaled)

    def log_likelihood(self, sums: FloatArray) -> float:
        """Log likelihood of the sums under this strength, up to a constant common to all strengths."""
        z = np.where(self._root > 0, sums / np.maximum(self._root, 1e-12), 0.0)
        return float(-0.5 * (z @ np.linalg.solve(self._whitened, z) + np.linalg.slogdet(self._whitened)[1]))
