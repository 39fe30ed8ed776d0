"""Find hours whose posts earn far more than the hours around them, as paid promotion at a fixed hour makes them. Pure.

Audiences change within hours, not from one hour to the next, and seldom by more than a half. An hour that stands out by
more, beyond what luck explains, is more likely promotion, a series or a giveaway than an effect of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

LEAST_POSTS = 5
LEAST_STEP = 0.5  # log units above the hours around: 1.6 times as much
_SURPRISE = 3.5  # standard errors
_AROUND = (-4, -3, -2, 2, 3, 4)  # the adjacent hours may belong to the cluster


def find_clusters(count: FloatArray, mean: FloatArray, noise: FloatArray) -> npt.NDArray[np.bool_]:
    """Hours of the local day with suspiciously high engagement, (accounts, 24).

    Args:
        count: posts per slot, (accounts, 168).
        mean: mean residual per slot, (accounts, 168).
        noise: variance of one post, (accounts,).
    """
    days = (len(count), -1, HOURS)
    number = count.reshape(days).sum(axis=1)
    total = (count * mean).reshape(days).sum(axis=1)
    elsewhere = np.maximum(number.sum(axis=1, keepdims=True) - number, 1.0)
    usual = (total.sum(axis=1, keepdims=True) - total) / elsewhere
    # Hours around with few posts say little by themselves: ten posts of the account's usual engagement are added.
    around = sum(np.roll(number, shift, axis=1) for shift in _AROUND) + 10.0
    nearby = (sum(np.roll(total, shift, axis=1) for shift in _AROUND) + 10.0 * usual) / around
    step = total / np.maximum(number, 1.0) - nearby
    error = np.sqrt(noise[:, None] * (1 / np.maximum(number, 1.0) + 1 / around))
    return np.asarray((number >= LEAST_POSTS) & (step > LEAST_STEP) & (step > _SURPRISE * error), np.bool_)
