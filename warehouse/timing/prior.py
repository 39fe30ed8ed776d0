"""Estimate what a platform's accounts have in common from their slot sums: a profile and the kernel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS, SLOTS
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
from warehouse.timing.posterior import SlotPosts, compute_evidence, weigh_evidence
from warehouse.timing.time_splits import CARRIED_RANGE, LEAST_LATE_POSTS, compare_halves

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.kernels import Kernel
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
TYPICAL_SD = 0.07  # of what the accounts of a platform share
# Factor on the expected weight of a foreign profile: it may be that of other people.
FOREIGN_WEIGHT = 0.4
# Of that weight for a profile of typical sd, before posts have been seen.
FOREIGN_WEIGHT_VARIANCE = 0.25
_SHIFTED = 0.1  # probability that a foreign profile is given in other hours than the accounts' local ones
_LARGEST_SPREAD = 0.6  # beyond it, a foreign profile is on another scale
_CLEAR_NOISE = 0.04  # variance of noise that halves it
_TYPICAL_NOISE = (
    0.1  # beyond this variance, a foreign profile is made of something else than many posts' logarithms
)
_ROUNDS = 4
KERNEL_ACCOUNTS = 300  # number of accounts from which the similarity of a platform's slots is learned
_KERNEL_POSTS = 20  # accounts with fewer posts have no information about it
_LEAST_ACCOUNTS = 10  # with fewer, each account would mostly see its own posts
_DEFAULT_COUNTS = 20.0  # weight of the default, in accounts
_KERNEL_ROUNDS = 200
_USUAL_WEIGHT = (
    1.1  # mean weight of a platform's profile on its accounts; above 1, because residuals are weakened, too
)
_WEIGHT_VARIANCE = 0.1  # ... and how well that is known
_LEAST_WEIGHT = 0.5
_SCALES = (0.06, 0.12, 0.25, 0.5, 0.8, 1.2, 1.8, 2.8)  # candidate strengths of a platform's timing ...
_SCALE_SD = 0.7  # ... and how far from the default, in log units, they may be expected
# Level, kinds and the bounds on viral posts take part of a timing effect out of the residuals (4 to 9 % for 20 to 100
# posts), so the strength of timing is learned too low. Chosen on generated worlds, where promises came true with 1.2 to
# 0.75-0.88 of what came, and with 1.5 five posts of accounts with weak effects outweighed what all accounts share.
_ABSORBED = 1.35
_LEAST_NOISE = 0.3  # share of the variance of a post's residual that is not timing, at least
CARRIED_VARIANCE = 0.15  # of the share of a forecast that comes true, between platforms


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
    """Precision of each slot's mean as a part of the profile; the margin on the noise is for intervals."""
    return np.asarray(count / (noise[:, None] / NOISE_MARGIN + ACCOUNT_VARIANCE * count), np.float64)


def _centre(weight: FloatArray, mean: FloatArray, profile: FloatArray) -> FloatArray:
    """Weighted means of each account without its offset from the profile."""
    per_account = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    offset = (weight * (mean - profile)).sum(axis=1, keepdims=True) / per_account
    return np.asarray(weight * (mean - offset), np.float64)


