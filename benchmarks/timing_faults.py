"""Situations in which a timing model fools itself, each with its own measure: see `FAULTS`.

Each function takes a seed and a scale (factor on the number of accounts) and returns rows of measures. They are cheap:
all of them together take a few minutes on one core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from generate_histories import World, make_block_world, make_world
from timing_ceiling import measure_likelihood_power

from warehouse.timing.clusters import find_clusters
from warehouse.timing.model import (
    compute_from_sums,
    compute_optimal_times,
    compute_platform_prior,
    compute_prior_without_each,
    compute_slot_sums,
)
from warehouse.timing.posterior import normal_cdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from timing_baselines import Scores

    Answer = dict[str, Any]
    Rows = list[dict[str, Any]]


def advise(history: pd.DataFrame, timezone: str = "UTC", *, pooled: bool = True) -> Answer:
    """The model's output as arrays (accounts, 168), by column."""
    sums = compute_slot_sums(history, timezones=timezone)
    return as_arrays(compute_from_sums(sums, prior=compute_prior_without_each(sums) if pooled else None))


def as_arrays(table: pd.DataFrame) -> Answer:
    """A table of the model as arrays (accounts, 168), by column."""
    return {name: table[name].to_numpy().reshape(-1, 168) for name in table.columns}


def measure_truth(world: World, advised: Scores) -> dict[str, float]:
    """The true effect of following each account's best advised slot (log units relative to its habit)."""
    best = advised.argmax(axis=1)
    gained = world.true_lift[np.arange(len(best)), best]
    return {
        "share_of_oracle": gained.sum() / world.true_lift.max(axis=1).sum(),
        "harm": float((gained < 0).mean()),
    }


def measure_honesty(world: World, answer: Answer) -> dict[str, float]:
    """Calibration: predicted and realised lift, and the coverage of the 80 % interval."""
    best = answer["expected_lift"].argmax(axis=1)
    rows = np.arange(len(best))
    true = np.expm1(world.true_lift)
    held = (answer["lift_low"] <= true) & (true <= answer["lift_high"])
    return {
        "predicted_to_realised": answer["expected_lift"][rows, best].mean() / true[rows, best].mean(),
        "coverage_all_slots": float(held.mean()),
        "coverage_best_slot": float(held[rows, best].mean()),
    }


def measure_verdict(answer: Answer) -> dict[str, float]:
    """How many accounts are told that timing matters, how many see a `high`, and what the best slot promises."""
    best = answer["expected_lift"].argmax(axis=1)
    rows = np.arange(len(best))
    return {
        "verdict": float((answer["confidence"][rows, best] != "none").mean()),
        "labelled_high": float((answer["confidence"] == "high").any(axis=1).mean()),
        "promised": float(answer["expected_lift"].max(axis=1).mean()),
    }


def measure_null(seed: int, scale: float) -> Rows:
    """Accounts without any timing effect: how many are told that timing matters."""
    rows = []
    for posts, accounts in ((100, 200), (300, 150), (1000, 80), (3000, 40)):
        for name, options in (
            ("normal", {}),
            ("heavy tails", {"tails": 2.5}),
            ("mostly zeros", {"rate": 0.3}),
        ):
            world = make_world(seed, accounts=_some(accounts, scale), posts=posts, effect_sd=0.0, **options)  # type: ignore[arg-type]  # a dict
            rows.append({"case": name, "n": posts} | measure_verdict(advise(world.posts)))
    return rows


def measure_power(seed: int, scale: float) -> Rows:
    """Accounts whose best slot truly earns 30 % more than their usual times: how many are told so, at 1,000 posts.

    `power_ceiling` is that of the best possible test with 9 % false alarms, which knows the level, the noise and the
    exact shape of the week, and only asks whether it is there (Neyman and Pearson). `likelihood_power` is that of the
    best one that does not know the week, but the covariance of such weeks.
    """
    rows = []
    for shape in ("block", "single", "bumps", "kernel"):
        world = make_world(seed, accounts=_some(100, scale), posts=1000, shape=shape, best=0.3)
        answer = advise(world.posts)
        squares = world.posts.groupby("account_id")["slot"].apply(list)
        known = [
            np.sqrt((lift[slots] ** 2).sum()) / world.noise_sd
            for lift, slots in zip(world.true_lift, squares, strict=True)
        ]
        rows.append(
            {"case": shape, "n": 1000}
            | measure_verdict(answer)
            | {
                "power_ceiling": float(normal_cdf(np.array(known) - 1.341).mean()),
                "likelihood_power": measure_likelihood_power(world, shape, 0.09),
            }
            | measure_truth(world, answer["expected_lift"])
            | measure_honesty(world, answer)
        )
    return rows


