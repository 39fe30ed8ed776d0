"""Sum posts per slot in batches of accounts; the sums are the complete input of the fit. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.timing.batches import map_batches
from warehouse.timing.clocks import find_local_hours
from warehouse.timing.history import HOURS, SLOTS, PostArrays
from warehouse.timing.levels import compute_residuals, sum_by
from warehouse.timing.luck import SharedLuck, estimate_luck, inflate_noise, join_luck, no_luck
from warehouse.timing.moves import find_moves

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from warehouse.timing.age import AgeCurve

    FloatArray = npt.NDArray[np.float64]

EARLY_SHARE = (
    0.6  # of an account's posts, from which the others are forecast to learn how well that works ...
)
SPLIT_ACCOUNTS = 300  # ... on this many accounts, evenly spaced ...
OWN_SPLIT_POSTS = 1_200  # ... and on those with so many posts, which show how well it works on themselves
NEVER = np.iinfo(np.int64).min
_BATCH_POSTS = 50_000  # their arrays fit in the processor's cache
_BATCH_ACCOUNTS = 1_000


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Posts per slot and their mean residual, (accounts, 168): of older and newer posts; 0 for accounts left out."""

    early_count: FloatArray
    early_mean: FloatArray
    late_count: FloatArray
    late_mean: FloatArray

    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """All four, in the order of the fields."""
        return self.early_count, self.early_mean, self.late_count, self.late_mean


@dataclass(frozen=True, slots=True)
class SlotSums:
    """Summary of a history for the model: one row per account, small enough to hold all accounts in memory."""

    account_ids: list[Any]  # sorted
    count: (
        FloatArray  # (accounts, 168) posts per local slot, without repeated rows; outdated posts count less
    )
    rows: FloatArray  # (accounts, 168) the same with repeated rows
    mean: FloatArray  # (accounts, 168) mean residual in log units, 0 where there is no post
    noise: FloatArray  # (accounts,) variance of one post's residual
    luck: SharedLuck  # the part of that variance that posts of a day share
    habit: FloatArray  # (accounts, 168) as `count`, but older posts count in full where the audience moved
    moved: FloatArray  # (accounts,) probability that the audience moved
    moved_at: npt.NDArray[np.int64]  # (accounts,) since when, microseconds since 1970; NEVER = not likely
    split: TimeSplit  # some accounts' posts in two parts, to learn how much of a forecast comes true

    def independent_count(self) -> FloatArray:
        """Posts per slot as they would count if each had its own luck; shape (accounts, 168)."""
        noticed = self.luck.row >= 0
        if not noticed.any():
            return self.count
        count = self.count.copy()
        shared = np.diagonal(self.luck.blocks, axis1=2, axis2=3).reshape(-1, SLOTS)[self.luck.row[noticed]]
        own = (self.noise - self.luck.variance)[noticed, None]
        count[noticed] *= self.noise[noticed, None] / (own + shared * count[noticed])
        return count

    def take(self, places: npt.NDArray[np.int64]) -> SlotSums:
        """A subset of the accounts, by their indices."""
        return SlotSums(
            [self.account_ids[place] for place in places],
            self.count[places],
            self.rows[places],
            self.mean[places],
            self.noise[places],
            self.luck.take(places),
            self.habit[places],
            self.moved[places],
            self.moved_at[places],
            TimeSplit(*(values[places] for values in self.split.arrays())),
        )


