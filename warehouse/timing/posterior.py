"""Gaussian process over the 168 slots of a week, for many accounts at once. Pure.

Timing matters more to some accounts than to others, so three strengths of the kernel are fitted to each account and
averaged by how well each explains its posts: an account whose posts show no pattern gets no lift.

The kernel's smooth part is stored as its leading eigenvectors (`kernels`), so that one fit costs a 50 x 50 inverse
instead of a 168 x 168 one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import erfc, sqrt
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS, SLOTS
from warehouse.timing.kernels import DEFAULT_MIX, STRENGTHS, KernelMix, slot_kernel

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.kernels import Kernel
    from warehouse.timing.luck import SharedLuck

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

PROFILE_WEIGHT_VARIANCE = 0.1  # of the weight of the platform's profile, between accounts
MOST_CERTAIN = 0.5  # part of the posterior variance that remains where forecasts proved too cautious


@dataclass(frozen=True, slots=True)
class SlotPosts:
    """Input of the fit for some accounts: all (accounts, 168) except `noise`, which is (accounts,)."""

    count: FloatArray
    mean: FloatArray  # mean residual, 0 where there is no post
    noise: FloatArray  # variance of one post
    profile: FloatArray  # the platform's, as estimated: what the account's week is expected to be
    mix: FloatArray  # share of the account's posts, rows sum to 1
    luck: SharedLuck | None = (
        None  # covariance of slot means from luck that posts share; None = no account has any
    )

    def take(self, rows: IntArray) -> SlotPosts:
        """A subset of the accounts, by their indices."""
        luck = None if self.luck is None else self.luck.take(rows)
        return SlotPosts(
            self.count[rows], self.mean[rows], self.noise[rows], self.profile[rows], self.mix[rows], luck
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """Log lift of each slot against the account's own mix: (accounts, 168) each."""

    lift: FloatArray
    sd: FloatArray
    p_better: FloatArray
    learned: FloatArray  # share of the prior variance removed by the account's own posts


def compute_forecast(posts: SlotPosts, mix: KernelMix = DEFAULT_MIX) -> Forecast:
    """The mean of the fits at each strength, weighted by the evidence of the account's own posts."""
    posts = replace(posts, profile=mix.weight * posts.profile)
    fits = [_fit(slot_kernel(mix.shapes, mix.scale * strength), posts, mix.carried) for strength in STRENGTHS]
    weights = weigh_evidence(np.array([fit.evidence for fit in fits]), np.array(mix.strengths))

    def average(values: list[FloatArray]) -> FloatArray:
        return np.asarray(np.einsum("ka,kas->as", weights, np.array(values)), np.float64)

    lift = average([fit.lift for fit in fits])
    square = average([fit.lift**2 + fit.variance for fit in fits])
    return Forecast(
        lift=lift,
        sd=np.sqrt(np.maximum(square - lift**2, 1e-12)),
        p_better=average([normal_cdf(fit.lift / np.sqrt(fit.variance)) for fit in fits]),
        learned=average([fit.learned for fit in fits]),
    )


def compute_evidence(kernel: Kernel, posts: SlotPosts) -> FloatArray:
    """Log likelihood of each account's posts under a kernel, up to a constant common to all kernels: (accounts,)."""
    plain, shared = split_by_luck(posts)
    evidence = np.empty(len(posts.count))
    if len(plain):
        evidence[plain] = _solve(kernel, posts.take(plain)).evidence
    if len(shared):
        evidence[shared] = _solve_shared(kernel, posts.take(shared)).evidence
    return evidence


def weigh_evidence(evidence: FloatArray, chances: FloatArray) -> FloatArray:
    """Posterior probability of each kernel given an account's posts: (kernels, accounts), columns sum to 1.

    Args:
        evidence: log likelihoods, (kernels, accounts).
        chances: prior probability of each kernel, (kernels,), all above 0.
    """
    log_weights = evidence + np.log(chances)[:, None]
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return np.asarray(weights / weights.sum(axis=0), np.float64)