def measure_blocks(seed: int, scale: float) -> Rows:
    """One block of good hours with +30 % against all others, 1,000 posts: accounts of which timing is told to matter.

    `power_ceiling` as in `measure_power`: the best possible test, which knows the block. A block of 0 hours: no effect.
    """
    rows = []
    for even in (True, False):
        for noise_sd in (0.8, 1.1):
            for hours, days in (
                (0, "all"),
                *((hours, days) for days in ("all", "working") for hours in (1, 2, 3, 4, 6)),
                *((hours, "one") for hours in (3, 6)),
            ):
                world = make_block_world(
                    seed,
                    accounts=_some(60, scale),
                    posts=1000,
                    hours=hours,
                    days=days,
                    even=even,
                    noise_sd=noise_sd,
                )
                sums = compute_slot_sums(world.posts)
                answer = as_arrays(compute_from_sums(sums, prior=compute_prior_without_each(sums)))
                posts = world.posts.groupby("account_id")["slot"].apply(list)
                known = [
                    np.sqrt((lift[slots] ** 2).sum()) / noise_sd
                    for lift, slots in zip(world.true_lift, posts, strict=True)
                ]
                name = f"{hours} h, {days} days, {'even' if even else 'habits'}, sd {noise_sd}"
                rows.append(
                    {
                        "case": name,
                        "n": 1000,
                        "power_ceiling": float(normal_cdf(np.array(known) - 1.341).mean()),
                    }
                    | measure_verdict(answer)
                )
    return rows


def measure_day_luck(seed: int, scale: float) -> Rows:
    """24 posts a day for six weeks, no timing effect, luck shared by the day or by four hours."""
    rows = []
    for name, options in (
        ("day sd 0.5", {"day_sd": 0.5}),
        ("day sd 1", {"day_sd": 1.0}),
        ("4 hours sd 0.7", {"hours_sd": 0.7}),
        ("day and hours", {"day_sd": 0.5, "hours_sd": 0.5}),
    ):
        world = make_world(seed, accounts=_some(60, scale), posts=1000, weeks=6, effect_sd=0.0, **options)  # type: ignore[arg-type]  # a dict
        rows.append({"case": name, "n": 1000} | measure_verdict(advise(world.posts)))
    world = make_world(seed, accounts=_some(60, scale), posts=1000, weeks=6, day_sd=0.5)
    answer = advise(world.posts)
    rows.append(
        {"case": "day sd 0.5, with timing", "n": 1000}
        | measure_verdict(answer)
        | measure_truth(world, answer["expected_lift"])
        | measure_honesty(world, answer)
    )
    return rows


def measure_promises(seed: int, scale: float) -> Rows:
    """Weak effects, heavy tails and effects that change: predicted against realised lift of the best slot."""
    rows = []
    for name, options in (
        ("weak effects", {"effect_sd": 0.1}),
        ("strong effects", {"effect_sd": 0.35}),
        ("heavy tails", {"tails": 2.5}),
        ("changing", {"carried": 0.6}),
        ("weak, changing, day luck", {"effect_sd": 0.12, "carried": 0.6, "day_sd": 0.4}),
    ):
        for posts, accounts in ((100, 200), (1000, 80)):
            world = make_world(seed, accounts=_some(accounts, scale), posts=posts, **options)  # type: ignore[arg-type]  # a dict
            answer = advise(world.posts)
            rows.append(
                {"case": name, "n": posts}
                | measure_truth(world, answer["expected_lift"])
                | measure_honesty(world, answer)
            )
    return rows


def measure_zeros(seed: int, scale: float) -> Rows:
    """Engagement that is mostly zero: does the interval hold the truth."""
    rows = []
    for rate in (0.06, 0.3, 1.6, 6.0, 20.0):
        world = make_world(seed, accounts=_some(100, scale), posts=1000, rate=rate)
        answer = advise(world.posts)
        zeros = (world.posts["engagement"] == 0).mean()
        rows.append(
            {"case": f"rate {rate:g} a post", "n": 1000, "zeros": float(zeros)}
            | measure_truth(world, answer["expected_lift"])
            | measure_honesty(world, answer)
            | measure_verdict(answer)
        )
    return rows