def sum_posts(
    account_ids: list[Any], zones: list[str], posts: PostArrays, curve: AgeCurve, *, with_split: bool = True
) -> SlotSums:
    """Residuals of all posts, summed per account and local slot of its zone.

    Args:
        account_ids: names in the order of `posts.account`.
        zones: each account's IANA zone.
        posts: sorted, see `PostArrays`.
        curve: growth of engagement with a post's age.
        with_split: also sum the older and newer posts of accounts from which a platform's kernel is learned. Those of
            accounts with `OWN_SPLIT_POSTS` are always summed.
    """
    size = (len(account_ids), SLOTS)
    sums = SlotSums(
        account_ids,
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(len(account_ids)),
        no_luck(len(account_ids)),
        np.zeros(size),
        np.zeros(len(account_ids)),
        np.full(len(account_ids), NEVER),
        TimeSplit(*(np.zeros(size) for _ in range(4))),
    )
    step = -(-len(account_ids) // SPLIT_ACCOUNTS) or 1
    lucks: dict[int, SharedLuck] = {}

    def sum_batch(batch: tuple[int, int, PostArrays]) -> None:
        first, last, part = batch
        accounts = last - first
        local = part.account.astype(np.int64) - first
        hours = find_local_hours(part.account, part.published, zones)
        slot = local * SLOTS + hours % SLOTS
        part = _renumber(part, local)
        residual, noise = compute_residuals(part, accounts, curve)
        luck = estimate_luck(local, hours, residual, part.weight, noise)
        habit = sum_by(slot, part.weight, accounts * SLOTS).reshape(accounts, SLOTS)
        sums.habit[first:last] = habit
        # Luck that posts share may not pass for a move.
        sums.moved[first:last], moment, still = find_moves(
            local, hours % HOURS, residual, part.weight, inflate_noise(luck, habit, noise)
        )
        told = np.flatnonzero(moment >= 0)
        sums.moved_at[first + told] = part.published[moment[told]]
        weight = part.weight * still
        count = np.bincount(slot, weight, accounts * SLOTS)
        total = np.bincount(slot, residual * weight, accounts * SLOTS)
        sums.count[first:last] = count.reshape(accounts, SLOTS)
        sums.rows[first:last] = np.bincount(slot, minlength=accounts * SLOTS).reshape(accounts, SLOTS)
        sums.mean[first:last] = (total / np.where(count > 0, count, 1.0)).reshape(accounts, SLOTS)
        sums.noise[first:last] = noise
        chosen = habit.sum(axis=1) >= OWN_SPLIT_POSTS
        if with_split:
            chosen |= np.arange(first, last) % step == 0
        if chosen.any():
            _sum_split(sums.split, part, local, hours % SLOTS, curve, first, chosen)
            # Forecasts are made from posts that weigh less where the audience may have moved: so are these.
            kept = sum_by(local, weight, accounts) / np.maximum(habit.sum(axis=1), 1.0)
            sums.split.early_count[first:last] *= kept[:, None]
        lucks[first] = luck

    map_batches(sum_batch, _batches(posts, len(account_ids)))
    return replace(sums, luck=join_luck([lucks[first] for first in sorted(lucks)]))


def _batches(posts: PostArrays, accounts: int) -> Iterator[tuple[int, int, PostArrays]]:
    """Runs of whole accounts, bounded in posts and accounts."""
    bounds = np.searchsorted(posts.account, np.arange(accounts + 1))
    first = 0
    while first < accounts:
        full = int(np.searchsorted(bounds, bounds[first] + _BATCH_POSTS, side="right")) - 1
        last = min(max(full, first + 1), first + _BATCH_ACCOUNTS, accounts)
        yield first, last, posts.take(slice(bounds[first], bounds[last]))
        first = last


def _sum_split(  # noqa: PLR0917 (internal)
    split: TimeSplit,
    posts: PostArrays,
    account: npt.NDArray[np.int64],
    slot: npt.NDArray[np.int64],
    curve: AgeCurve,
    first: int,
    wanted: npt.NDArray[np.bool_],
) -> None:
    """Sum the wanted accounts' older and newer posts. Level and kinds are estimated for each part by itself.

    Estimated together, noise would leak between the parts: what raises a kind's effect in the one lowers the other.
    """
    accounts = int(account[-1]) + 1 if len(account) else 0
    rows = np.flatnonzero(wanted[account])
    if not len(rows):
        return
    bounds = np.searchsorted(account, np.arange(accounts + 1))
    late = (np.arange(len(account)) - bounds[account] >= EARLY_SHARE * np.diff(bounds)[account])[rows]
    names, local = np.unique(account[rows], return_inverse=True)
    half = 2 * local + late
    chosen = posts.take(rows)
    residual, _ = compute_residuals(_renumber(chosen, half), 2 * len(names), curve)
    # A level and an effect per kind take their share of what timing did to so few newer posts: give it back.
    kinds = int(chosen.kind.max()) + 1
    present = np.unique(half * kinds + chosen.kind) // kinds
    estimated = np.bincount(present, minlength=2 * len(names)) + 1.0
    number = np.bincount(half, chosen.weight, 2 * len(names))
    returned = number / np.maximum(np.maximum(number - estimated, 0.5 * number), 1.0)
    returned[::2] = 1.0
    residual = residual * returned[half]
    cell, cells = half * SLOTS + slot[rows], 2 * len(names) * SLOTS
    count = np.bincount(cell, chosen.weight, cells).reshape(-1, 2, SLOTS)
    total = np.bincount(cell, residual * chosen.weight, cells).reshape(-1, 2, SLOTS)
    mean = total / np.maximum(count, 1.0)
    split.early_count[names + first], split.late_count[names + first] = count[:, 0], count[:, 1]
    split.early_mean[names + first], split.late_mean[names + first] = mean[:, 0], mean[:, 1]


def _renumber(batch: PostArrays, account: npt.NDArray[np.int64]) -> PostArrays:
    return PostArrays(account, batch.published, batch.engagement, batch.kind, batch.age_hours, batch.weight)