def learn_kernel(sums: SlotSums, profile: FloatArray) -> KernelMix:
    """Learn the probability of each shape and strength of the kernel from the platform's accounts.

    A hundred posts of one account have no information about it; the posts of many accounts show whether good times are
    narrow or wide. First the strength of timing on the whole platform is learned. Then each account's posts have a
    likelihood under each of the 24 kernels of that strength; expectation maximisation fits the probabilities to them,
    with the default counted as twenty more accounts.

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
    scale = _learn_scale(some, its_profile, mix)
    shapes = len(DEFAULT_MIX.shapes)
    pure = [tuple(np.eye(shapes)[shape].tolist()) for shape in range(shapes)]
    evidence = np.array(
        [
            _explain(slot_kernel(shape, scale * strength), some, its_profile, mix)
            for shape in pure
            for strength in STRENGTHS
        ]
    )
    default = np.outer(DEFAULT_MIX.shapes, DEFAULT_MIX.strengths).reshape(-1)
    chances = default
    for _ in range(_KERNEL_ROUNDS):
        said = weigh_evidence(evidence, chances).sum(axis=1) + _DEFAULT_COUNTS * default
        chances = said / said.sum()
    by_shape = chances.reshape(shapes, len(STRENGTHS))
    weights = by_shape @ np.array(STRENGTHS)  # a shape is weighted by its variance
    mix = KernelMix(
        tuple((weights / weights.sum()).tolist()), tuple(by_shape.sum(axis=0).tolist()), scale=scale
    )
    mix = replace(mix, weight=_learn_weight(some, its_profile))
    return replace(mix, carried=learn_carried(sums, profile, mix))


def _learn_scale(sums: SlotSums, profile: FloatArray, mix: FloatArray) -> float:
    """How much timing matters on this platform, as a factor on the default kernel.

    One account's posts cannot tell, and the probabilities of the strengths learn too slowly: they are weighed per
    account, each of which can always explain itself by another strength.
    """
    chances = np.array(DEFAULT_MIX.strengths)
    said = []
    for scale in _SCALES:
        evidence = np.array(
            [
                _explain(slot_kernel(DEFAULT_MIX.shapes, scale * strength), sums, profile, mix)
                for strength in STRENGTHS
            ]
        )
        top = evidence.max(axis=0)
        said.append((np.log(chances @ np.exp(evidence - top)) + top).sum())
    logs = np.log(_SCALES)
    log_chance = np.array(said) - 0.5 * (logs / _SCALE_SD) ** 2
    chance = np.exp(log_chance - log_chance.max())
    return float(_ABSORBED * (chance * np.exp(logs)).sum() / chance.sum())


def _learn_weight(sums: SlotSums, profile: FloatArray) -> float:
    """Learn how much of the others' profile an account has on average: the slope of its posts on that profile."""
    weight = _weigh(sums.independent_count(), sums.noise)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    expected = profile - (weight * profile).sum(axis=1, keepdims=True) / total
    information = (weight * expected**2).sum()
    score = (weight * expected * sums.mean).sum()
    learned = (_USUAL_WEIGHT + _WEIGHT_VARIANCE * score) / (1 + _WEIGHT_VARIANCE * information)
    return max(float(learned), _LEAST_WEIGHT)


def _explain(kernel: Kernel, sums: SlotSums, profile: FloatArray, mix: FloatArray) -> FloatArray:
    """Log likelihood of each account's posts under a kernel, (accounts,).

    The noise of a post was measured as the variance of the residuals, which contains the effect of timing: what this
    kernel says that it is must be taken out, or it would be counted twice, and weak timing would seem likelier. So
    would it with the margin on the noise, which is for the intervals.
    """
    noise = sums.noise / NOISE_MARGIN
    timing = mix @ ((kernel.basis**2).sum(axis=1) + kernel.slot_variance)
    timing -= ((mix @ kernel.basis) ** 2).sum(axis=1) + kernel.slot_variance * (mix**2).sum(axis=1)
    left = np.maximum(noise - timing, _LEAST_NOISE * noise)
    return compute_evidence(kernel, SlotPosts(sums.count, sums.mean, left, profile, mix, sums.luck))


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
    forecast, realised, weight = compare_halves(some, its_profile, mix)
    told = (weight * forecast**2).sum(axis=1)
    came = (weight * forecast * realised).sum(axis=1)
    information = max(float(told.sum()), 1e-9)
    slope = came.sum() / information
    # Accounts differ, and luck that was not noticed is shared: so the error is what the accounts show.
    error = np.sqrt(np.maximum(((came - slope * told) ** 2).sum(), information)) / information
    # A slope above the usual one has been found in the nearest future: it counts as far as it is sure.
    sure = slope if slope <= CARRIED else max(slope - 0.5 * error, CARRIED)
    trust = CARRIED_VARIANCE / (CARRIED_VARIANCE + error**2)
    return float(np.clip(CARRIED + trust * (sure - CARRIED), *CARRIED_RANGE))


@dataclass(frozen=True, slots=True)
class ForeignProfiles:
    """Profiles from elsewhere: their shape without the noise, and how much of it to expect; see `denoise_profiles`."""

    shape: FloatArray
    """(profiles, 168), sd TYPICAL_SD over the week and mean 0; 0 where nothing but noise is left."""
    weight: FloatArray
    """(profiles,) expected weight of the shape before any post has been seen."""


