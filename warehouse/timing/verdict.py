"""Test of each account: could its posts look like this if timing did nothing? Pure.

The best of 168 slots always looks good. So before any slot is called better, the whole week is tested at once, in two
ways that see different weeks:

- a score test of "no effect" against effects of the kernel's shape (a variance component), which adds up many small
  differences. Its distribution without any effect is a sum of chi-squares with known weights;
- a scan: the best of 192 blocks of two, three, four or six hours, on all days or on working days, each against the rest
  of the week. It sees one good time of the day that the score test drowns in the noise of all others.

Both hold for the week as a whole, however the best slot was chosen, and their p-values are combined (Cauchy's
combination, which holds for tests that depend on each other). Luck that posts share counts with its covariance.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS, SLOTS
from warehouse.timing.kernels import DEFAULT_MIX, slot_kernel
from warehouse.timing.posterior import normal_cdf, split_by_luck

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.posterior import SlotPosts

    FloatArray = npt.NDArray[np.float64]

SIGNIFICANCE = 0.09  # largest p-value at which timing counts as having an effect
_LEAST_TRACE = 1e-9
_BLOCK_HOURS = (2, 3, 4, 6)
_WORKING_DAYS = 5
_LEAST_POSTS = 8.0  # inside a block, and outside: with fewer it cannot tell
# Blocks overlap: the best of so many behaves like the best of this share as many independent ones. Simulated for even
# posting and for habits, 100 to 3,000 posts: .28 to .42 at p = .09, .31 to .53 at .045.
_INDEPENDENT = 0.4


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
    precision = _precision(posts) if shared else None
    return _combine(_test_score(posts, precision), _scan_blocks(posts, precision))


def _weigh(posts: SlotPosts, precision: FloatArray | None, columns: FloatArray) -> FloatArray:
    """The precision of the slot means times some columns, (accounts, 168, columns)."""
    if precision is None:
        return np.asarray(columns * (posts.count / posts.noise[:, None])[:, :, None], np.float64)
    days = columns.reshape(len(columns), 7, HOURS, -1)
    return np.asarray((precision @ days).reshape(len(posts.count), SLOTS, -1), np.float64)


def _test_score(posts: SlotPosts, precision: FloatArray | None) -> FloatArray:
    kernel = slot_kernel(DEFAULT_MIX.shapes, 1.0)
    accounts = len(posts.count)
    rank = kernel.basis.shape[1]  # the last column is the offset, which the profile replaces
    columns = np.empty((accounts, posts.count.shape[1], rank + 1))
    columns[:, :, : rank - 1] = kernel.basis[:, :-1]
    columns[:, :, rank - 1] = posts.profile
    columns[:, :, rank] = 1.0
    weighed = _weigh(posts, precision, columns)
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


def _scan_blocks(posts: SlotPosts, precision: FloatArray | None) -> FloatArray:
    """Probability that the best block of hours looks this good by chance, (accounts,)."""
    blocks = _blocks()
    weighed = _weigh(posts, precision, np.ones((len(posts.count), SLOTS, 1)))[:, :, 0]
    told = _weigh(posts, precision, posts.mean[:, :, None])[:, :, 0]
    total = np.maximum(weighed.sum(axis=1, keepdims=True), _LEAST_TRACE)
    border = weighed @ blocks
    if precision is None:
        information = border.copy()
    else:
        by_days = (precision.sum(axis=1), precision[:, :_WORKING_DAYS].sum(axis=1))
        hours = blocks[
            :HOURS, : blocks.shape[1] // 2
        ]  # the first half is on all days, the second on working days
        information = np.hstack(
            [np.einsum("hb,ahk,kb->ab", hours, each, hours, optimize=True) for each in by_days]
        )
    information -= border**2 / total
    score = told @ blocks - border * told.sum(axis=1, keepdims=True) / total
    inside = posts.count @ blocks
    able = np.minimum(inside, posts.count.sum(axis=1, keepdims=True) - inside) >= _LEAST_POSTS
    able &= information > _LEAST_TRACE
    standard = np.where(able, score / np.sqrt(np.maximum(information, _LEAST_TRACE)), -np.inf)
    one = normal_cdf(-standard.max(axis=1))
    tests = np.maximum(_INDEPENDENT * able.sum(axis=1), 1.0)
    chance = -np.expm1(tests * np.log1p(-np.minimum(one, 1 - 1e-9)))
    return np.asarray(np.where(able.any(axis=1), chance, np.nan), np.float64)


def _combine(first: FloatArray, second: FloatArray) -> FloatArray:
    """Cauchy's combination of two p-values; the first alone where the second is NaN."""
    pair = np.clip(np.array([first, second]), 1e-9, 0.999)
    angle = np.tan(np.pi * (0.5 - pair)).mean(axis=0)
    return np.asarray(np.where(np.isnan(second), first, 0.5 - np.arctan(angle) / np.pi), np.float64)


@lru_cache(maxsize=1)
def _blocks() -> FloatArray:
    """1 for the slots of each block, (168, 192): those of all days, then those of working days."""
    hour = np.arange(HOURS)
    day = np.array(
        [(hour - first) % HOURS < length for length in _BLOCK_HOURS for first in range(HOURS)], np.float64
    )
    working = (np.arange(SLOTS) // HOURS < _WORKING_DAYS)[:, None]
    week = np.tile(day.T, (7, 1))
    return np.hstack((week, week * working))


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
