"""Evaluate the measured lift of the advice: repeated experiments with a known effect.

Prints, for each kind of installation, the mean error of the measured difference and the coverage of the 80 %
and the 95 % interval, with the standard error of each share. Usage: python benchmarks/eval_timing_lift.py
[--repeats N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass

from warehouse.timing.placement_effect import Effect, Outcome, compute_effect


@dataclass(frozen=True)
class World:
    """An installation that runs the experiment."""

    name: str
    posts: int
    accounts: int = 1
    share: float = 0.2
    """Share of posts placed at random."""
    effect: float = 0.15
    """True difference recommended - random in log units."""
    accounts_per_post: int = 1
    post_noise: float = 1.1
    """Random variation of a post, the same on all of its accounts, in log units (standard deviation)."""
    account_noise: float = 0.0
    """Random variation of a post on one account."""
    uneven: float = 0.0
    """Variation of noise between accounts: 1 = by a factor of e in both directions."""
    random_spread: float = 0.19
    """Variation among times placed at random."""
    heavy_tails: bool = False


WORLDS = [
    World("one account, 100 posts", 100),
    World("one account, 100 posts, no effect", 100, effect=0.0),
    World("one account, 60 posts, half at random", 60, share=0.5),
    World("one account, 1000 posts, 2 % at random", 1000, share=0.02),
    World("ten uneven accounts, 400 posts", 400, accounts=10, uneven=1.0),
    World("posts on 3 of 6 accounts", 150, accounts=6, accounts_per_post=3, account_noise=0.6),
    World("forty accounts, few posts each", 200, accounts=40, share=0.3),
    World("viral luck, 200 posts", 200, heavy_tails=True),
]


def draw_experiment(world: World, rng: random.Random) -> list[Outcome]:
    """One experiment: accounts of different size, posts placed at random or as recommended."""
    sizes = [rng.gauss(4, 1.5) for _ in range(world.accounts)]
    noise = [2.718281828 ** rng.uniform(-world.uneven, world.uneven) for _ in range(world.accounts)]
    outcomes = []
    for number in range(world.posts):
        recommended = rng.random() >= world.share
        gain = world.effect if recommended else rng.gauss(0, world.random_spread)
        luck = rng.gauss(0, world.post_noise)
        if world.heavy_tails and rng.random() < 0.03:
            luck += rng.expovariate(1 / 3)
        for account in rng.sample(range(world.accounts), world.accounts_per_post):
            own = luck + rng.gauss(0, world.account_noise)
            value = sizes[account] + gain + noise[account] * own
            outcomes.append(Outcome(f"post{number}", account, recommended, value))
    return outcomes


def measure(world: World, repeats: int, seed: int) -> dict[str, float]:
    """Mean error, its expected size, and the coverage of the intervals."""
    rng = random.Random(seed)
    effects: list[Effect] = [compute_effect(draw_experiment(world, rng)) for _ in range(repeats)]
    known = [effect for effect in effects if effect.difference is not None]
    held = dict.fromkeys((0.8, 0.95), 0)
    for effect in known:
        for level in held:
            low, high = effect.interval(level) or (0.0, 0.0)
            held[level] += low <= world.effect <= high
    errors = [(effect.difference or 0.0) - world.effect for effect in known]
    return {
        "answered": len(known) / repeats,
        "bias": sum(errors) / len(errors),
        "error": (sum(error**2 for error in errors) / len(errors)) ** 0.5,
        "claimed": sum(effect.standard_error or 0.0 for effect in known) / len(known),
        "cover_80": held[0.8] / len(known),
        "cover_95": held[0.95] / len(known),
    }


def main() -> None:
    """Print one line per world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    spread = (0.8 * 0.2 / chosen.repeats) ** 0.5, (0.95 * 0.05 / chosen.repeats) ** 0.5
    print(
        f"{chosen.repeats} experiments a line, seed {chosen.seed}; "
        f"a share is known to +- {spread[0]:.1%} and {spread[1]:.1%}"
    )
    print(f"{'':40} {'answered':>8} {'bias':>7} {'error':>6} {'claimed':>7} {'80 %':>6} {'95 %':>6}")
    for number, world in enumerate(WORLDS):
        told = measure(world, chosen.repeats, chosen.seed + number)
        shares = f"{told['cover_80']:6.1%} {told['cover_95']:6.1%}"
        sizes = f"{told['bias']:+7.3f} {told['error']:6.3f} {told['claimed']:7.3f}"
        print(f"{world.name:40} {told['answered']:8.0%} {sizes} {shares}")


if __name__ == "__main__":
    main()
