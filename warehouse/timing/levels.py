"""Remove the effects of a post's age, its account's level over time and its kind from its engagement. Pure.

Working scale: the logarithm, see `log_engagement`. The residual is the part that the posting time may explain.

Level and kind are estimated together. If they were estimated one after the other, a page that moves from photos to
live video would put the difference of the kinds into the level, and with it the effect of the videos' hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing import counts
from warehouse.timing.breaks import after_break
from warehouse.timing.posterior import normal_cdf

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.age import AgeCurve
    from warehouse.timing.history import PostArrays

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

MICROSECONDS_PER_DAY = 86_400_000_000
LEVEL_DAYS = 10.0
LEVEL_POSTS = 40.0
BINS_PER_BANDWIDTH = 4
KIND_SHRINKAGE = 5.0  # number of posts at which a kind's own mean counts half
BREAK_SHRINKAGE = 0.5  # the same for a jump of the level, which is already significant
# Beyond this many robust sd a post counts as "good" or "bad", not by how much. The share of posts beyond 2.5 sd
# chooses between the two: 1.2 % for normal noise, 6 % for Student's t with 3 degrees of freedom.
CLIP_SD = (3.0, 1.5)
TAIL_SHARES = (0.015, 0.03)
TAIL_SD = 2.5
# From the first to the second number of robust sd, a post's influence falls to nothing: a single viral post at an hour
# at which the account never posts would otherwise be all that is known about that hour.
FADE_SD = (2.75, 4.5)
COMMON_ZEROS = 0.05
NOISE_MARGIN = 1.05  # factor on an account's estimated noise, because posts of a day are not independent
_ROUNDS = 2  # rounds of clipping viral posts and solving again
_TAPS = 3 * BINS_PER_BANDWIDTH
_PRIOR_POSTS = 20.0  # weight, in posts, of the normal share of unclipped posts
_TAIL_POSTS, _TAIL_SHARE = 60.0, 0.05  # tails count as heavy until this many posts show otherwise
_LEAST_SLOPE = 0.3
_COUNT_ROUNDS = 4
_USUAL_LUCK = 1.1
VIRAL_TIMES = (
    20.0  # beyond this many times its usual engagement, a post does not raise the level of small counts more
)
_HISTOGRAM_STEP = 0.02
_HISTOGRAM_BINS = 300


@dataclass(frozen=True, slots=True)
class Grid:
    """A ragged time grid: the bins of each account side by side, with empty margins between accounts."""

    bin: IntArray  # per post: the bin left of it
    share: FloatArray  # per post: relative distance towards the next bin
    weight: FloatArray  # per post: 1, or 0 for a repeated row
    number: FloatArray  # per bin: posts around it, weighted by the kernel
    size: int


def sum_by(group: IntArray, values: FloatArray, groups: int) -> FloatArray:
    """Sum of `values` in each of `groups` groups; shape (groups,)."""
    return np.asarray(np.bincount(group, values, groups), np.float64)


def compute_residuals(posts: PostArrays, accounts: int, curve: AgeCurve) -> tuple[FloatArray, FloatArray]:
    """Residual of each post (log units, viral posts clipped) and each account's noise variance per post.

    Clipped residuals understate a shift common to all posts, because only posts within the limit move. Divided by the
    share of these posts, a slot's mean is one Newton step of a robust mean (Huber's): it loses less than a plain mean
    with heavy tails, and nearly nothing with normal ones.

    Shapes: (posts,) and (accounts,).
    """
    if not len(posts):
        return np.zeros(0), noise_variance(np.zeros(accounts), np.zeros(accounts))
    counted = _find_small_counts(posts, accounts)
    if not counted.any():
        return _residuals_of_logs(posts, accounts, curve)
    residual, noise = np.empty(len(posts)), noise_variance(np.zeros(accounts), np.zeros(accounts))
    for chosen, fit in ((counted, _residuals_of_counts), (~counted, _residuals_of_logs)):
        rows = np.flatnonzero(chosen[posts.account])
        if len(rows):
            residual[rows], found = fit(posts.take(rows), accounts, curve)
            noise[chosen] = found[chosen]
    return residual, noise


def _find_small_counts(posts: PostArrays, accounts: int) -> npt.NDArray[np.bool_]:
    """Accounts whose engagement is so small that its logarithm is no measure: (accounts,)."""
    count = np.maximum(sum_by(posts.account, posts.weight, accounts), 1.0)
    unit = _smallest(posts.engagement, posts, accounts)
    zeros = sum_by(posts.account, posts.weight * (posts.engagement == 0), accounts) / count
    small = posts.engagement < counts.MOST_TYPICAL * unit[posts.account]
    typical = sum_by(posts.account, posts.weight * small, accounts) / count
    return (typical > 0.5) & (zeros >= counts.LEAST_ZEROS) & (zeros < 1)


def _residuals_of_counts(posts: PostArrays, accounts: int, curve: AgeCurve) -> tuple[FloatArray, FloatArray]:
    """As `compute_residuals`, by the likelihood of small counts; see `counts`."""
    number = sum_by(posts.account, posts.weight, accounts)
    count = posts.engagement / _smallest(posts.engagement, posts, accounts)[posts.account]
    grown = np.where(posts.age_hours < curve.hours[-1], curve.at(posts.age_hours), 0.0)
    grid = build_grid(posts, accounts, number)
    kinds = int(np.max(posts.kind)) + 1
    kind_of = posts.account * kinds + posts.kind
    usual = sum_by(posts.account, count * posts.weight, accounts) / np.maximum(number, 1.0)
    capped = np.minimum(count, VIRAL_TIMES * (usual[posts.account] + 1))  # a viral post is no level
    log_rate = np.log(np.maximum(smooth_level(grid, capped), 1e-3)) - 0.5 * _USUAL_LUCK**2
    size = np.zeros(accounts, dtype=np.int64)
    for _ in range(_COUNT_ROUNDS):
        size = counts.choose_luck_size(posts.account, log_rate + grown, count, accounts)
        of_post = size[posts.account]
        score = counts.expect_luck(of_post, log_rate + grown, count) / counts.LUCK_SIZES[of_post]
        information = counts.expect_information(of_post, log_rate + grown)
        level = smooth_level(grid, score) / np.maximum(smooth_level(grid, information), 1e-9)
        log_rate += np.clip(level, -1, 1)
        if kinds > 1:
            score -= level * information
            said = sum_by(kind_of, information * posts.weight, accounts * kinds)
            usual_said = sum_by(posts.account, information * posts.weight, accounts) / np.maximum(number, 1.0)
            effect = sum_by(kind_of, score * posts.weight, accounts * kinds)
            effect /= np.maximum(said + KIND_SHRINKAGE * np.repeat(usual_said, kinds), 1e-9)
            log_rate += np.clip(effect, -1, 1)[kind_of]
    of_post = size[posts.account]
    luck = counts.expect_luck(of_post, log_rate + grown, count)
    one = np.ones(len(luck))
    bounded, _ = _bound(luck, one, FADE_SD[0] * one)
    information = counts.expect_information(of_post, log_rate + grown)
    said = sum_by(posts.account, information * posts.weight, accounts) / np.maximum(number, 1.0)
    said = np.maximum(said, 1e-6)
    residual = bounded / counts.LUCK_SIZES[of_post] / said[posts.account]
    mean = sum_by(posts.account, residual * posts.weight, accounts) / np.maximum(number, 1.0)
    residual -= mean[posts.account]
    squares = sum_by(posts.account, residual**2 * posts.weight, accounts)
    return residual, NOISE_MARGIN * (squares + 10.0 / said) / (number + 10.0)


def _residuals_of_logs(posts: PostArrays, accounts: int, curve: AgeCurve) -> tuple[FloatArray, FloatArray]:
    """As `compute_residuals`, in the logarithm of engagement."""
    count = sum_by(posts.account, posts.weight, accounts)
    y = log_engagement(posts, count, curve)
    grid = build_grid(posts, accounts, count)
    kinds = int(np.max(posts.kind)) + 1
    kind_of = posts.account * kinds + posts.kind

    def column_sums(values: FloatArray) -> FloatArray:
        """Sums of the posts of each kind, and of those after the break: (accounts, kinds + 1)."""
        of_kind = sum_by(kind_of, values * posts.weight, accounts * kinds).reshape(accounts, kinds)
        return np.column_stack((of_kind, sum_by(posts.account, values * broken, accounts)))

    # Normal equations of y = level + kind + jump with the level smoothed away: the difference of a kind's posts from
    # the posts around them. A kind that never occurs near another one gets no effect of its own.
    level = smooth_level(grid, y)
    sd, _ = robust_spread(y - level, posts, accounts)
    limit = CLIP_SD[1] * sd[posts.account]
    after = after_break(posts, level + np.clip(y - level, -limit, limit), sd)
    broken = after * posts.weight
    normal = np.zeros((accounts, kinds + 1, kinds + 1))
    for column in range(kinds + 1):
        values = after if column == kinds else (posts.kind == column).astype(np.float64)
        if values.any() and (kinds > 1 or column == kinds):
            normal[:, :, column] = column_sums(values - smooth_level(grid, values))
    normal += np.diag([KIND_SHRINKAGE] * kinds + [BREAK_SHRINKAGE])

    robust, fitted, clip = y, y, count
    for again in range(_ROUNDS):
        if again:
            level = smooth_level(grid, robust)
        effect = np.linalg.solve(normal, column_sums(robust - level)[:, :, None])[:, :, 0]
        known = effect[:, :kinds].reshape(-1)[kind_of] + effect[posts.account, kinds] * after
        fitted = known + smooth_level(grid, robust - known)
        sd, tails = robust_spread(y - fitted, posts, accounts)
        tails = (tails * count + _TAIL_POSTS * _TAIL_SHARE) / (count + _TAIL_POSTS)
        clip = np.interp(tails, TAIL_SHARES, CLIP_SD)
        limit = (clip * sd)[posts.account]
        robust = fitted + np.clip(y - fitted, -limit, limit)
    residual, slope = _bound(y - fitted, sd[posts.account], limit)
    expected = 2 * normal_cdf(clip) - 1
    moved = (sum_by(posts.account, slope * posts.weight, accounts) + _PRIOR_POSTS * expected) / (
        count + _PRIOR_POSTS
    )
    residual /= np.maximum(moved, _LEAST_SLOPE)[posts.account]
    mean = sum_by(posts.account, residual * posts.weight, accounts) / np.maximum(count, 1.0)
    residual -= mean[posts.account]
    squares = sum_by(posts.account, residual**2 * posts.weight, accounts)
    return residual, noise_variance(squares, count)


def _bound(residual: FloatArray, sd: FloatArray, limit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounded influence of each post, and its slope: linear up to the limit, then constant, then falling to 0."""
    size = np.abs(residual)
    first, last = FADE_SD
    start = np.maximum(first * sd, limit)
    width = (last - first) * sd
    fade = np.clip(1 - (size - start) / width, 0.0, 1.0)
    slope = np.where(size <= limit, 1.0, np.where((fade > 0) & (fade < 1), -limit / width, 0.0))
    return np.sign(residual) * np.minimum(size, limit) * fade, slope


