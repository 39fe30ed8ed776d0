"""The profile that a platform's accounts share, estimated from their slot sums. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing_history import SLOTS
from warehouse.timing_posterior import slot_kernel

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

ACCOUNT_VARIANCE = 0.05  # how far accounts differ from their platform's profile, per slot
_ROUNDS = 4


def pool_profiles(count: FloatArray, mean: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The shared profile, and for each account the one the others share.

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
    if not len(count):
        return np.zeros(SLOTS), np.zeros((0, SLOTS))
    weight = count / (noise[:, None] + ACCOUNT_VARIANCE * count)
    kernel = slot_kernel()
    covariance = kernel.basis @ kernel.basis.T + kernel.slot_variance * np.eye(SLOTS)
    total = weight.sum(axis=0)
    root = np.sqrt(total)
    scaled = root[:, None] * covariance
    smoother = covariance - scaled.T @ np.linalg.solve(np.eye(SLOTS) + scaled * root, scaled)
    per_account = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    profile = np.zeros(SLOTS)
    moved = weight * mean
    for _ in range(_ROUNDS):
        offset = (weight * (mean - profile)).sum(axis=1, keepdims=True) / per_account
        moved = weight * (mean - offset)
        profile = smoother @ moved.sum(axis=0)
        profile -= profile.mean()
    without = (moved.sum(axis=0) - moved) @ smoother.T
    return profile, without - without.mean(axis=1, keepdims=True)