def denoise_profiles(profiles: FloatArray, count: FloatArray | None = None) -> ForeignProfiles:
    """Take the noise, whose size is unknown, out of profiles from elsewhere; (profiles, 168), log units, any scale.

    A table of slot means is mostly noise, and may be on any scale. Each profile is taken as a smooth week of unknown
    strength plus noise of unknown size; both are averaged by how likely they make it. The more noise, the less weight
    is expected of the rest; a profile steeper than platforms are has the weight of the steepest. Slots that stand out
    are cut to three robust sd first.

    Args:
        profiles: NaN = not known.
        count: posts behind each value of a single profile, (168,): the noise of a value is divided by it.
    """
    known = np.isfinite(profiles)
    share = known.astype(np.float64) if count is None else known * count
    filled = np.where(known, profiles, 0.0)
    total = np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
    centred = np.where(known, filled - (share * filled).sum(axis=1, keepdims=True) / total, np.nan)
    if count is None and not known.all() and len(profiles) > 1:
        centred, share = np.where(known, centred, 0.0), np.ones(profiles.shape)  # one decomposition for all
    shape, weight = np.zeros(profiles.shape), np.zeros(len(profiles))
    able = np.flatnonzero((share > 0).any(axis=1) & (np.nanmax(np.abs(np.nan_to_num(centred)), axis=1) > 0))
    if not len(able):
        return ForeignProfiles(shape, weight)
    values, share = centred[able], share[able]
    typical = 1.4826 * np.nanmedian(np.abs(values), axis=1, keepdims=True)
    typical = np.where(typical > 0, typical, np.nanstd(values, axis=1, keepdims=True))
    cut = np.nan_to_num(np.clip(values, -3 * typical, 3 * typical)) * np.minimum(
        1.0, _LARGEST_SPREAD / typical
    )
    root = np.sqrt(share[0] / share[0][share[0] > 0].mean())  # of the precision of each value
    covariance = smooth_covariance() + SLOT_VARIANCE * np.eye(SLOTS)
    sizes, vectors = _even_modes() if (root == 1).all() else np.linalg.eigh(root[:, None] * covariance * root)
    sizes = sizes.clip(0)
    turned = (cut * root) @ vectors
    evidence, means, factors, noises = [], [], [], []
    for strength in (*PROFILE_STRENGTHS, 4.0):  # some profiles are steeper than an account's week can be
        for noise in FOREIGN_NOISES:
            spread = strength * sizes + noise
            evidence.append(-0.5 * ((turned**2 / spread) + np.log(spread)).sum(axis=1))
            means.append(strength / spread)
            factors.append(1 / (1 + noise / _TYPICAL_NOISE))
            noises.append(noise)
    log_chance = np.array(evidence)  # (candidates, profiles)
    chance = np.exp(log_chance - log_chance.max(axis=0))
    chance /= chance.sum(axis=0)
    found = (turned * (chance.T @ np.array(means))) @ vectors.T * root @ covariance
    found -= found.mean(axis=1, keepdims=True)
    size = found.std(axis=1)
    most = FOREIGN_SD / (1 + (chance.T @ np.array(noises)) / _CLEAR_NOISE)
    shape[able] = found * np.where(size > 1e-9, TYPICAL_SD / np.maximum(size, 1e-9), 0.0)[:, None]
    weight[able] = np.minimum(size * (chance.T @ np.array(factors)), most) / TYPICAL_SD
    return ForeignProfiles(shape, weight)


@lru_cache(maxsize=1)
def _even_modes() -> tuple[FloatArray, FloatArray]:
    values, vectors = np.linalg.eigh(smooth_covariance() + SLOT_VARIANCE * np.eye(SLOTS))
    return np.asarray(values, np.float64), np.asarray(vectors, np.float64)


def weigh_foreign(found: ForeignProfiles, sums: SlotSums) -> FloatArray:
    """Weigh profiles from elsewhere by what the accounts' posts say about them; (1 or accounts, 168), log units.

    One account's posts say little: then the weight is the expected one. Those of many decide it, whatever the scale of
    the profile was. They may also show that it is given in another zone's hours (UTC instead of local): every shift by
    whole hours has a probability.
    """
    expected = FOREIGN_WEIGHT * found.weight
    weight = _weigh(sums.independent_count(), sums.noise)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    mean = sums.mean - (weight * sums.mean).sum(axis=1, keepdims=True) / total
    weights, log_chances = [], []
    for hours in range(HOURS):
        shape = np.roll(found.shape, hours, axis=1)
        fitted = shape - (weight * shape).sum(axis=1, keepdims=True) / total
        left = mean - expected[:, None] * fitted
        information = (weight * fitted**2).sum()
        surprise = (weight * fitted * left).sum()
        gain = FOREIGN_WEIGHT_VARIANCE / (1 + FOREIGN_WEIGHT_VARIANCE * information)
        likelihood = gain * surprise**2 - np.log1p(FOREIGN_WEIGHT_VARIANCE * information)
        chance = 1 - _SHIFTED if hours == 0 else _SHIFTED / (HOURS - 1)
        log_chances.append(0.5 * (likelihood - (weight * left**2).sum()) + np.log(chance))
        weights.append(np.maximum(expected + gain * surprise, 0.0))
    chances = np.exp(np.array(log_chances) - max(log_chances))
    profile = np.zeros(found.shape.shape)
    for hours, share in enumerate(chances / chances.sum()):
        profile += share * weights[hours][:, None] * np.roll(found.shape, hours, axis=1)
    return profile


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