@dataclass(frozen=True, slots=True)
class _Solution:
    """The posterior of the coefficients, and its inputs."""

    prior: FloatArray  # (accounts, 168) the profile at its prior weight
    profile: FloatArray  # (accounts, 168) the profile at one sd of an account's own weight
    alone: FloatArray  # (accounts, 168) share of a slot's surprise attributed to the single slot
    surprise: FloatArray  # (accounts, 168)
    covariance: FloatArray  # (accounts, rank + 1, rank + 1)
    weights: FloatArray  # (accounts, rank + 1)
    evidence: FloatArray  # (accounts,)


@dataclass(frozen=True, slots=True)
class _Fit:
    lift: FloatArray
    variance: FloatArray
    learned: FloatArray
    evidence: FloatArray  # (accounts,) log likelihood, up to a constant common to all strengths


def _solve(kernel: Kernel, posts: SlotPosts) -> _Solution:
    """Posterior under one kernel.

    f = basis @ z + own profile weight x profile + each slot's own part, with z and the others independent.
    Sums of s x basis_i x basis_j over slots are products with `kernel.pairs`: one large matrix product for all
    accounts; a small one for each account would take ten times as long.
    """
    rank = kernel.basis.shape[1]
    profile = np.sqrt(PROFILE_WEIGHT_VARIANCE) * posts.profile
    prior = posts.profile
    spread = posts.noise[:, None] + kernel.slot_variance * posts.count
    precision = posts.count / spread  # 0 where a slot is empty
    surprise = posts.mean - prior

    information = np.empty((len(prior), rank + 1, rank + 1))
    packed = precision @ kernel.pairs
    information[:, kernel.rows, kernel.columns] = packed
    information[:, kernel.columns, kernel.rows] = packed
    border = (precision * profile) @ kernel.basis
    information[:, :rank, rank] = border
    information[:, rank, :rank] = border
    information[:, rank, rank] = (precision * profile**2).sum(axis=1)
    information += np.eye(rank + 1)
    covariance = np.linalg.inv(information)

    weighed = surprise * precision
    evidence_for = _project(weighed, kernel, profile)
    weights = np.einsum("aij,aj->ai", covariance, evidence_for)
    explained = (evidence_for * weights).sum(axis=1) - (weighed * surprise).sum(axis=1)
    spreads = np.where(posts.count > 0, np.log(spread), 0.0).sum(axis=1)
    evidence = 0.5 * (explained - spreads - np.linalg.slogdet(information)[1])
    alone = kernel.slot_variance * precision
    return _Solution(prior, profile, alone, surprise, covariance, weights, evidence)


def split_by_luck(posts: SlotPosts) -> tuple[IntArray, IntArray]:
    """Indices of the accounts without and with noticed luck that posts share."""
    if posts.luck is None or not len(posts.luck.blocks):
        return np.arange(len(posts.count)), np.zeros(0, dtype=np.int64)
    return np.flatnonzero(posts.luck.row < 0), np.flatnonzero(posts.luck.row >= 0)


def _fit(kernel: Kernel, posts: SlotPosts, carried: float) -> _Fit:
    """Forecast under one kernel."""
    parts = [
        (rows, fit(kernel, posts.take(rows), carried))
        for rows, fit in zip(split_by_luck(posts), (_fit_plain, _fit_shared), strict=True)
        if len(rows)
    ]
    if len(parts) == 1:
        return parts[0][1]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    return _Fit(
        *(np.concatenate([getattr(part, field.name) for _, part in parts])[order] for field in fields(_Fit))
    )