def measure_moved(seed: int, scale: float) -> Rows:
    """The audience comes eight hours later after 70 % of the history, without a word."""
    rows = []
    for posts, accounts in ((300, 120), (1000, 100), (3000, 40)):
        for name, moved in (("moved", 0.7), ("stayed", None)):
            world = make_world(seed, accounts=_some(accounts, scale), posts=posts, moved=moved)
            sums = compute_slot_sums(world.posts)
            answer = as_arrays(compute_from_sums(sums, prior=compute_prior_without_each(sums)))
            known = sums.moved > 0.5
            told = {"told": float(known.mean())}
            if known.any():
                held = (answer["lift_low"] <= np.expm1(world.true_lift)) & (
                    np.expm1(world.true_lift) <= answer["lift_high"]
                )
                told["coverage_told"] = float(held[known].mean())
            rows.append(
                {"case": name, "n": posts}
                | measure_truth(world, answer["expected_lift"])
                | measure_honesty(world, answer)
                | told
            )
    return rows


def measure_foreign(seed: int, scale: float) -> Rows:
    """Raw slot means of 60 other accounts as the prior of accounts with 100 posts; our own without its attributes."""
    rows = []
    for shape in ("bumps", "kernel"):
        world = make_world(seed, accounts=_some(260, scale), posts=100, shape=shape)
        number = world.posts["account_id"].str[-5:].astype(int)
        others, own = world.posts[number < 60], world.posts[number >= 60]
        part = World(own, world.effect[60:], world.true_lift[60:], world.noise_sd)
        week = pd.DataFrame({"weekday": np.arange(168) // 24, "hour": np.arange(168) % 24})
        raw = others.groupby("slot")["engagement"].mean().reindex(range(168))
        raw = np.log(raw.fillna(raw.mean()).clip(lower=1) / raw.mean())
        logs = np.log1p(others["engagement"])
        logs = (logs - logs.groupby(others["account_id"]).transform("mean")).groupby(others["slot"]).mean()
        log_means = week.assign(log_effect=logs.reindex(range(168)).fillna(0).to_numpy())
        elsewhere = make_world(seed + 1000, accounts=60, posts=100, shape=shape).posts
        ours = compute_platform_prior(others)
        without, stranger = ours.copy(), compute_platform_prior(elsewhere)
        without.attrs, stranger.attrs = {}, {}
        for name, prior in (
            ("none", None),
            ("raw slot means", week.assign(log_effect=raw.to_numpy())),
            ("log slot means", log_means),
            ("log slot means in percent", log_means.assign(log_effect=100 * log_means["log_effect"])),
            (
                "log slot means, five hours late",
                log_means.assign(log_effect=np.roll(log_means["log_effect"], 5)),
            ),
            ("another platform's", stranger),
            ("ours without attributes", without),
            ("ours", ours),
        ):
            answer = as_arrays(compute_optimal_times(own, prior=prior))
            rows.append(
                {"case": f"{shape}: {name}", "n": 100}
                | measure_truth(part, answer["expected_lift"])
                | measure_honesty(part, answer)
            )
    return rows


def measure_viral(seed: int, scale: float) -> Rows:
    """One viral post at an hour at which the account never posts: is that hour recommended."""
    rows = []
    for posts in (50, 100, 300):
        accounts = _some(100, scale)
        world = make_world(seed, accounts=accounts, posts=posts, effect_sd=0.1)
        for times in (100, 1000):
            parts, hours = [], []
            for _, history in world.posts.groupby("account_id"):
                used = np.bincount(history["slot"] % 24, minlength=24).astype(float)
                around = sum(np.roll(used, shift) for shift in range(-2, 3))
                hour = int(np.argmin(around))  # type: ignore[arg-type]  # sum() of arrays
                viral = history.iloc[[posts // 2]].copy()
                at = viral["published_at"].dt.floor("D") + pd.Timedelta(hours=hour, minutes=30)
                viral = viral.assign(published_at=at, engagement=times * history["engagement"].median())
                parts += [history, viral]
                hours.append(hour)
            answer = advise(pd.concat(parts), pooled=False)
            best = answer["expected_lift"].argmax(axis=1) % 24
            away = np.abs(best - np.array(hours))
            near = np.minimum(away, 24 - away) <= 2
            rows.append({"case": f"{times} times", "n": posts, "viral_hour_recommended": float(near.mean())})
    return rows


def measure_platforms(seed: int, scale: float) -> Rows:
    """A platform of 200 or 20 accounts beside two others of 200, with 100 posts each: what their profile adds."""
    rows = []
    for shape in ("bumps", "kernel"):
        for alike in (0.7, 0.0):
            accounts = _some(200, scale)
            worlds = [
                make_world(
                    10 * seed + place, accounts=accounts, posts=100, shape=shape, family=seed, alike=alike
                )
                for place in range(3)
            ]
            elsewhere = compute_platform_prior(
                pd.concat(
                    world.posts.assign(account_id=world.posts["account_id"] + f"-{place}")
                    for place, world in enumerate(worlds[1:])
                )
            )
            for size in (accounts, max(10, accounts // 10)):
                names = worlds[0].posts["account_id"].unique()[:size]
                own = worlds[0].posts[worlds[0].posts["account_id"].isin(names)]
                part = World(own, worlds[0].effect[:size], worlds[0].true_lift[:size], worlds[0].noise_sd)
                sums = compute_slot_sums(own)
                for name, other in (("alone", None), ("with others", elsewhere)):
                    prior = compute_prior_without_each(sums, elsewhere=other)
                    answer = as_arrays(compute_from_sums(sums, prior=prior))
                    rows.append(
                        {"case": f"{shape}, {alike:.0%} alike, {size} accounts: {name}", "n": 100}
                        | measure_truth(part, answer["expected_lift"])
                        | measure_honesty(part, answer)
                    )
    return rows


def measure_few(seed: int, scale: float) -> Rows:
    """Accounts with few posts and the profile of 400 others: never worse than the profile alone."""
    rows = []
    for name, options in (
        ("bumps", {"shape": "bumps"}),
        ("kernel", {"shape": "kernel"}),
        ("kernel, weak effects", {"shape": "kernel", "effect_sd": 0.1}),
    ):
        for posts in (5, 10, 20, 50):
            accounts = 2 * _some(400, scale)
            world = make_world(seed, accounts=accounts, posts=100, **options)  # type: ignore[arg-type]
            number = world.posts["account_id"].str[-5:].astype(int)
            prior = compute_platform_prior(world.posts[number < accounts // 2])
            own = world.posts[number >= accounts // 2].groupby("account_id").sample(posts, random_state=seed)
            mixes = np.array(
                [np.bincount(part["slot"], minlength=168) for _, part in own.groupby("account_id")]
            )
            effect = world.effect[accounts // 2 :]
            lift = effect - (mixes * effect).sum(axis=1, keepdims=True) / posts
            part = World(own, effect, lift, world.noise_sd)
            answer = as_arrays(compute_optimal_times(own, prior=prior))
            alone = np.tile(prior["log_effect"].to_numpy(), (accounts // 2, 1))
            row = {"case": name, "n": posts} | measure_truth(part, answer["expected_lift"])
            row["prior_alone"] = measure_truth(part, alone)["share_of_oracle"]
            rows.append(row | measure_honesty(part, answer))
    return rows


def measure_boosted(seed: int, scale: float) -> Rows:
    """6 % of the posts are boosted at one hour (ten times the engagement), without a mark, then marked as paid."""
    rows = []
    world = make_world(seed, accounts=_some(80, scale), posts=600, effect_sd=0.1)
    rng = np.random.default_rng(seed)
    parts = []
    for _, history in world.posts.groupby("account_id"):
        chosen = rng.choice(len(history), size=round(0.06 * len(history)), replace=False)
        boosted = history.copy()
        paid = np.zeros(len(history), dtype=bool)
        paid[chosen] = True
        at = boosted["published_at"].dt.floor("D") + pd.Timedelta(hours=14, minutes=10)
        boosted["published_at"] = boosted["published_at"].where(~paid, at)
        boosted["engagement"] *= np.where(paid, 10, 1)
        parts.append(boosted.assign(paid=paid))
    posts = pd.concat(parts)
    for name, history in (("unmarked", posts.drop(columns="paid")), ("marked as paid", posts)):
        sums = compute_slot_sums(history)
        named = find_clusters(sums.count, sums.mean, sums.noise)[:, 14]
        answer = as_arrays(compute_from_sums(sums))
        rows.append({"case": name, "n": 600, "named": float(named.mean())} | measure_verdict(answer))
    return rows


def _some(accounts: int, scale: float) -> int:
    return max(10, round(accounts * scale))


FAULTS: dict[str, Callable[[int, float], Rows]] = {
    "null": measure_null,
    "power": measure_power,
    "blocks of hours": measure_blocks,
    "day luck": measure_day_luck,
    "promises": measure_promises,
    "zeros": measure_zeros,
    "moved audience": measure_moved,
    "foreign prior": measure_foreign,
    "viral post": measure_viral,
    "other platforms": measure_platforms,
    "few posts": measure_few,
    "boosted posts": measure_boosted,
}
