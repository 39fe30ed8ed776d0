"""The profile that a platform's accounts share, estimated from their slot sums. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing_history import SLOTS
from warehouse.timing_posterior import SLOT_VARIANCE, smooth_covariance

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

ACCOUNT_VARIANCE = 0.05  # how far an account differs from its platform's profile, per slot
# How strong the shared profile may be, as factors on the kernel; the accounts' posts decide among them.
PROFILE_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_ROUNDS = 4


def pool_profiles(count: FloatArray, mean: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The shared profile, and for each account the one that the others share.

    Every account's slot mean counts by its precision, no account more than the differences among accounts
    allow. The accounts' offsets (an account that posts only at good hours looks average to itself) are
    estimated along. Leaving one out keeps the smoothing of all, which shrinks a little more where there
    are few accounts.

    Args:
        count: posts per slot, (accounts, 168).
        mean: mean residual per slot, (accounts, 168).
        noise: variance of one post, (accounts,).

    Returns:
        Shapes (168,) and (accounts, 168), log units, mean 0 over the week.
    """
    if not count.any():
        return np.zeros(SLOTS), np.zeros((len(count), SLOTS))
    weight = count / (noise[:, None] + ACCOUNT_VARIANCE * count)
    per_account = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    total = weight.sum(axis=0)
    smoothers = [_Smoother(strength, total) for strength in PROFILE_STRENGTHS]
    profile = np.zeros(SLOTS)
    moved, matrix = weight, np.eye(SLOTS)
    for _ in range(_ROUNDS):
        offset = (weight * (mean - profile)).sum(axis=1, keepdims=True) / per_account
        moved = weight * (mean - offset)
        sums = moved.sum(axis=0)
        evidence = np.array([smoother.log_likelihood(sums) for smoother in smoothers])
        chance = np.exp(evidence - evidence.max())
        matrix = np.einsum("k,kst->st", chance / chance.sum(), np.array([item.matrix for item in smoothers]))
        profile = matrix @ sums
        profile -= profile.mean()
    without = (moved.sum(axis=0) - moved) @ matrix.T
    return profile, without - without.mean(axis=1, keepdims=True)


class _Smoother:
    """Takes weighted sums per slot to the posterior mean of a profile of one strength."""

    def __init__(self, strength: float, total: FloatArray) -> None:
        covariance = strength * (smooth_covariance() + SLOT_VARIANCE * np.eye(SLOTS))
        self._root = np.sqrt(total)
        scaled = self._root[:, None] * covariance
        self._whitened = np.eye(SLOTS) + scaled * self._root
        self.matrix: FloatArray = covariance - scaled.T @ np.linalg.solve(self._whitened, scaled)

    def log_likelihood(self, sums: FloatArray) -> float:
        """Of the sums under this strength, up to a constant that all strengths share."""
        z = np.where(self._root > 0, sums / np.maximum(self._root, 1e-12), 0.0)
        return float(-0.5 * (z @ np.linalg.solve(self._whitened, z) + np.linalg.slogdet(self._whitened)[1]))