def log_engagement(posts: PostArrays, count: FloatArray, curve: AgeCurve) -> FloatArray:
    """ln(unit + engagement at full age), with a unit per account; shape (posts,).

    With a unit of 1 the result would depend on whether likes are counted singly or in thousands. So the unit is the
    account's smallest engagement above 0 (1 for most accounts that count singly): in full if posts without engagement
    are common, down to a tenth if there are none, because only those posts need it. Scaling all engagement then
    changes nothing.
    """
    engagement = posts.engagement.copy()
    young = np.flatnonzero(posts.age_hours < curve.hours[-1])  # few posts in a long history
    engagement[young] *= np.exp(-curve.at(posts.age_hours[young]))
    smallest = _smallest(engagement, posts, len(count))
    zeros = sum_by(posts.account, posts.weight * (engagement == 0), len(count)) / np.maximum(count, 1.0)
    unit = smallest * np.clip(zeros / COMMON_ZEROS, 0.1, 1.0)
    return np.asarray(np.log(unit[posts.account] + engagement), np.float64)


def _smallest(engagement: FloatArray, posts: PostArrays, accounts: int) -> FloatArray:
    """Each account's smallest engagement above 0, or 1 if it has none; (accounts,)."""
    smallest = np.full(accounts, np.inf)
    starts = np.flatnonzero(np.diff(posts.account, prepend=-1))  # posts are sorted by account
    smallest[posts.account[starts]] = np.minimum.reduceat(
        np.where(engagement > 0, engagement, np.inf), starts
    )
    smallest[np.isinf(smallest)] = 1.0
    return smallest