def _fit_plain(kernel: Kernel, posts: SlotPosts, carried: float) -> _Fit:
    """Forecast under one kernel, where each post has its own luck."""
    found = _solve(kernel, posts)
    smooth = _expand(found.weights, kernel, found.profile)
    forecast = found.prior + smooth + found.alone * (found.surprise - smooth)
    before = _contrast(*_variance_before(kernel, found.profile, posts.mix), posts.mix)
    left = 1 - found.alone
    after = _contrast(*_variance_after(kernel, found.profile, found.covariance, left, posts.mix), posts.mix)
    return _forecast(posts, carried * forecast, carried, before, after, found.evidence)


def _forecast(  # noqa: PLR0917 (internal)
    posts: SlotPosts,
    forecast: FloatArray,
    carried: float,
    before: FloatArray,
    after: FloatArray,
    evidence: FloatArray,
) -> _Fit:
    lift = forecast - (posts.mix * forecast).sum(axis=1, keepdims=True)
    variance = np.maximum(carried * before - carried**2 * (before - after), MOST_CERTAIN * after)
    learned = np.clip(1 - after / np.maximum(before, 1e-12), 0.0, 1.0)
    return _Fit(lift, np.maximum(variance, 1e-12), learned, evidence)


@dataclass(frozen=True, slots=True)
class _SharedSolution:
    """The posterior where posts share luck: precisions are matrices between the slots of a weekday."""

    forecast: FloatArray  # (accounts, 168) posterior mean of the effects
    basis: (
        FloatArray  # (accounts, 168, rank + 1) what a coefficient still adds to a slot beyond its own posts
    )
    left: FloatArray  # (accounts, 7, 24, 24) share of a slot's surprise that its own posts leave
    covariance: FloatArray  # (accounts, rank + 1, rank + 1)
    evidence: FloatArray


def _solve_shared(kernel: Kernel, posts: SlotPosts) -> _SharedSolution:
    """As `_solve`, with noise that is correlated within a day."""
    if posts.luck is None:
        raise ValueError("accounts without shared luck belong into _solve")
    accounts, rank = len(posts.count), kernel.basis.shape[1]
    days = (accounts, 7, HOURS)
    diagonal = np.arange(HOURS)
    seen = (posts.count > 0).reshape(days)
    own = np.maximum(posts.noise - posts.luck.variance, 0.1 * posts.noise)
    spread = posts.luck.blocks[posts.luck.row].astype(np.float64)
    spread[..., diagonal, diagonal] += (own[:, None] / np.maximum(posts.count, 1e-9)).reshape(
        days
    ) + kernel.slot_variance
    spread *= seen[..., :, None] & seen[..., None, :]
    spread[..., diagonal, diagonal] += ~seen  # slots without posts: any number, taken out again below
    precision = np.linalg.inv(spread)
    precision *= seen[..., :, None] & seen[..., None, :]
    spreads = np.linalg.slogdet(spread)[1].sum(axis=1)

    profile = np.sqrt(PROFILE_WEIGHT_VARIANCE) * posts.profile
    prior = posts.profile
    surprise = (posts.mean - prior) * (posts.count > 0)
    basis = np.empty((accounts, SLOTS, rank + 1))
    basis[:, :, :rank] = kernel.basis
    basis[:, :, rank] = profile

    def weigh(values: FloatArray) -> FloatArray:
        """The precision times some columns, (accounts, 168, columns)."""
        return np.asarray((precision @ values.reshape(*days, -1)).reshape(values.shape))

    weighed_basis = weigh(basis)
    information = np.swapaxes(basis, 1, 2) @ weighed_basis + np.eye(rank + 1)
    covariance = np.asarray(np.linalg.inv(information), np.float64)
    evidence_for = np.einsum("asr,as->ar", weighed_basis, surprise)
    weights = np.einsum("aij,aj->ai", covariance, evidence_for)
    weighed = weigh(surprise[:, :, None])[:, :, 0]
    explained = (evidence_for * weights).sum(axis=1) - (weighed * surprise).sum(axis=1)
    evidence = 0.5 * (explained - spreads - np.linalg.slogdet(information)[1])
    smooth = np.einsum("asr,ar->as", basis, weights)
    single = weigh((surprise - smooth * (posts.count > 0))[:, :, None])[:, :, 0]
    left = np.eye(HOURS) - kernel.slot_variance * precision
    return _SharedSolution(
        forecast=smooth + kernel.slot_variance * single,
        basis=basis - kernel.slot_variance * weighed_basis,
        left=left,
        covariance=covariance,
        evidence=evidence,
    )


