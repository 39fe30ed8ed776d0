"""Generate post histories with known timing effects, to evaluate and test the timing model.

Two kinds of week: `bumps` (a few good and bad times of day, unlike the model's assumptions) and `kernel`
(drawn from the model's Gaussian process, so that its exact solution is optimal). Accounts post by habit (some
hours often, most rarely), their level drifts, their kinds of content differ in engagement and in posting
hours, and a post's own random variation has sd 1.1 in log units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]
Slots = np.ndarray[Any, np.dtype[np.int64]]
KINDS = np.array(["link", "photo", "text", "video"])
START = pd.Timestamp("2024-01-01", tz="UTC")  # a Monday


@dataclass(frozen=True)
class World:
    """Posts (account_id, published_at UTC, engagement, kind, slot) and the true effects.

    Posts also have effect_and_luck: log engagement without level and kind, which is not observable in real
    data.
    """

    posts: pd.DataFrame
    effect: Array  # (accounts, 168) log units
    true_lift: Array  # (accounts, 168) log units relative to the account's own mix of posts
    noise_sd: float


def make_world(
    seed: int,
    *,
    accounts: int,
    posts: int,
    shape: str = "bumps",
    effect_sd: float = 0.19,
    shared: float = 0.15,
    noise_sd: float = 1.1,
    tails: float | None = None,
    weeks: int = 52,
    day_sd: float = 0.0,
    hours_sd: float = 0.0,
    rate: float | None = None,
    moved: float | None = None,
    carried: float = 1.0,
    best: float | None = None,
    family: int | None = None,
    alike: float = 0.5,
    abroad: float = 0.0,
) -> World:
    """Draw a world.

    Args:
        seed: same seed, same world.
        accounts: how many.
        posts: posts an account.
        shape: bumps | kernel, see above; single, block = one good time of the day.
        effect_sd: sd of the true slot effect over the week; 0 = timing does nothing.
        shared: share of that variance which all accounts have in common.
        noise_sd: sd of a post's own luck.
        tails: degrees of freedom of Student noise; None = normal.
        weeks: length of the history.
        day_sd: sd of luck that all posts of an account's day share.
        hours_sd: sd of luck that posts of an account within the same four hours share.
        rate: None = log engagement around 5; else engagement is a Poisson count around `rate` times the luck.
        moved: share of the history after which the audience comes eight hours later; `effect` is the new one.
        carried: correlation of the effects with those half a history before. They change from quarter to quarter, and
            `effect` is that of the quarter after the history, for which advice is given.
        best: scales each account's effects so that its best slot has this lift (a fraction) against its mix.
        family: worlds with the same number are platforms with similar users: `alike` is the share of the variance of
            what accounts have in common that is the same on all of them.
        alike: see `family`.
        abroad: share of the accounts whose audience lives three to ten hours away: what accounts have in common comes
            that much earlier or later by their clock.
    """
    rng = np.random.default_rng(seed)
    extra = np.random.default_rng((seed, 2))  # draws of its own: the worlds of older versions stay the same
    draw = _DRAWS[shape]
    common, own = draw(rng, 1), draw(rng, accounts)
    same = common if family is None else draw(np.random.default_rng((family, 3)), 1)
    common = _send_abroad(extra, _blend(common, same, alike)[0], accounts, abroad)
    effect = _blend(own, common, shared) * effect_sd
    effect *= np.exp(rng.normal(0, 0.25, (accounts, 1)))
    habit = _habits(rng, accounts)
    if best is not None:
        reach = effect.max(axis=1) - (habit * effect).sum(axis=1)
        effect *= (np.log1p(best) / reach)[:, None]
    quarters = [effect]  # the newest first
    while carried < 1 and len(quarters) < 5:
        fresh = _standard(draw(extra, accounts)) * effect.std(axis=1, keepdims=True)
        quarters.append(np.sqrt(carried) * quarters[-1] + np.sqrt(1 - carried) * fresh)
    parts, lifts = [], []
    for account in range(accounts):
        slot = rng.choice(168, size=posts, p=habit[account])
        hours = rng.integers(0, weeks, posts) * 168 + slot + rng.random(posts)
        kind, kind_effect = _kinds(rng, slot)
        elapsed = hours / (weeks * 168)
        wave = np.sin(2 * np.pi * (elapsed * rng.uniform(0.5, 3) + rng.random()))
        level = rng.normal(5, 1) + 0.5 * (rng.normal() * elapsed + rng.normal() * wave)
        luck = rng.normal(size=posts)
        if tails is not None:
            luck = rng.standard_t(tails, posts) / np.sqrt(tails / (tails - 2))
        timing = effect[account, slot]
        if carried < 1:
            timing = np.array(quarters)[4 - (elapsed * 4).astype(np.int64), account, slot]
        if moved is not None:
            timing = np.where(elapsed < moved, effect[account, (slot + 8) % 168], timing)
        effect_and_luck = timing + noise_sd * luck
        for sd, length in ((day_sd, 24), (hours_sd, 4)):
            if sd:
                effect_and_luck += (
                    sd * extra.normal(size=weeks * 168 // length)[(hours // length).astype(np.int64)]
                )
        y = level + kind_effect + effect_and_luck
        engagement = np.round(np.expm1(y).clip(0))
        if rate is not None:
            spread = np.minimum(y - 5 + np.log(rate), 12.0)
            engagement = extra.poisson(np.exp(spread)).astype(np.float64)
        parts.append(
            pd.DataFrame(
                {
                    "account_id": f"account-{account:05d}",
                    "published_at": START + pd.to_timedelta((hours * 3.6e9).astype(np.int64), unit="us"),
                    "engagement": engagement,
                    "kind": KINDS[kind],
                    "slot": slot,
                    "effect_and_luck": effect_and_luck,
                }
            )
        )
        mix = np.bincount(slot, minlength=168) / posts
        lifts.append(effect[account] - mix @ effect[account])
    return World(pd.concat(parts, ignore_index=True), effect, np.array(lifts), noise_sd)


def _blend(own: Array, common: Array, shared: float) -> Array:
    """Weeks of which a share of the variance is common."""
    return _standard(np.sqrt(shared) * common + np.sqrt(1 - shared) * own)


def _send_abroad(rng: np.random.Generator, week: Array, accounts: int, share: float) -> Array:
    """One week for each account, moved by three to ten hours for a share of them."""
    if not share:
        return week[None]
    away = rng.integers(3, 11, accounts) * rng.choice((-1, 1), accounts)
    away[rng.random(accounts) >= share] = 0
    return np.array([np.roll(week, hours) for hours in away])


def _standard(values: Array) -> Array:
    return (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)


def _bumps(rng: np.random.Generator, number: int) -> Array:
    """Smooth weeks: one to three bumps of the day on all, working or free days, day levels, small noise."""
    hour = np.arange(24)
    shapes = np.zeros((number, 168))
    for row in range(number):
        week = rng.normal(0, 0.3, (7, 1)) + rng.normal(0, 0.15, (7, 24))
        for _ in range(rng.integers(1, 4)):
            distance = np.abs(hour - rng.uniform(0, 24))
            distance = np.minimum(distance, 24 - distance)
            bump = rng.normal() * np.exp(-0.5 * (distance / rng.uniform(1.5, 4)) ** 2)
            days = (np.ones(7), np.arange(7) < 5, np.arange(7) >= 5)[rng.choice(3)]
            week += np.outer(days, bump)
        shapes[row] = week.reshape(-1)
    return _standard(shapes)


def _single_bumps(rng: np.random.Generator, number: int) -> Array:
    """Weeks with one good time of the day, the same on all days, four to seven hours wide."""
    distance = np.abs(np.arange(24) - rng.uniform(0, 24, (number, 1)))
    distance = np.minimum(distance, 24 - distance)
    day = np.exp(-0.5 * (distance / rng.uniform(1.5, 3, (number, 1))) ** 2)
    return _standard(np.tile(day, (1, 7)))


def _blocks(rng: np.random.Generator, number: int) -> Array:
    """Weeks with one block of six good hours, the same on all days, among the hours at which accounts post."""
    first = rng.integers(8, 17, (number, 1))
    hour = np.arange(24)
    return _standard(np.tile(((hour >= first) & (hour < first + 6)).astype(np.float64), (1, 7)))


def kernel_of_design() -> Array:
    """Covariance of the slots' effects as measured on real pages: same hour, same day, weekend, noise."""
    hour, day = np.arange(168) % 24, np.arange(168) // 24
    angle = np.pi * (hour[:, None] - hour) / 24
    same_day = day[:, None] == day
    same_class = (day[:, None] >= 5) == (day >= 5)

    def alike(length: float) -> Array:
        return np.asarray(np.exp(-4 * np.sin(angle) ** 2 / (2 * np.pi * length / 24) ** 2))

    kernel = 0.042 * alike(2.1) + 0.0024 * same_day + 0.0059 * np.eye(168)
    return np.asarray(kernel + 0.014 * alike(2.1) * same_class + 0.007 * alike(5.6) * same_day)


