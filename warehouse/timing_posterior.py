"""The Gaussian process over the 168 slots of a week, for many accounts at once. Pure.

The kernel's smooth part is kept as its leading eigenvectors (what they leave out joins the slot's own
independent part), so that one account costs a 70 x 70 inverse in place of a 168 x 168 one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing_history import HOURS, SLOTS

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

OFFSET_VARIANCE = 0.5
SLOT_VARIANCE = 0.0059
RHO = 0.8  # how much of a slot's effect lasts into the future
_DROPPED_EIGENVALUE = 1e-3


@dataclass(frozen=True, slots=True)
class Kernel:
    """K + offset = basis @ basis.T + slot_variance x identity."""

    basis: FloatArray  # (168, rank)
    slot_variance: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Log lift of each slot against the account's own mix: shapes (accounts, 168)."""

    lift: FloatArray
    sd: FloatArray
    learned: FloatArray  # share of the prior variance that the account's own posts took away


@lru_cache(maxsize=1)
def slot_kernel() -> Kernel:
    """The measured kernel: see docs/optimal-times.md for its parts."""
    slot = np.arange(SLOTS)
    hour, day = slot % HOURS, slot // HOURS
    same_day = day[:, None] == day
    same_class = (day[:, None] >= 5) == (day >= 5)
    angle = np.pi * (hour[:, None] - hour) / HOURS

    def circular(length: float) -> FloatArray:
        return np.asarray(np.exp(-4 * np.sin(angle) ** 2 / (2 * np.pi * length / HOURS) ** 2))

    smooth = (
        0.042 * circular(2.1)
        + 0.0024 * same_day
        + 0.014 * circular(2.1) * same_class
        + 0.007 * circular(5.6) * same_day
        + OFFSET_VARIANCE
    )
    values, vectors = np.linalg.eigh(smooth)
    kept = values > _DROPPED_EIGENVALUE
    lost = float(values[~kept].clip(0).sum()) / SLOTS
    return Kernel(vectors[:, kept] * np.sqrt(values[kept]), SLOT_VARIANCE + lost)


def compute_forecast(
    count: FloatArray, mean: FloatArray, noise: FloatArray, prior: FloatArray, mix: FloatArray
) -> Forecast:
    """Posterior, then forecast, then lift.

    Args:
        count: posts per slot, (accounts, 168).
        mean: mean residual per slot, 0 where there is no post, (accounts, 168).
        noise: variance of one post, (accounts,).
        prior: mean of the process before any post, (accounts, 168).
        mix: share of the account's posts per slot, rows sum to 1, (accounts, 168).
    """
    kernel = slot_kernel()
    basis = kernel.basis
    precision = count / (noise[:, None] + kernel.slot_variance * count)  # 0 where a slot is empty
    own = kernel.slot_variance * precision  # share of a slot's surprise put down to the slot alone
    scaled = basis[None, :, :] * np.sqrt(precision)[:, :, None]
    information = np.matmul(scaled.transpose(0, 2, 1), scaled) + np.eye(basis.shape[1])
    covariance = np.linalg.inv(information)
    surprise = mean - prior
    weights = np.matmul(covariance, ((surprise * precision) @ basis)[:, :, None])[:, :, 0]
    smooth = weights @ basis.T
    update = smooth + own * (surprise - smooth)
    forecast = prior + RHO * update
    lift = forecast - (mix * forecast).sum(axis=1, keepdims=True)

    before = _contrast_variance(
        np.broadcast_to(basis, (len(count), *basis.shape)), np.ones_like(own), mix, None
    )
    left = basis[None, :, :] * (1 - own)[:, :, None]
    after = _contrast_variance(left, 1 - own, mix, covariance)
    variance = RHO * before - RHO**2 * (before - after)
    learned = 1 - after / np.maximum(before, 1e-12)
    return Forecast(lift, np.sqrt(np.maximum(variance, 1e-12)), np.clip(learned, 0.0, 1.0))


def _contrast_variance(
    rows: FloatArray, alone: FloatArray, mix: FloatArray, covariance: FloatArray | None
) -> FloatArray:
    """Variance of f_s - sum(mix x f), where f = rows @ z + independent parts of share `alone`."""
    contrast = rows - np.matmul(mix[:, None, :], rows)
    right = contrast if covariance is None else np.matmul(contrast, covariance)
    smooth = np.einsum("asr,asr->as", contrast, right)
    single = slot_kernel().slot_variance * alone
    return np.asarray(smooth + single * (1 - 2 * mix) + (mix**2 * single).sum(axis=1, keepdims=True))
