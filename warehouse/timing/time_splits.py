"""How much of a forecast comes true, by time splits: an account's older posts forecast its newer ones. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.kernels import DEFAULT_MIX
from warehouse.timing.posterior import SlotPosts, compute_forecast

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.kernels import KernelMix
    from warehouse.timing.sums import SlotSums

    FloatArray = npt.NDArray[np.float64]

LEAST_LATE_POSTS = 20  # newer posts, without which a split tells nothing
CARRIED_RANGE = (0.2, 1.5)
# Variance between accounts of the share that comes true: of one platform, as far as the splits of real pages agree
# with their later posts, and of platforms of which nothing has been learned.
_BETWEEN_ACCOUNTS, _BETWEEN_PLATFORMS = 0.06, 0.15


def compare_halves(
    sums: SlotSums, profile: FloatArray, mix: KernelMix
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compare what older posts forecast with what newer ones did.

    Args:
        sums: accounts with a time split.
        profile: each account's prior, (accounts, 168).
        mix: the kernel; forecasts are made as if all of them came true.

    Returns:
        The forecast of the newer posts (accounts, 168), what they did, and the weight of each slot (its precision).
    """
    count, mean, late, late_mean = sums.split.arrays()
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1.0)
    early = SlotPosts(count, mean, sums.noise, profile, share, sums.luck.scaled(sums.count, count))
    forecast = compute_forecast(early, replace(mix, carried=1.0)).lift
    number = np.maximum(late.sum(axis=1, keepdims=True), 1.0)
    shared = np.diagonal(sums.luck.scaled(sums.count, late).dense(), axis1=2, axis2=3).reshape(late.shape)
    weight = late / (sums.noise[:, None] + shared * late)
    forecast = forecast - (late * forecast).sum(axis=1, keepdims=True) / number
    realised = late_mean - (late * late_mean).sum(axis=1, keepdims=True) / number
    return forecast, realised, weight


def compute_own_shares(sums: SlotSums, profile: FloatArray, mix: KernelMix) -> tuple[FloatArray, FloatArray]:
    """How much more or less of its forecasts comes true on an account than on its platform, and the error of that.

    An account with thousands of posts shows it by its own time split: its content, its audience and the platform change
    faster or slower than those of others. The platform's share is what is expected; without a platform, less is known,
    and the account's own split decides more.

    Args:
        sums: accounts, each with a time split of its own.
        profile: each account's prior, (accounts, 168).
        mix: the platform's kernel, or the default.

    Returns:
        Factor on the expected lift and its standard error, (accounts,) each.
    """
    forecast, realised, weight = compare_halves(sums, profile, mix)
    told = np.maximum((weight * forecast**2).sum(axis=1), 1e-9)
    slope, error = (weight * forecast * realised).sum(axis=1) / told, 1 / np.sqrt(told)
    between = _BETWEEN_ACCOUNTS + (_BETWEEN_PLATFORMS if mix == DEFAULT_MIX else 0.0)
    sure = np.where(slope > mix.carried, np.maximum(slope - 0.5 * error, mix.carried), slope)
    trust = between / (between + error**2)
    share = np.clip(mix.carried + trust * (sure - mix.carried), *CARRIED_RANGE)
    return share / mix.carried, np.sqrt(between * (1 - trust)) / mix.carried
