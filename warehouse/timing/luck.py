"""Luck that posts share: good days, and good hours of a day, that would pass for timing. Pure.

On an account with twenty posts a day, whatever makes a day good (an event, a mood, an algorithm) lifts all its posts
at once. Taken as independent, they would prove a timing effect by their number. So a post's luck has three parts: its
own, one that all posts of the day share, and one that posts of neighbouring hours share. Their sizes are estimated by
moments: how much more the products of two posts of the same day are than those of the same two slots on different days.
The comparison of the same slots removes the effect of timing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS, SLOTS

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

DAYS = SLOTS // HOURS
NEAR_HOURS = 3  # up to this distance, posts share the luck of neighbouring hours ...
FAR_HOURS = 5  # ... and from this one on only that of the day
_DECAY_HOURS = 3.0
_LEAST_PAIRS = (
    50  # pairs of posts of a day, without which an account's shared luck is neither known nor important
)
_SURPRISE = 2.5  # standard errors for a share of luck to count
_LARGEST_SHARE = 0.8  # of the variance of one post


@dataclass(frozen=True, slots=True)
class SharedLuck:
    """Covariance of slot means from luck that posts share, for the accounts where it is noticeable."""

    row: IntArray  # (accounts,) index into `blocks`, -1 = none noticed
    variance: FloatArray  # (accounts,) variance of a post's luck that it shares with others
    blocks: npt.NDArray[
        np.float32
    ]  # (noticed, 7, 24, 24) covariance of the means of two slots of one weekday

    def take(self, places: IntArray) -> SharedLuck:
        """A subset of the accounts, by their indices."""
        row = self.row[places]
        noticed = row >= 0
        blocks = self.blocks[row[noticed]]
        row[noticed] = np.arange(len(blocks))
        return SharedLuck(row, self.variance[places], blocks)

    def dense(self) -> FloatArray:
        """Covariance of the slot means of every account, (accounts, 7, 24, 24)."""
        whole = np.zeros((len(self.row), DAYS, HOURS, HOURS))
        noticed = self.row >= 0
        whole[noticed] = self.blocks[self.row[noticed]]
        return whole

    def scaled(self, count: FloatArray, part: FloatArray) -> SharedLuck:
        """The covariance of the means of a part of the days; both are posts per slot, (accounts, 168)."""
        if not len(self.blocks):
            return self
        share = part.sum(axis=1) / np.maximum(count.sum(axis=1), 1.0)
        blocks = self.blocks.copy()
        noticed = self.row >= 0
        blocks[self.row[noticed]] /= np.maximum(share[noticed], 0.1)[:, None, None, None]
        return SharedLuck(self.row, self.variance, blocks)


def no_luck(accounts: int) -> SharedLuck:
    """No shared luck on any account."""
    empty = np.zeros((0, DAYS, HOURS, HOURS), np.float32)
    return SharedLuck(np.full(accounts, -1, dtype=np.int64), np.zeros(accounts), empty)


def inflate_noise(luck: SharedLuck, count: FloatArray, noise: FloatArray) -> FloatArray:
    """Variance of one post as if it were all its own, for sums over the hours of the day; (accounts,).

    Args:
        luck: of the accounts.
        count: posts per slot, (accounts, 168).
        noise: variance of one post, (accounts,).
    """
    noticed = np.flatnonzero(luck.row >= 0)
    inflated = noise.copy()
    if len(noticed):
        posts = count[noticed].reshape(-1, DAYS, HOURS)
        # Variance of the sums of one hour's posts with those of the hours around it, for a typical hour.
        shared = np.einsum("adst,ads,adt->a", luck.blocks[luck.row[noticed]].astype(np.float64), posts, posts)
        inflated[noticed] += shared / np.maximum(posts.sum(axis=(1, 2)), 1.0) - luck.variance[noticed]
    return inflated


def join_luck(parts: list[SharedLuck]) -> SharedLuck:
    """The shared luck of several runs of accounts, in order."""
    if not parts:
        return no_luck(0)
    before = np.concatenate(([0], np.cumsum([len(part.blocks) for part in parts])[:-1]))
    row = [np.where(part.row < 0, -1, part.row + first) for part, first in zip(parts, before, strict=True)]
    return SharedLuck(
        np.concatenate(row),
        np.concatenate([part.variance for part in parts]),
        np.concatenate([part.blocks for part in parts]),
    )


def estimate_luck(
    account: IntArray, hours: IntArray, residual: FloatArray, weight: FloatArray, variance: FloatArray
) -> SharedLuck:
    """Sizes of the shared luck of each account, and what it adds to the covariance of slot means.

    Args:
        account: sorted, (posts,).
        hours: local hours since a Monday 00:00; ascending within an account except where a clock is set back, (posts,).
        residual: (posts,), log units, mean 0 per account.
        weight: 1, or 0 for a repeated row, (posts,).
        variance: variance of one post, (accounts,).
    """
    accounts = len(variance)
    if not len(account):
        return no_luck(accounts)
    cells = _sum_cells(account, hours, residual, weight)
    left, right = _pair_cells(cells)
    pairs = _sum_by(cells.account, cells.number * (cells.number - 1) / 2, accounts)
    pairs += _sum_by(cells.account[left], cells.number[left] * cells.number[right], accounts)
    enough = np.flatnonzero(pairs >= _LEAST_PAIRS)
    if not len(enough):
        return no_luck(accounts)
    found = _sum_pairs(cells, left, right, enough, accounts)
    of_day, of_hours = _estimate_sizes(found, variance[enough])
    noticed = np.flatnonzero((of_day + of_hours) > 0)
    if not len(noticed):
        return no_luck(accounts)
    row = np.full(accounts, -1, dtype=np.int64)
    row[enough[noticed]] = np.arange(len(noticed))
    common = np.zeros(accounts)
    common[enough[noticed]] = (of_day + of_hours)[noticed]
    shared = of_day[noticed, None, None, None] + of_hours[noticed, None, None, None] * np.exp(
        -_LAG / _DECAY_HOURS
    )
    number, count = found.slot_number[noticed], found.count[noticed]
    both = count + np.swapaxes(count, 2, 3)  # ordered pairs
    both[..., _HOUR, _HOUR] += number  # a post and itself
    blocks = shared * both / np.maximum(number[..., :, None] * number[..., None, :], 1.0)
    return SharedLuck(row, common, blocks.astype(np.float32))


_HOUR = np.arange(HOURS)
_LAG = np.abs(_HOUR[:, None] - _HOUR)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Posts of one hour of one day of an account, (cells,) each."""

    account: IntArray
    hour: IntArray  # since a Monday 00:00
    number: FloatArray
    total: FloatArray  # sum of residuals ...
    squares: FloatArray  # ... and of their squares


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of posts of the same day by their two slots, (accounts, 7, 24, 24); of slots, (accounts, 7, 24)."""

    count: FloatArray  # pairs of one day
    excess: FloatArray  # sum of their products beyond what the same slots have on different days
    used: FloatArray  # `count` where there are pairs of different days to compare with
    noise: FloatArray  # variance of `excess`, in units of the squared variance of a post
    slot_number: FloatArray


def _sum_pairs(cells: _Cells, left: IntArray, right: IntArray, chosen: IntArray, accounts: int) -> _Pairs:
    """Products of posts of the same day and of different days, for the chosen accounts."""
    place = np.full(accounts, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    kept = place[cells.account[left]] >= 0
    left, right = left[kept], right[kept]
    own = np.flatnonzero(place[cells.account] >= 0)
    slot = place[cells.account] * SLOTS + cells.hour % SLOTS
    number, total, squares = cells.number, cells.total, cells.squares
    shape = (len(chosen), DAYS, HOURS, HOURS)
    size = len(chosen) * SLOTS * HOURS
    pair, single = slot[left] * HOURS + cells.hour[right] % HOURS, slot[own] * HOURS + cells.hour[own] % HOURS
    count = _sum_by(pair, number[left] * number[right], size)
    count += _sum_by(single, number[own] * (number[own] - 1) / 2, size)
    product = _sum_by(pair, total[left] * total[right], size)
    product += _sum_by(single, (total[own] ** 2 - squares[own]) / 2, size)
    count, product = count.reshape(shape), product.reshape(shape)
    slot_number, slot_total, slot_squares = (
        _sum_by(slot[own], values[own], len(chosen) * SLOTS).reshape(shape[:3])
        for values in (number, total, squares)
    )
    half = 1 - np.eye(HOURS) / 2  # pairs within a slot are counted once, and a post is no pair with itself
    apart = slot_number[..., :, None] * slot_number[..., None, :] * half - count
    apart_product = slot_total[..., :, None] * slot_total[..., None, :] * half - product
    apart[..., _HOUR, _HOUR] -= slot_number / 2
    apart_product[..., _HOUR, _HOUR] -= slot_squares / 2
    known = apart > 0.5
    apart = np.maximum(apart, 0.5)
    used = np.where(known, count, 0.0)
    # The products of different days are estimates too: their noise adds to that of the same day's.
    return _Pairs(
        count,
        np.where(known, product - count * apart_product / apart, 0.0),
        used,
        used + used**2 / apart,
        slot_number,
    )


def _estimate_sizes(pairs: _Pairs, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variance of the luck of a day and of neighbouring hours, (accounts,) each; 0 where it is not noticeable."""

    def mean_over(chosen: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        number = np.maximum((pairs.used * chosen).sum(axis=(1, 2, 3)), 1e-9)
        error = np.sqrt((pairs.noise * chosen).sum(axis=(1, 2, 3))) / number * variance
        return (pairs.excess * chosen).sum(axis=(1, 2, 3)) / number, np.where(number > 0.5, error, np.inf)

    near_pairs = pairs.used * (_LAG <= NEAR_HOURS)
    typical = (near_pairs * np.exp(-_LAG / _DECAY_HOURS)).sum(axis=(1, 2, 3))
    typical /= np.maximum(near_pairs.sum(axis=(1, 2, 3)), 1e-9)
    far, far_error = mean_over(_LAG >= FAR_HOURS)
    near, near_error = mean_over(_LAG <= NEAR_HOURS)
    of_day = np.where(far > _SURPRISE * far_error, far + far_error, 0.0)
    of_hours = np.where(near - of_day > _SURPRISE * near_error, near - of_day + near_error, 0.0) / np.maximum(
        typical, 0.1
    )
    limit = np.minimum(_LARGEST_SHARE * variance / np.maximum(of_day + of_hours, 1e-12), 1.0)
    return of_day * limit, of_hours * limit


def _sum_cells(account: IntArray, hours: IntArray, residual: FloatArray, weight: FloatArray) -> _Cells:
    change = (np.diff(account, prepend=-1) != 0) | (np.diff(hours, prepend=hours[:1] - 1) != 0)
    starts = np.flatnonzero(change)
    weighed = residual * weight
    number, total, squares = (
        np.add.reduceat(values, starts) for values in (weight, weighed, residual * weighed)
    )
    return _Cells(account[starts], hours[starts], number, total, squares)


def _sum_by(group: IntArray, values: FloatArray, groups: int) -> FloatArray:
    return np.asarray(np.bincount(group, values, groups), np.float64)  # of no values it would be integers


def _pair_cells(cells: _Cells) -> tuple[IntArray, IntArray]:
    """All pairs of cells of one account's day, the earlier first: at most 23 for each cell."""
    left, right = [], []
    day = cells.hour // HOURS
    first = np.arange(len(day))
    for step in range(1, HOURS):
        first = first[first < len(day) - step]
        same = cells.account[first] == cells.account[first + step]
        first = first[same & (day[first] == day[first + step])]
        if not len(first):
            break
        left.append(first)
        right.append(first + step)
    if not left:
        return first[:0], first[:0]
    return np.concatenate(left), np.concatenate(right)