def _kernel_weeks(rng: np.random.Generator, number: int) -> Array:
    """Weeks drawn from the design's Gaussian process."""
    return _standard(rng.normal(size=(number, 168)) @ np.linalg.cholesky(kernel_of_design()).T)


def _habits(rng: np.random.Generator, accounts: int) -> Array:
    """Probability of each slot: mostly daytime, a few favourite hours, uneven days."""
    hour = np.arange(24)
    gap = np.sin(np.pi * (hour[:, None] - hour) / 24)
    smooth = np.exp(-4 * gap**2 / (2 * np.pi * 3 / 24) ** 2) + 1e-6 * np.eye(24)
    curve = 1.5 * rng.normal(size=(accounts, 24)) @ np.linalg.cholesky(smooth).T
    curve += 1.2 * np.cos((hour - 14) / 24 * 2 * np.pi)
    days = rng.normal(0, 0.3, (accounts, 7, 1)) + rng.normal(0, 0.5, (accounts, 7, 24))
    chance = np.exp(curve[:, None, :] + days).reshape(accounts, 168)
    return np.divide(chance, chance.sum(axis=1, keepdims=True))


def _kinds(rng: np.random.Generator, slot: Slots) -> tuple[Slots, Array]:
    """Each post's kind, which depends slightly on the hour, and the effect of the kind."""
    taste = np.log(rng.dirichlet(np.full(len(KINDS), 1.5))) + 0.5 * rng.normal(size=(24, len(KINDS)))
    chance = np.exp(taste)
    chance /= chance.sum(axis=1, keepdims=True)
    kind = (rng.random(len(slot))[:, None] > np.cumsum(chance[slot % 24], axis=1)).sum(axis=1)
    kind = np.minimum(kind, len(KINDS) - 1)
    return kind, rng.normal(0, 0.4, len(KINDS))[kind]