def noise_variance(squares: FloatArray, count: FloatArray) -> FloatArray:
    """Variance of one post, with its margin: shrunk towards 1.2 with the weight of ten posts."""
    return NOISE_MARGIN * (squares + 12.0) / (count + 10.0)


def build_grid(posts: PostArrays, accounts: int, count: FloatArray) -> Grid:
    """Bins of a quarter of the account's bandwidth: 10 days, or 40 posts if that is longer."""
    days = posts.published / MICROSECONDS_PER_DAY
    starts = np.flatnonzero(np.diff(posts.account, prepend=-1))  # posts are sorted by account, then time
    first, span = np.zeros(accounts), np.zeros(accounts)
    present = posts.account[starts]
    first[present] = days[starts]
    span[present] = days[np.append(starts[1:], len(days)) - 1] - days[starts]
    width = np.maximum(LEVEL_DAYS, LEVEL_POSTS * span / np.maximum(count, 1.0)) / BINS_PER_BANDWIDTH
    bins = np.floor(span / width).astype(np.int64) + 2 + _TAPS
    offset = np.concatenate(([0], np.cumsum(bins)))
    position = (days - first[posts.account]) / width[posts.account]
    left = position.astype(np.int64)
    grid = Grid(offset[posts.account] + left, position - left, posts.weight, np.zeros(0), int(offset[-1]) + 1)
    number = np.maximum(_spread(grid, posts.weight), 1e-9)
    return Grid(grid.bin, grid.share, grid.weight, number, grid.size)


