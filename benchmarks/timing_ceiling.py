"""The upper bound for any method on a `kernel` world: the exact solution, given everything but the effects.

Level, kinds, the noise variance and the effects' Gaussian process are known; only an account's own effects
are not. Its advice earns the most on average, so no method can exceed it in such a world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from generate_histories import kernel_of_design

if TYPE_CHECKING:
    from generate_histories import World

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
