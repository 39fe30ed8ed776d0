"""How good the posting-time model is: on a generator whose truth is known, and on a real history.

    python benchmarks/eval_optimal_times.py [--seed 7] [--json]
    python benchmarks/eval_optimal_times.py --history posts.parquet --timezone Etc/GMT+5 --before 2016-06-21

A history is CSV or Parquet: account, published_at, likes, comments, shares, optional kind. Times without an
offset are read in --timezone, and slots are counted by that zone's clock.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runnable alone, from anywhere

from generate_histories import World, make_world

from warehouse.optimal_times import (
    MODEL_VERSION,
    compute_from_sums,
    compute_prior_without_each,
    compute_slot_sums,
)

SIZES = ((100, 400), (300, 300), (1000, 150), (3000, 80))  # posts an account, accounts
SET_SHARE = 0.2
MIN_POSTS = 500
TRAIN_SHARE = 0.6

Scores = np.ndarray[Any, np.dtype[np.float64]]
Cells = np.ndarray[Any, np.dtype[np.int64]]
Scorer = Callable[[pd.DataFrame], Scores]


def score_by_slot_mean(posts: pd.DataFrame) -> Scores:
    """Mean engagement per slot, what most tools do; a slot without posts is never advised."""
    slot, engagement = posts["slot"].to_numpy(), posts["engagement"].to_numpy()
    return np.bincount(slot, engagement, 168) / np.maximum(np.bincount(slot, minlength=168), 1)


def score_by_hour_and_weekday(posts: pd.DataFrame) -> Scores:
    """Mean engagement of the hour times that of the weekday."""
    hour = _means(posts["slot"].to_numpy() % 24, posts["engagement"].to_numpy(), 24)
    day = _means(posts["slot"].to_numpy() // 24, posts["engagement"].to_numpy(), 7)
    return np.outer(day, hour).reshape(-1)


def score_by_log_hour(posts: pd.DataFrame) -> Scores:
    """Mean log engagement of the hour, all days alike."""
    return np.tile(_means(posts["slot"].to_numpy() % 24, np.log1p(posts["engagement"].to_numpy()), 24), 7)


BASELINES: dict[str, Scorer] = {
    "mean per slot": score_by_slot_mean,
    "hour x weekday means": score_by_hour_and_weekday,
    "log-hour curve": score_by_log_hour,
}


def _means(cell: Cells, values: Scores, cells: int) -> Scores:
    count = np.bincount(cell, minlength=cells)
    return np.where(count > 0, np.bincount(cell, values, cells) / np.maximum(count, 1), values.mean())


def advise(history: pd.DataFrame, timezone: str, *, pooled: bool) -> dict[str, Any]:
    """The model's answer as arrays (accounts, 168), by column."""
    sums = compute_slot_sums(history, timezones=timezone)
    table = compute_from_sums(sums, prior=compute_prior_without_each(sums) if pooled else None)
    return {name: table[name].to_numpy().reshape(-1, 168) for name in table.columns}


def measure_truth(world: World, advised: Scores) -> dict[str, float]:
    """What following each account's best advised slot truly earns (log units against its habit)."""
    best = advised.argmax(axis=1)
    gained = world.true_lift[np.arange(len(best)), best]
    return {
        "share_of_oracle": gained.sum() / world.true_lift.max(axis=1).sum(),
        "harm": float((gained < 0).mean()),
    }


def measure_honesty(world: World, answer: dict[str, Any]) -> dict[str, float]:
    """Whether promises are kept: predicted to realised lift, and how often the 80 % interval holds."""
    best = answer["expected_lift"].argmax(axis=1)
    rows = np.arange(len(best))
    true = np.expm1(world.true_lift)
    held = (answer["lift_low"] <= true) & (true <= answer["lift_high"])
    return {
        "predicted_to_realised": answer["expected_lift"][rows, best].mean() / true[rows, best].mean(),
        "coverage_all_slots": float(held.mean()),
        "coverage_best_slot": float(held[rows, best].mean()),
    }


def evaluate_generator(seed: int) -> list[dict[str, Any]]:
    """One row per method and size, on worlds that share 15 % of their timing among accounts."""
    rows: list[dict[str, Any]] = []
    for number, accounts in SIZES:
        world = make_world(seed, accounts=accounts, posts=number)
        for name, scorer in BASELINES.items():
            advised = np.array([scorer(posts) for _, posts in world.posts.groupby("account_id")])
            rows.append({"n": number, "method": name, **measure_truth(world, advised)})
        for name, pooled in (("this model, no prior", False), ("this model", True)):
            answer = advise(world.posts, "UTC", pooled=pooled)
            truth = measure_truth(world, answer["expected_lift"])
            rows.append({"n": number, "method": name, **truth, **measure_honesty(world, answer)})
        null = advise(
            make_world(seed, accounts=accounts, posts=number, effect_sd=0.0).posts, "UTC", pooled=True
        )
        rows.append({"n": number, "method": "this model, no timing effect at all", **measure_placebo(null)})
    return rows


def measure_placebo(answer: dict[str, Any]) -> dict[str, float]:
    """Where posts carry no timing effect: the lift promised for the best slot, accounts that see a 'high'."""
    return {
        "promised": float(answer["expected_lift"].max(axis=1).mean()),
        "labelled_high": float((answer["confidence"] == "high").any(axis=1).mean()),
    }