def smooth_level(grid: Grid, values: FloatArray) -> FloatArray:
    """Local mean around each post, with a Gaussian kernel, on the grid."""
    level = _spread(grid, values * grid.weight) / grid.number
    left = level[grid.bin]
    return left + grid.share * (level[grid.bin + 1] - left)


def _spread(grid: Grid, weights: FloatArray) -> FloatArray:
    right = weights * grid.share
    sums = sum_by(grid.bin, weights - right, grid.size) + sum_by(grid.bin + 1, right, grid.size)
    taps = np.arange(-_TAPS, _TAPS + 1)
    kernel = np.exp(-0.5 * (taps / BINS_PER_BANDWIDTH) ** 2)
    return np.asarray(np.convolve(sums, kernel, "same"), np.float64)


def robust_spread(residual: FloatArray, posts: PostArrays, accounts: int) -> tuple[FloatArray, FloatArray]:
    """1.48 x the median absolute residual of each account, at least 0.1, and its share of posts beyond 2.5 x that.

    Computed from a histogram, without a sort, and linear within its cells, so that a residual that rounding moves over
    a cell's edge does not change the result.
    """
    cell = np.minimum(np.abs(residual) / _HISTOGRAM_STEP, _HISTOGRAM_BINS - 1).astype(np.int64)
    cell += posts.account * _HISTOGRAM_BINS
    counts = sum_by(cell, posts.weight, accounts * _HISTOGRAM_BINS)
    counts = counts.reshape(accounts, _HISTOGRAM_BINS)
    below = counts.cumsum(axis=1)
    total = below[:, -1]
    half = total / 2
    place = np.minimum((below < half[:, None]).sum(axis=1), _HISTOGRAM_BINS - 1)
    row = np.arange(accounts)
    inside = counts[row, place]
    share = np.clip((half - below[row, place] + inside) / np.maximum(inside, 1.0), 0.0, 1.0)
    sd = np.maximum(1.4826 * _HISTOGRAM_STEP * (place + share), 0.1)
    edge = np.minimum(TAIL_SD * sd / _HISTOGRAM_STEP, _HISTOGRAM_BINS - 1)
    last = edge.astype(np.int64)
    within = below[row, last] - counts[row, last] * (1 - (edge - last))
    return sd, (total - within) / np.maximum(total, 1.0)
