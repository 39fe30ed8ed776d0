"""Takes a post's age, its account's level over time and its kind out of its engagement. Pure.

Working scale: y = ln(1 + engagement). What is left, the residual, is what the posting time may explain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing_history import PostArrays

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

# Log share of its final engagement that a post has at an age in hours, where own snapshots say nothing yet.
AGE_HOURS = np.array([0.0, 4.0, 8.0, 16.0, 24.0, 48.0])
AGE_LOG_SHARE = np.array([-0.6, -0.6, -0.45, -0.2, -0.1, 0.0])

MICROSECONDS_PER_DAY = 86_400_000_000
LEVEL_DAYS = 10.0
LEVEL_POSTS = 40.0
BINS_PER_BANDWIDTH = 4
KIND_SHRINKAGE = 10.0
CLIP_SD = 2.5
_TAPS = 3 * BINS_PER_BANDWIDTH
_HISTOGRAM_STEP = 0.02
_HISTOGRAM_BINS = 300


@dataclass(frozen=True, slots=True)
class AgeCurve:
    """Log share of the final engagement by age: rising, 0 from the last age on."""

    hours: FloatArray
    log_share: FloatArray


DEFAULT_AGE_CURVE = AgeCurve(AGE_HOURS, AGE_LOG_SHARE)


@dataclass(frozen=True, slots=True)
class Grid:
    """A ragged time grid: each account's own bins side by side, with empty margins between accounts."""

    bin: IntArray  # per post: the bin left of it
    share: FloatArray  # per post: how far it is towards the next bin
    size: int


def compute_residuals(posts: PostArrays, accounts: int, curve: AgeCurve) -> tuple[FloatArray, FloatArray]:
    """Residual of each post (log units, clipped) and the noise variance of each account.

    Shapes: (posts,) and (accounts,).
    """
    y = np.log1p(posts.engagement * np.exp(-np.interp(posts.age_hours, curve.hours, curve.log_share)))
    weight = posts.weight
    count = np.bincount(posts.account, weight, accounts)
    grid = build_grid(posts, accounts, count)
    kinds = int(posts.kind.max(initial=0)) + 1
    kind_of = posts.account * kinds + posts.kind
    kind_count = np.bincount(kind_of, weight, accounts * kinds)
    kind = np.zeros(len(y))
    level = smooth_level(grid, y, weight)
    for _ in range(2):
        limit = robust_sd(y - level - kind, posts.account, weight, accounts)[posts.account] * CLIP_SD
        left = np.clip(y - level, kind - limit, kind + limit)
        kind = (np.bincount(kind_of, left * weight, accounts * kinds) / (kind_count + KIND_SHRINKAGE))[
            kind_of
        ]
        level = smooth_level(grid, level + np.clip(y - level - kind, -limit, limit), weight)
    limit = robust_sd(y - level - kind, posts.account, weight, accounts)[posts.account] * CLIP_SD
    residual = np.clip(y - level - kind, -limit, limit)
    mean = np.bincount(posts.account, residual * weight, accounts) / np.maximum(count, 1.0)
    residual -= mean[posts.account]
    squares = np.bincount(posts.account, residual**2 * weight, accounts)
    return residual, 1.3 * (squares + 12.0) / (count + 10.0)


def build_grid(posts: PostArrays, accounts: int, count: FloatArray) -> Grid:
    """Bins of a quarter of the account's bandwidth: 10 days, or 40 posts where that is longer."""
    days = posts.published / MICROSECONDS_PER_DAY
    first, last = np.full(accounts, np.inf), np.full(accounts, -np.inf)
    np.minimum.at(first, posts.account, days)
    np.maximum.at(last, posts.account, days)
    first = np.where(count > 0, first, 0.0)
    span = np.where(count > 0, last - first, 0.0)
    width = np.maximum(LEVEL_DAYS, LEVEL_POSTS * span / np.maximum(count, 1.0)) / BINS_PER_BANDWIDTH
    bins = np.floor(span / width).astype(np.int64) + 2 + _TAPS
    start = np.concatenate(([0], np.cumsum(bins)))
    position = (days - first[posts.account]) / width[posts.account]
    left = np.floor(position)
    return Grid(start[posts.account] + left.astype(np.int64), position - left, int(start[-1]) + 1)


def smooth_level(grid: Grid, values: FloatArray, weight: FloatArray) -> FloatArray:
    """Local weighted mean around each post, with a Gaussian kernel, on the grid."""
    taps = np.arange(-_TAPS, _TAPS + 1)
    kernel = np.exp(-0.5 * (taps / BINS_PER_BANDWIDTH) ** 2)

    def spread(weights: FloatArray) -> FloatArray:
        sums = np.bincount(grid.bin, weights * (1 - grid.share), grid.size)
        sums += np.bincount(grid.bin + 1, weights * grid.share, grid.size)
        return np.convolve(sums, kernel, "same")

    if not len(values):
        return values
    number = spread(weight)
    level = spread(values * weight) / np.maximum(number, 1e-9)
    return level[grid.bin] * (1 - grid.share) + level[grid.bin + 1] * grid.share


def robust_sd(residual: FloatArray, account: IntArray, weight: FloatArray, accounts: int) -> FloatArray:
    """1.48 x the median absolute residual of each account, from a histogram (no sort), at least 0.1."""
    cell = np.minimum(np.abs(residual) / _HISTOGRAM_STEP, _HISTOGRAM_BINS - 1).astype(np.int64)
    counts = np.bincount(account * _HISTOGRAM_BINS + cell, weight, accounts * _HISTOGRAM_BINS)
    below = counts.reshape(accounts, _HISTOGRAM_BINS).cumsum(axis=1)
    median = (below < below[:, -1:] / 2).sum(axis=1) + 0.5
    return np.asarray(np.maximum(1.4826 * _HISTOGRAM_STEP * median, 0.1))
