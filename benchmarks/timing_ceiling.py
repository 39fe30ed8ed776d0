"""The upper bound for any method on a `kernel` world: the exact solution, given everything but the effects.

Level, kinds, the noise variance and the effects' Gaussian process are known; only an account's own effects
are not. Its advice earns the most on average, so no method can exceed it in such a world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from generate_histories import draw_weeks, kernel_of_design

if TYPE_CHECKING:
    from generate_histories import World

    from warehouse.timing.model import SlotSums

    Array = np.ndarray[Any, np.dtype[np.float64]]


def solve_exactly(world: World, *, profile_known: bool) -> Array:
    """Posterior mean lift of every slot, (accounts, 168) log units.

    `profile_known`: the shared part of the effects is known too.
    """
    centre = np.eye(168) - 1 / 168
    own = centre @ kernel_of_design() @ centre
    own *= 168 / np.trace(own) * world.effect.var()
    prior = np.zeros(168)
    if profile_known:
        prior = world.effect.mean(axis=0)
        own *= 1 - prior.var() / world.effect.var()
    lifts = []
    for _, posts in world.posts.groupby("account_id"):
        slot = posts["slot"].to_numpy()
        count = np.bincount(slot, minlength=168)
        seen = count > 0
        mean = np.bincount(slot, posts["effect_and_luck"], 168)[seen] / count[seen]
        noise = np.diag(world.noise_sd**2 / count[seen])
        effect = prior + own[:, seen] @ np.linalg.solve(own[np.ix_(seen, seen)] + noise, mean - prior[seen])
        lifts.append(effect - count / count.sum() @ effect)
    return np.array(lifts)


def solve_jointly(world: World, sums: SlotSums | None = None) -> Array:
    """As `solve_exactly`, but what the accounts share has to be learned from their posts, too.

    With `sums` the level, the kinds and the noise are those that the model estimates, so that only the covariances are
    known: no method can exceed it that has to learn all the rest from these posts.
    """
    shared = world.effect.mean(axis=0)
    centre = np.eye(168) - 1 / 168
    design = centre @ kernel_of_design() @ centre
    design *= 168 / np.trace(design)
    own, common = design * (world.effect.var() - shared.var()), design * shared.var()
    if sums is None:
        count, mean = _count_true_residuals(world)
        noise = np.full(len(count), world.noise_sd**2)
    else:
        count, mean, noise = sums.count, sums.mean, sums.noise
        own = own + 0.5  # the level, estimated on the account's own mix of slots, has an unknown offset
    information, score, gains = np.linalg.pinv(common), np.zeros(168), []
    for row in range(len(count)):
        seen = np.flatnonzero(count[row])
        precision = np.linalg.inv(own[np.ix_(seen, seen)] + np.diag(noise[row] / count[row, seen]))
        information[np.ix_(seen, seen)] += precision
        score[seen] += precision @ mean[row, seen]
        gains.append((seen, own[:, seen] @ precision))
    profile = common @ np.linalg.solve(np.eye(168) + (information - np.linalg.pinv(common)) @ common, score)
    lifts = []
    for row, (seen, gain) in enumerate(gains):
        effect = profile + gain @ (mean[row, seen] - profile[seen])
        lifts.append(effect - count[row] / count[row].sum() @ effect)
    return np.array(lifts)


def measure_likelihood_power(world: World, shape: str, false_alarms: float, *, draws: int = 300) -> float:
    """Share of the accounts in which the likelihood ratio finds timing, at an exact rate of false alarms.

    The test knows level, kinds, noise, the covariance of such weeks and how strong they are; it does not know the week.
    On average over such weeks no test finds more (Neyman and Pearson).
    """
    rng = np.random.default_rng(0)
    weeks = draw_weeks(shape, 5000)
    values, vectors = np.linalg.eigh(weeks.T @ weeks / len(weeks))
    kept = values > 1e-3
    basis = vectors[:, kept] * np.sqrt(values[kept])
    count, mean = _count_true_residuals(world)
    found = []
    for row, effect in enumerate(world.effect):
        weight = count[row] / world.noise_sd**2
        border = basis.T @ weight
        information = basis.T @ (weight[:, None] * basis) - np.outer(border, border) / weight.sum()
        score = basis.T @ (weight * mean[row]) - border * (weight @ mean[row]) / weight.sum()
        root = np.linalg.cholesky(information + 1e-9 * np.eye(len(information)))
        chance = root @ rng.normal(size=(len(root), draws))  # scores without any effect
        cases = np.column_stack((score, chance))
        posterior = np.linalg.solve(np.eye(len(root)) + effect.var() * information, cases)
        ratio = (cases * posterior).sum(axis=0)
        found.append((ratio[1:] >= ratio[0]).mean() <= false_alarms)
    return float(np.mean(found))


def _count_true_residuals(world: World) -> tuple[Array, Array]:
    """Posts per slot and their mean without level and kind, (accounts, 168) each."""
    counts, means = [], []
    for _, posts in world.posts.groupby("account_id"):
        count = np.bincount(posts["slot"], minlength=168)
        counts.append(count)
        means.append(np.bincount(posts["slot"], posts["effect_and_luck"], 168) / np.maximum(count, 1))
    return np.array(counts, dtype=np.float64), np.array(means)