def read_history(path: Path, timezone: str, before: str | None) -> pd.DataFrame:
    """account_id, published_at, engagement, kind, slot; only accounts with 500 posts or more; by time."""
    raw = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    published = pd.to_datetime(raw["published_at"])
    if published.dt.tz is None:
        published = published.dt.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward")
    local = published.dt.tz_convert(timezone)
    posts = pd.DataFrame(
        {
            "account_id": raw["account"],
            "published_at": published.dt.tz_convert("UTC"),
            "engagement": raw[["likes", "comments", "shares"]].sum(axis=1, min_count=1).astype(float),
            "kind": raw["kind"] if "kind" in raw.columns else "text",
            "slot": local.dt.day_of_week * 24 + local.dt.hour,
        }
    ).dropna(subset=["engagement"])
    if before is not None:
        posts = posts[local < pd.Timestamp(before, tz=timezone)]
    posts = posts[posts.groupby("account_id")["engagement"].transform("size") >= MIN_POSTS]
    return posts.sort_values(["account_id", "published_at"], kind="stable").reset_index(drop=True)


def evaluate_history(posts: pd.DataFrame, timezone: str, seed: int) -> list[dict[str, Any]]:
    """Train on each account's first 60 % of posts (or the last 100 of them), look at the rest."""
    rank = posts.groupby("account_id").cumcount() / posts.groupby("account_id")["slot"].transform("size")
    train, future = (
        posts[rank < TRAIN_SHARE],
        [part for _, part in posts[rank >= TRAIN_SHARE].groupby("account_id")],
    )
    rows: list[dict[str, Any]] = []
    for label, seen in (("100", train.groupby("account_id").tail(100)), ("all", train)):
        for name, scorer in BASELINES.items():
            advised = np.array([scorer(part) for _, part in seen.groupby("account_id")])
            rows.append({"n": label, "method": name, **measure_future(future, advised)})
        for name, pooled in (("this model, no prior", False), ("this model", True)):
            answer = advise(seen, timezone, pooled=pooled)
            predicted = np.log1p(answer["expected_lift"])
            rows.append({"n": label, "method": name, **measure_future(future, predicted, honest=True)})
        shuffled = advise(shuffle_engagement(seen, seed), timezone, pooled=True)
        placebo = measure_future(future, np.log1p(shuffled["expected_lift"]))
        rows.append(
            {"n": label, "method": "placebo: engagement shuffled", **placebo, **measure_placebo(shuffled)}
        )
    return rows


def shuffle_engagement(posts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Engagement and kind of each account's posts dealt out anew: no timing effect is left."""
    order = posts.sample(frac=1.0, random_state=seed).sort_values("account_id", kind="stable").index
    return posts.assign(
        engagement=posts.loc[order, "engagement"].to_numpy(), kind=posts.loc[order, "kind"].to_numpy()
    )


def measure_future(future: list[pd.DataFrame], scores: Scores, *, honest: bool = False) -> dict[str, float]:
    """Log-mean lift of the future posts in the top fifth by score, beside the account's own average.

    `lift` compares posts with others of their kind, `raw_lift` with all (so that it also pays to know
    when the account posts its videos). Ties are broken by a fixed shuffle.
    """
    lifts, raw, predicted = [], [], []
    for posts, of_slot in zip(future, scores, strict=True):
        score = of_slot[posts["slot"].to_numpy()]
        tie_break = np.random.default_rng(0).permutation(len(score))
        top = np.lexsort((tie_break, -score))[: max(1, round(len(score) * SET_SHARE))]
        y = np.log1p(posts["engagement"])
        within_kind = (y - y.groupby(posts["kind"]).transform("mean")).to_numpy()
        lifts.append(within_kind[top].mean())
        raw.append(y.to_numpy()[top].mean() - y.mean())
        predicted.append(score[top].mean() - score.mean())
    result = {
        "lift": float(np.expm1(lifts).mean()),
        "raw_lift": float(np.expm1(raw).mean()),
        "harm": float((np.array(lifts) < 0).mean()),
    }
    if honest:
        result["predicted_to_realised"] = float(np.expm1(predicted).mean()) / result["lift"]
    return result


def main() -> None:
    """Print the measures, as tables or as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--history", type=Path, help="CSV or Parquet of real posts")
    parser.add_argument("--timezone", default="UTC", help="zone of the history's clock times (IANA name)")
    parser.add_argument("--before", help="use the history's posts before this local day")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    result: dict[str, Any] = {"model_version": MODEL_VERSION, "seed": options.seed}
    result["generator"] = evaluate_generator(options.seed)
    if options.history is not None:
        posts = read_history(options.history, options.timezone, options.before)
        if posts.empty:
            raise SystemExit(f"{options.history}: no account has {MIN_POSTS} posts or more")
        result["history"] = evaluate_history(posts, options.timezone, options.seed)
    if options.json:
        print(json.dumps(result))
        return
    for part in ("generator", "history"):
        if part in result:
            table = pd.DataFrame(result[part]).set_index(["n", "method"])
            print(f"{part} (model {MODEL_VERSION}, seed {options.seed})")
            print(table.to_string(float_format=lambda value: f"{value:.3f}", na_rep="-"), end="\n\n")


if __name__ == "__main__":
    main()
