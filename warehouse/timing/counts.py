"""Likelihood of small counts: engagement that is mostly 0, 1 or 2 has no useful logarithm. Pure.

A post's engagement is a Poisson count whose rate is lognormal: the account's level and kind, the effect of the hour,
and luck of an account's own size. In the logarithm of `unit + engagement`, an effect of the hour would shrink to a
fraction and its interval with it. Here each post gives the derivative of its log likelihood to the log rate (its score,
bounded by nature: a count says little about its rate), and the expectation of its square (its information). A slot's
effect is the sum of scores over the sum of information, one step of a maximum likelihood estimate.

Both come from a table over log rate, count and size of luck, which is computed once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

LUCK_SIZES = np.array([0.3, 0.6, 0.9, 1.1, 1.3, 1.6, 2.0])  # sd of a post's luck in log units, candidates
_RATES = np.linspace(-9.0, 7.0, 161)  # log rate
_COUNTS = np.concatenate((np.arange(30), np.unique(np.geomspace(30, 3000, 60).round()))).astype(np.float64)
_LOG_COUNTS = np.log1p(_COUNTS)
_NODES = 61
MOST_TYPICAL = 8.0  # accounts whose median engagement is below this, in units, are counted
LEAST_ZEROS = 0.02  # ... and those with this share of posts without engagement


@lru_cache(maxsize=1)
def _tables() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log likelihood and expected luck in sd, (sizes, rates, counts), and information, (sizes, rates)."""
    z, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    weight /= weight.sum()
    likelihood = np.empty((len(LUCK_SIZES), len(_RATES), len(_COUNTS)))
    luck = np.empty_like(likelihood)
    information = np.empty((len(LUCK_SIZES), len(_RATES)))
    factorial = np.cumsum(np.log(np.maximum(np.arange(3001), 1)))
    whole = np.arange(3001)
    for row, size in enumerate(LUCK_SIZES):
        log_rate = _RATES[:, None] + size * z  # (rates, nodes)
        log_chance = _COUNTS * log_rate[:, :, None] - np.exp(log_rate)[:, :, None]
        log_chance -= factorial[_COUNTS.astype(np.int64)]
        top = log_chance.max(axis=1, keepdims=True)
        chance = np.exp(log_chance - top) * weight[:, None]
        total = chance.sum(axis=1)
        likelihood[row] = np.log(total) + top[:, 0]
        luck[row] = (chance * z[:, None]).sum(axis=1) / total
        # Expected square of the score: sum over counts, the coarse ones with the width of their cell.
        width = np.diff(np.append(_COUNTS, whole[-1] + 1))
        probability = np.exp(likelihood[row]) * width
        probability /= probability.sum(axis=1, keepdims=True)
        information[row] = (probability * luck[row] ** 2).sum(axis=1) / size**2
    return likelihood, luck, information


def _place(values: FloatArray, grid: FloatArray) -> tuple[IntArray, FloatArray]:
    """Index of the cell and the share of the way through it."""
    left = np.clip(np.searchsorted(grid, values, side="right") - 1, 0, len(grid) - 2)
    return left, np.clip((values - grid[left]) / (grid[left + 1] - grid[left]), 0.0, 1.0)


def _look_up(table: FloatArray, size: IntArray, log_rate: FloatArray, count: FloatArray) -> FloatArray:
    """Bilinear in log rate and log count; (posts,)."""
    rate, along = _place(log_rate, _RATES)
    cell, across = _place(np.log1p(count), _LOG_COUNTS)
    lower = table[size, rate, cell] * (1 - across) + table[size, rate, cell + 1] * across
    upper = table[size, rate + 1, cell] * (1 - across) + table[size, rate + 1, cell + 1] * across
    return np.asarray(lower * (1 - along) + upper * along, np.float64)


def choose_luck_size(account: IntArray, log_rate: FloatArray, count: FloatArray, accounts: int) -> IntArray:
    """The most likely size of a post's luck for each account, as an index into LUCK_SIZES; (accounts,)."""
    likelihood, _, _ = _tables()
    return np.asarray(
        np.argmax(
            [
                np.bincount(
                    account, _look_up(likelihood, np.full(len(account), size), log_rate, count), accounts
                )
                for size in range(len(LUCK_SIZES))
            ],
            axis=0,
        ),
        np.int64,
    )


def expect_luck(size: IntArray, log_rate: FloatArray, count: FloatArray) -> FloatArray:
    """Expected luck of each post given its count, in sd of its luck; (posts,)."""
    return _look_up(_tables()[1], size, log_rate, count)


def expect_information(size: IntArray, log_rate: FloatArray) -> FloatArray:
    """Expected square of each post's score: what its count says about its log rate; (posts,)."""
    table = _tables()[2]
    rate, along = _place(log_rate, _RATES)
    return np.asarray(table[size, rate] * (1 - along) + table[size, rate + 1] * along, np.float64)