_DRAWS = {"bumps": _bumps, "kernel": _kernel_weeks, "single": _single_bumps, "block": _blocks}


def draw_weeks(shape: str, number: int) -> Array:
    """Weeks of a shape, (number, 168), each with mean 0 and variance 1; always the same."""
    return _DRAWS[shape](np.random.default_rng(0), number)


def make_block_world(
    seed: int,
    *,
    accounts: int,
    posts: int,
    hours: int,
    days: str = "all",
    even: bool = True,
    noise_sd: float = 1.1,
    lift: float = 0.3,
) -> World:
    """Accounts with one block of good hours, `lift` above all others; without kinds, and with a constant level.

    Args:
        seed: same seed, same world.
        accounts: how many.
        posts: posts an account, over a year.
        hours: length of the block, which lies around one of the account's posts; 0 = timing does nothing.
        days: all | working | one, the days on which these hours are good.
        even: post evenly over all 168 slots; else by habit.
        noise_sd: sd of a post's own luck.
        lift: a fraction.
    """
    rng = np.random.default_rng((seed, 4))
    hour, day = np.arange(168) % 24, np.arange(168) // 24
    habit = np.full((accounts, 168), 1 / 168) if even else _habits(rng, accounts)
    parts, effects, lifts = [], [], []
    for account in range(accounts):
        slot = rng.choice(168, size=posts, p=habit[account])
        first = rng.choice(slot) % 24 - hours // 2
        good = (hour - first) % 24 < hours
        good &= {"all": day >= 0, "working": day < 5, "one": day == rng.integers(7)}[days]
        effect = good * np.log1p(lift)
        elapsed = rng.integers(0, 52, posts) * 168 + slot + rng.random(posts)
        effect_and_luck = effect[slot] + noise_sd * rng.normal(size=posts)
        parts.append(
            pd.DataFrame(
                {
                    "account_id": f"account-{account:05d}",
                    "published_at": START + pd.to_timedelta((elapsed * 3.6e9).astype(np.int64), unit="us"),
                    "engagement": np.expm1(5 + effect_and_luck).clip(0).round(),
                    "slot": slot,
                    "effect_and_luck": effect_and_luck,
                }
            )
        )
        effects.append(effect)
        lifts.append(effect - np.bincount(slot, minlength=168) / posts @ effect)
    return World(pd.concat(parts, ignore_index=True), np.array(effects), np.array(lifts), noise_sd)


def make_changed_world(
    seed: int, *, accounts: int, posts: int, factor: float, shape: str = "bumps", noise_sd: float = 1.1
) -> World:
    """Accounts that change once, without notice: no kinds, a new level, different posting hours.

    Until a week between the 15th and the 37th of 52 they post around a morning hour, from then on nine hours
    later and with `factor` times the engagement. The effect of an hour does not change.
    """
    effect = make_world(seed, accounts=accounts, posts=1, shape=shape).effect
    rng = np.random.default_rng((seed, 1))
    hour = np.arange(168) % 24
    parts, lifts = [], []
    for account in range(accounts):
        grain = rng.normal(0, 0.5, 168)
        morning = rng.uniform(7, 11)
        week = rng.integers(0, 52, posts)
        after = week >= rng.integers(15, 38)
        slot = np.zeros(posts, dtype=np.int64)
        for era, centre in ((~after, morning), (after, morning + 9)):
            chance = np.exp(grain - 0.5 * ((hour - centre) / 3) ** 2)
            slot[era] = rng.choice(168, era.sum(), p=chance / chance.sum())
        hours = week * 168 + slot + rng.random(posts)
        effect_and_luck = effect[account, slot] + noise_sd * rng.normal(size=posts)
        y = 5 + np.log(factor) * after + effect_and_luck
        parts.append(
            pd.DataFrame(
                {
                    "account_id": f"account-{account:05d}",
                    "published_at": START + pd.to_timedelta((hours * 3.6e9).astype(np.int64), unit="us"),
                    "engagement": np.expm1(y).clip(0),
                    "slot": slot,
                    "effect_and_luck": effect_and_luck,
                }
            )
        )
        lifts.append(effect[account] - np.bincount(slot, minlength=168) / posts @ effect[account])
    return World(pd.concat(parts, ignore_index=True), effect, np.array(lifts), noise_sd)
