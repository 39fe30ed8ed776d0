"""Find hours whose posts earn far more than the hours around them, as paid promotion at a fixed hour makes them. Pure.

Audiences change within hours, not from one hour to the next, and seldom by more than a half. An hour that stands out by
more, beyond what luck explains, is more likely promotion, a series or a giveaway than an effect of the time. Each hour
is tested twice: on all days together, and, for promotion on one day of the week, on each weekday alone.
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
LEAST_STEP_OF_DAY = 0.7  # on one weekday alone, where there are seven times as many hours to stand out
_SURPRISE, _SURPRISE_OF_DAY = 3.5, 4.5  # standard errors
_AROUND = (-4, -3, -2, 2, 3, 4)  # the adjacent hours may belong to the cluster


def find_clusters(count: FloatArray, mean: FloatArray, noise: FloatArray) -> npt.NDArray[np.bool_]:
    """Hours of the local day with suspiciously high engagement, on any day, (accounts, 24).

    Args:
        count: posts per slot, (accounts, 168).
        mean: mean residual per slot, (accounts, 168).
        noise: variance of one post, (accounts,).
    """
    days = (len(count), -1, HOURS)
    by_day, totals = count.reshape(days), (count * mean).reshape(days)
    every = _stand_out(by_day.sum(axis=1), totals.sum(axis=1), noise[:, None], LEAST_STEP, _SURPRISE)
    of_day = _stand_out(by_day, totals, noise[:, None, None], LEAST_STEP_OF_DAY, _SURPRISE_OF_DAY)
    return np.asarray(every | of_day.any(axis=1), np.bool_)


def _stand_out(
    number: FloatArray, total: FloatArray, noise: FloatArray, least: float, surprise: float
) -> npt.NDArray[np.bool_]:
    """Hours far above those around them, from the number of posts and the sum of residuals; (..., 24)."""
    elsewhere = np.maximum(number.sum(axis=-1, keepdims=True) - number, 1.0)
    usual = (total.sum(axis=-1, keepdims=True) - total) / elsewhere
    # Hours around with few posts say little by themselves: ten posts of the account's usual engagement are added.
    around = sum(np.roll(number, shift, axis=-1) for shift in _AROUND) + 10.0
    nearby = (sum(np.roll(total, shift, axis=-1) for shift in _AROUND) + 10.0 * usual) / around
    step = total / np.maximum(number, 1.0) - nearby
    error = np.sqrt(noise * (1 / np.maximum(number, 1.0) + 1 / around))
    return np.asarray((number >= LEAST_POSTS) & (step > least) & (step > surprise * error), np.bool_)
