"""Detect an audience that moved: from some moment on, an account's good hours are others. Pure.

For nine moments of an account's history, the posts before and after are compared: is one curve over the hours of the
day enough for all of them, or does each side need its own? Both answers have a likelihood, so the moment has a
probability, and so has that there was none. Older posts lose weight by the probability that they are out of date; with
few posts, which can hardly tell, only on accounts where a move is more likely than not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from warehouse.timing.history import HOURS

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

PARTS = 10  # of equally many posts; a move is looked for between them
LIKELY = 0.5  # probability of a move from which it is told
WEIGHED_POSTS = 200  # posts from which every probability of a move counts; with fewer, only a likely one
_CHANCE = 0.25  # prior probability that an account's audience moved
_LEAST_POSTS = 60
_VARIANCE = 0.05  # of the effect of an hour of the day
_HOURS_ALIKE = 3.0


def find_moves(
    account: IntArray, hour: IntArray, residual: FloatArray, weight: FloatArray, noise: FloatArray
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Probability that each account's audience moved, its first post after that, and what each post still weighs.

    Args:
        account: sorted, then by time, (posts,).
        hour: 0-23, local, (posts,).
        residual: (posts,), log units.
        weight: 1, or 0 for a repeated row, (posts,).
        noise: variance of one post, (accounts,).

    Returns:
        Shapes (accounts,), (accounts,) as indices of posts (-1 = no move is likely), (posts,) between 0 and 1.
    """
    accounts = len(noise)
    bounds = np.searchsorted(account, np.arange(accounts + 1))
    before_post = np.concatenate(([0.0], np.cumsum(weight)))  # repeated rows are no posts
    size = np.diff(before_post[bounds])
    probability, moment = np.zeros(accounts), np.full(accounts, -1, dtype=np.int64)
    still = np.ones(len(account))
    able = np.flatnonzero(size >= _LEAST_POSTS)
    if not len(able):
        return probability, moment, still
    rank = before_post[:-1] - before_post[bounds[account]]
    part = np.minimum(rank * PARTS // np.maximum(size, 1)[account], PARTS - 1).astype(np.int64)
    cell = (account * PARTS + part) * HOURS + hour
    shape = (accounts, PARTS, HOURS)
    count = np.bincount(cell, weight, accounts * PARTS * HOURS).reshape(shape)[able]
    total = np.bincount(cell, residual * weight, accounts * PARTS * HOURS).reshape(shape)[able]
    before_count, before_total = count.cumsum(axis=1), total.cumsum(axis=1)
    whole = _evidence(before_count[:, -1:], before_total[:, -1:], noise[able])
    before = _evidence(before_count[:, :-1], before_total[:, :-1], noise[able])
    after = _evidence(
        before_count[:, -1:] - before_count[:, :-1], before_total[:, -1:] - before_total[:, :-1], noise[able]
    )
    odds = np.log(_CHANCE / (1 - _CHANCE) / (PARTS - 1)) + before + after - whole
    top = np.maximum(odds.max(axis=1, keepdims=True), 0.0)
    moved = np.exp(odds - top)
    moved /= moved.sum(axis=1, keepdims=True) + np.exp(-top)
    probability[able] = moved.sum(axis=1)
    likely = probability > LIKELY
    chosen = able[likely[able]]
    weighed = likely[able] | (size[able] >= WEIGHED_POSTS)
    current = np.ones((accounts, PARTS))
    current[able[weighed], :-1] = 1 - moved[weighed][:, ::-1].cumsum(axis=1)[:, ::-1]
    still = np.clip(current, 0.0, 1.0)[account, part]
    first = moved[likely[able]].argmax(axis=1) + 1
    moment[chosen] = np.searchsorted(account * PARTS + part, chosen * PARTS + first)
    return probability, moment, still


def _evidence(count: FloatArray, total: FloatArray, noise: FloatArray) -> FloatArray:
    """Log likelihood of sums per hour under one smooth curve over the day; (accounts, moments)."""
    basis = _basis()
    information = np.eye(basis.shape[1]) + np.einsum(
        "amh,hp->amp", count / noise[:, None, None], _products()
    ).reshape(*count.shape[:2], basis.shape[1], basis.shape[1])
    score = (total / noise[:, None, None]) @ basis
    solved = np.linalg.solve(information, score[..., None])[..., 0]
    return np.asarray(0.5 * ((score * solved).sum(axis=2) - np.linalg.slogdet(information)[1]), np.float64)


@lru_cache(maxsize=1)
def _basis() -> FloatArray:
    """Smooth curves over the hours of the day, in which an effect's coefficients are independent with variance 1."""
    hour = np.arange(HOURS)
    gap = np.sin(np.pi * (hour[:, None] - hour) / HOURS)
    covariance = _VARIANCE * np.exp(-4 * gap**2 / (2 * np.pi * _HOURS_ALIKE / HOURS) ** 2)
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 0.02 * values.max()
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), np.float64)


@lru_cache(maxsize=1)
def _products() -> FloatArray:
    basis = _basis()
    return np.asarray((basis[:, :, None] * basis[:, None, :]).reshape(HOURS, -1), np.float64)
