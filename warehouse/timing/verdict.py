"""Test of each account: could its posts look like this if timing did nothing? Pure.

The best of 168 slots always looks good. So before any slot is called better, the whole week is tested at once: a
score test of "no effect" against effects of the kernel's shape (a variance component). Its distribution without any
effect is a sum of chi-squares with known weights, so its p-value holds for the week as a whole, however the best slot
was chosen. Luck that posts share counts with its covariance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS
from warehouse.timing.kernels import DEFAULT_MIX, slot_kernel
from warehouse.timing.posterior import normal_cdf, split_by_luck

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.posterior import SlotPosts

    FloatArray = npt.NDArray[np.float64]

SIGNIFICANCE = 0.09  # largest p-value at which timing counts as having an effect
_LEAST_TRACE = 1e-9


def compute_chance(posts: SlotPosts) -> FloatArray:
    """Probability that an account's posts vary this much over the week if timing does nothing; (accounts,).

    1 for accounts without posts, or with posts in a single slot.
    """
    chance = np.ones(len(posts.count))
    for rows, shared in zip(split_by_luck(posts), (False, True), strict=True):
        if len(rows):
            chance[rows] = _test(posts.take(rows), shared=shared)
    return chance


def _test(posts: SlotPosts, *, shared: bool) -> FloatArray:
    kernel = slot_kernel(DEFAULT_MIX.shapes, 1.0)
    accounts = len(posts.count)
    rank = kernel.basis.shape[1]  # the last column is the offset, which the profile replaces
    columns = np.empty((accounts, posts.count.shape[1], rank + 1))
    columns[:, :, : rank - 1] = kernel.basis[:, :-1]
    columns[:, :, rank - 1] = posts.profile
    columns[:, :, rank] = 1.0
    if shared:
        days = (accounts, 7, HOURS)
        weighed = (_precision(posts) @ columns.reshape(*days, -1)).reshape(columns.shape)
    else:
        weighed = columns * (posts.count / posts.noise[:, None])[:, :, None]
    information = np.swapaxes(columns, 1, 2) @ weighed
    score = np.einsum("asr,as->ar", weighed, posts.mean)
    total = np.maximum(information[:, -1, -1], _LEAST_TRACE)  # the unknown offset is projected out
    border = information[:, :-1, -1]
    score = score[:, :-1] - border * (score[:, -1] / total)[:, None]
    matrix = information[:, :-1, :-1] - border[:, :, None] * border[:, None, :] / total[:, None, None]
    square = matrix @ matrix
    first = np.trace(matrix, axis1=1, axis2=2)
    second = np.einsum("aij,aij->a", matrix, matrix)
    third = np.einsum("aij,aij->a", square, matrix)
    known = first > _LEAST_TRACE
    second, third = np.where(known, second, 1.0), np.where(known, third, 1.0)
    freedom = second**3 / third**2
    standard = ((score**2).sum(axis=1) - first) / np.sqrt(2 * second)
    return np.where(known, _chi_square_above(freedom + np.sqrt(2 * freedom) * standard, freedom), 1.0)


def _precision(posts: SlotPosts) -> FloatArray:
    """Inverse covariance of the slot means without any effect, (accounts, 7, 24, 24); 0 for slots without posts."""
    if posts.luck is None:
        raise ValueError("accounts without shared luck have a diagonal precision")
    days, hour = (len(posts.count), 7, HOURS), np.arange(HOURS)
    seen = (posts.count > 0).reshape(days)
    both = seen[..., :, None] & seen[..., None, :]
    own = np.maximum(posts.noise - posts.luck.variance, 0.1 * posts.noise)
    spread = posts.luck.blocks[posts.luck.row] * both
    spread[..., hour, hour] += np.where(
        seen, (own[:, None] / np.maximum(posts.count, 1e-9)).reshape(days), 1.0
    )
    return np.asarray(np.linalg.inv(spread) * both, np.float64)


def _chi_square_above(value: FloatArray, freedom: FloatArray) -> FloatArray:
    """Probability of a chi-square above a value, by Wilson and Hilferty (error below 0.005)."""
    scale = 2 / (9 * freedom)
    z = (np.cbrt(np.maximum(value, 0.0) / freedom) - (1 - scale)) / np.sqrt(scale)
    return normal_cdf(-z)