def _fit_shared(kernel: Kernel, posts: SlotPosts, carried: float) -> _Fit:
    """Forecast under one kernel, where posts of a day share luck."""
    found = _solve_shared(kernel, posts)
    profile = np.sqrt(PROFILE_WEIGHT_VARIANCE) * posts.profile
    forecast = posts.profile + found.forecast
    before = _contrast(*_variance_before(kernel, profile, posts.mix), posts.mix)
    spread = found.basis @ found.covariance
    single = (spread * found.basis).sum(axis=2)
    single += kernel.slot_variance * np.diagonal(found.left, axis1=2, axis2=3).reshape(single.shape)
    mixed = np.einsum("asr,as->ar", found.basis, posts.mix)
    alone = (found.left @ posts.mix.reshape(-1, 7, HOURS, 1)).reshape(single.shape)
    with_mix = np.einsum("asr,ar->as", spread, mixed) + kernel.slot_variance * alone
    after = _contrast(single, with_mix, posts.mix)
    return _forecast(posts, carried * forecast, carried, before, after, found.evidence)


def _project(values: FloatArray, kernel: Kernel, profile: FloatArray) -> FloatArray:
    """From slots to coefficients: (accounts, 168) to (accounts, rank + 1)."""
    return np.column_stack((values @ kernel.basis, (values * profile).sum(axis=1)))


def _expand(weights: FloatArray, kernel: Kernel, profile: FloatArray) -> FloatArray:
    """From coefficients to slots."""
    return np.asarray(weights[:, :-1] @ kernel.basis.T + weights[:, -1:] * profile)


def _variance_before(kernel: Kernel, profile: FloatArray, mix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Prior variance of each slot, and its covariance with the mix of slots."""
    single = (kernel.basis**2).sum(axis=1) + kernel.slot_variance + profile**2
    with_mix = (mix @ kernel.basis) @ kernel.basis.T + kernel.slot_variance * mix
    return single, with_mix + profile * (profile * mix).sum(axis=1, keepdims=True)


def _variance_after(
    kernel: Kernel, profile: FloatArray, covariance: FloatArray, left: FloatArray, mix: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The same a posteriori; `left` is the share of a slot that its own posts leave to the others."""
    packed = covariance[:, kernel.rows, kernel.columns] * np.where(kernel.rows == kernel.columns, 1.0, 2.0)
    single = packed @ kernel.pairs.T + 2 * profile * (covariance[:, :-1, -1] @ kernel.basis.T)
    single += profile**2 * covariance[:, -1:, -1]
    coefficients = np.einsum("aij,aj->ai", covariance, _project(left * mix, kernel, profile))
    with_mix = left * _expand(coefficients, kernel, profile) + kernel.slot_variance * left * mix
    return left**2 * single + kernel.slot_variance * left, with_mix


def _contrast(single: FloatArray, with_mix: FloatArray, mix: FloatArray) -> FloatArray:
    """Variance of the difference of a slot from the account's mix."""
    return np.asarray(single - 2 * with_mix + (mix * with_mix).sum(axis=1, keepdims=True))


_Z = np.linspace(-8.0, 8.0, 3201)
_CDF = np.array([0.5 * erfc(-z / sqrt(2.0)) for z in _Z])


def normal_cdf(z: FloatArray) -> FloatArray:
    """Standard normal distribution function, from a table (error below 1e-6)."""
    return np.asarray(np.interp(z, _Z, _CDF), np.float64)
