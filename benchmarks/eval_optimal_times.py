"""Evaluate the posting-time model on generated histories with known effects, and on a real history.

    make eval-optimal-times [SEEDS=1,2,3] [HISTORY=posts.parquet TIMEZONE=Etc/GMT+5 BEFORE=2016-06-21]
    python benchmarks/eval_optimal_times.py [--seeds 1,2,3] [--shapes bumps,kernel] [--shared 0.15] [--json]

A history is CSV or Parquet, one row a post. It has an account (account_id, account or user), a time (published_at or
created_at) and either engagement or some of likes, comments, shares, saves (also: replies, retweets, favorites,
quotes), whose sum is the engagement; kind is optional. Times without an offset are read in --timezone, and slots are
counted by that zone's clock. Accounts with fewer than --min-posts posts are left out. docs/optimal-times.md explains
the measures.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runnable alone, from anywhere

from generate_histories import make_world
from timing_baselines import Scores, list_baselines, score_by_hierarchical_smoother
from timing_ceiling import solve_exactly, solve_jointly
from timing_faults import FAULTS, advise, as_arrays, measure_honesty, measure_truth, measure_verdict

from warehouse.timing.model import MODEL_VERSION, compute_optimal_times, compute_slot_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = ((100, 400), (300, 300), (1000, 150), (3000, 80))  # posts an account, accounts
SET_SHARE = 0.2
TRAIN_SHARE = 0.6
HIGH_POSTS = 10  # future posts at hours labelled `high`, from which an account shows what they earn
Z_80 = 1.2816
PARTS = ("likes", "comments", "shares", "saves", "replies", "retweets", "favorites", "quotes")

Answer = dict[str, Any]


def evaluate_generator(seed: int, shape: str, shared: float) -> list[dict[str, Any]]:
    """One row per method and size, on worlds whose accounts share part of their timing."""
    rows: list[dict[str, Any]] = []
    for number, accounts in SIZES:
        world = make_world(seed, accounts=accounts, posts=number, shape=shape, shared=shared)
        row = {"shape": shape, "n": str(number)}
        for name, scorer in list_baselines().items():
            advised = np.array([scorer(posts) for _, posts in world.posts.groupby("account_id")])
            rows.append(row | {"method": name, **measure_truth(world, advised)})
        smoothed = score_by_hierarchical_smoother(world.posts)
        rows.append(row | {"method": "hierarchical smoother", **measure_truth(world, smoothed)})
        foreign = as_arrays(compute_optimal_times(world.posts, prior=raw_slot_means(seed, shape, shared)))
        truth, honest = measure_truth(world, foreign["expected_lift"]), measure_honesty(world, foreign)
        rows.append(row | {"method": "this model, foreign prior", **truth, **honest})
        for name, pooled in (("this model, no prior", False), ("this model", True)):
            answer = advise(world.posts, "UTC", pooled=pooled)
            truth = measure_truth(world, answer["expected_lift"])
            rows.append(row | {"method": name, **truth, **measure_honesty(world, answer)})
        for name, known in (("ceiling: level known", False), ("ceiling: shared profile too", True)):
            if shape == "kernel":
                advised = solve_exactly(world, profile_known=known)
                rows.append(row | {"method": name, **measure_truth(world, advised)})
        for name, sums in (
            ("ceiling: shared profile learned", None),
            ("ceiling: profile, level, kinds learned", compute_slot_sums(world.posts)),
        ):
            if shape == "kernel":
                advised = solve_jointly(world, sums)
                rows.append(row | {"method": name, **measure_truth(world, advised)})
        null = make_world(seed, accounts=accounts, posts=number, shape=shape, effect_sd=0.0)
        answer = advise(null.posts, "UTC", pooled=True)
        rows.append(row | {"method": "this model, no timing effect at all", **measure_placebo(answer)})
    return rows


def measure_placebo(answer: Answer) -> dict[str, float]:
    """Without any timing effect: accounts that are told that timing matters, see a 'high', and the promised lift."""
    return measure_verdict(answer)


def evaluate_faults(seed: int, scale: float) -> list[dict[str, Any]]:
    """One row per situation in which a model fools itself; see `timing_faults`."""
    return [
        {"fault": name, "case": row.pop("case"), "n": str(row.pop("n"))} | row
        for name, measure in FAULTS.items()
        for row in measure(seed, scale)
    ]


def read_history(path: Path, timezone: str, before: str | None, min_posts: int) -> pd.DataFrame:
    """account_id, published_at, engagement, kind, slot; only accounts with enough posts; by account and time."""
    raw = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    published = pd.to_datetime(_column(raw, path, "published_at", "created_at"), format="mixed")
    if published.dt.tz is None:
        published = published.dt.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward")
    local = published.dt.tz_convert(timezone)
    if "engagement" in raw.columns:
        engagement = raw["engagement"].astype(float)
    else:
        parts = [name for name in PARTS if name in raw.columns]
        if not parts:
            raise SystemExit(f"{path}: no column engagement, and none of {', '.join(PARTS)}")
        engagement = raw[parts].sum(axis=1, min_count=1).astype(float)
    posts = pd.DataFrame(
        {
            "account_id": _column(raw, path, "account_id", "account", "user"),
            "published_at": published.dt.tz_convert("UTC"),
            "engagement": engagement,
            "kind": raw["kind"] if "kind" in raw.columns else "text",
            "slot": local.dt.day_of_week * 24 + local.dt.hour,
        }
    ).dropna(subset=["engagement"])
    if before is not None:
        posts = posts[local < pd.Timestamp(before, tz=timezone)]
    posts = posts[posts.groupby("account_id")["engagement"].transform("size") >= min_posts]
    if posts.empty:
        raise SystemExit(f"{path}: no account has {min_posts} posts or more (--min-posts)")
    return posts.sort_values(["account_id", "published_at"], kind="stable").reset_index(drop=True)


def _column(raw: pd.DataFrame, path: Path, *names: str) -> pd.Series[Any]:
    for name in names:
        if name in raw.columns:
            return raw[name]
    raise SystemExit(f"{path}: no column {' or '.join(names)}")


def evaluate_history(
    posts: pd.DataFrame, timezone: str, seed: int, train_share: float = TRAIN_SHARE
) -> list[dict[str, Any]]:
    """Train on each account's first 60 % of posts (or the last 100 of them), test on the rest."""
    rank = posts.groupby("account_id").cumcount() / posts.groupby("account_id")["slot"].transform("size")
    train = posts[rank < train_share]
    future = [part for _, part in posts[rank >= train_share].groupby("account_id")]
    rows: list[dict[str, Any]] = []
    for label, seen in (("100", train.groupby("account_id").tail(100)), ("all", train)):
        for name, scorer in list_baselines().items():
            advised = np.array([scorer(part) for _, part in seen.groupby("account_id")])
            rows.append({"n": label, "method": name, **measure_future(future, advised)})
        smoothed = score_by_hierarchical_smoother(seen)
        rows.append({"n": label, "method": "hierarchical smoother", **measure_future(future, smoothed)})
        for name, pooled in (("this model, no prior", False), ("this model", True)):
            answer = advise(seen, timezone, pooled=pooled)
            scores = np.log1p(answer["expected_lift"])
            rows.append({"n": label, "method": name, **measure_future(future, scores, answer)})
        shuffled = advise(shuffle_engagement(seen, seed), timezone, pooled=True)
        placebo = measure_future(future, np.log1p(shuffled["expected_lift"]))
        rows.append(
            {"n": label, "method": "placebo: engagement shuffled", **placebo, **measure_placebo(shuffled)}
        )
        rotated = advise(rotate_times(seen, seed), timezone, pooled=True)
        turned = measure_future(future, np.log1p(rotated["expected_lift"]))
        rows.append({"n": label, "method": "placebo: times rotated", **turned, **measure_placebo(rotated)})
    return rows


def rotate_times(posts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Move the times of each account's posts by a whole number of hours: its rhythm stays, at other hours."""
    rng = np.random.default_rng(seed)
    names = posts["account_id"].unique()
    hours = posts["account_id"].map(dict(zip(names, rng.integers(6, 162, len(names)), strict=True)))
    return posts.assign(published_at=posts["published_at"] + pd.to_timedelta(hours, unit="h"))


def raw_slot_means(seed: int, shape: str, shared: float) -> pd.DataFrame:
    """A prior as other tools would make it: mean engagement per slot of 60 other accounts, in logarithms."""
    others = make_world(seed + 1000, accounts=60, posts=300, shape=shape, shared=shared).posts
    mean = others.groupby("slot")["engagement"].mean().reindex(range(168))
    effect = np.log(mean.fillna(mean.mean()).clip(lower=1) / mean.mean()).to_numpy()
    slot = np.arange(168)
    return pd.DataFrame({"weekday": slot // 24, "hour": slot % 24, "log_effect": effect})


def shuffle_engagement(posts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Shuffle engagement and kind of each account's posts: no timing effect is left."""
    order = posts.sample(frac=1.0, random_state=seed).sort_values("account_id", kind="stable").index
    return posts.assign(
        engagement=posts.loc[order, "engagement"].to_numpy(), kind=posts.loc[order, "kind"].to_numpy()
    )


def measure_future(
    future: list[pd.DataFrame], scores: Scores, answer: Answer | None = None
) -> dict[str, float]:
    """Log-mean lift of the future posts in the top fifth by score, beside the account's own average.

    `lift` compares posts with others of their kind, `raw_lift` with all (so that it also pays to know
    when the account posts its videos). Ties are broken by a fixed shuffle. With the model's `answer`: predicted
    to realised lift, and how often the realised lift of the set lies in the 80 % interval, which is widened by
    the luck of that many posts. Of accounts with at least 10 future posts at hours labelled `high`: their share,
    and what those posts were promised and earned.
    """
    lifts, raw, predicted, inside, high = [], [], [], [], []
    for row, (posts, of_slot) in enumerate(zip(future, scores, strict=True)):
        slot = posts["slot"].to_numpy()
        score = of_slot[slot]
        tie_break = np.random.default_rng(0).permutation(len(score))
        top = np.lexsort((tie_break, -score))[: max(1, round(len(score) * SET_SHARE))]
        y = np.log1p(posts["engagement"])
        within_kind = (y - y.groupby(posts["kind"]).transform("mean")).to_numpy()
        lifts.append(within_kind[top].mean())
        raw.append(y.to_numpy()[top].mean() - y.mean())
        predicted.append(score[top].mean() - score.mean())
        if answer is not None:
            ends = np.log1p(answer["lift_high"][row]) - np.log1p(answer["lift_low"][row])
            luck = Z_80 * within_kind.std() / np.sqrt(len(top))
            inside.append(abs(lifts[-1] - predicted[-1]) <= np.hypot(ends[slot[top]].mean() / 2, luck))
            sure = answer["confidence"][row][slot] == "high"
            if sure.sum() >= HIGH_POSTS:
                high.append((score[sure].mean() - score.mean(), within_kind[sure].mean()))
    gained = np.expm1(lifts)
    result = {
        "lift": float(gained.mean()),
        "standard_error": float(gained.std() / np.sqrt(len(gained))),
        "raw_lift": float(np.expm1(raw).mean()),
        "harm": float((np.array(lifts) < 0).mean()),
    }
    if answer is not None:
        result["predicted_to_realised"] = float(np.expm1(predicted).mean()) / result["lift"]
        result["coverage_set"] = float(np.mean(inside))
        result["high_accounts"] = len(high) / len(future)
        if high:
            promised, earned = np.expm1(np.array(high)).T
            result |= {"high_promised": float(promised.mean()), "high_earned": float(earned.mean())}
            result["high_error"] = float(earned.std() / np.sqrt(len(earned)))
    return result


def average_seeds(parts: Sequence[list[dict[str, Any]]], keys: list[str]) -> list[dict[str, Any]]:
    """The mean of every measure over the seeds; share_se is the standard error of share_of_oracle among them."""
    table = pd.concat([pd.DataFrame(part) for part in parts])
    grouped = table.groupby(keys, sort=False)
    mean = grouped.mean()
    if len(parts) > 1 and "share_of_oracle" in table.columns:
        mean.insert(1, "share_se", grouped["share_of_oracle"].std() / np.sqrt(len(parts)))
    rows: list[dict[str, Any]] = mean.reset_index().to_dict("records")
    return [{key: value for key, value in row.items() if value == value} for row in rows]  # noqa: PLR0124 (drops NaN)


def main() -> None:
    """Print the measures, as tables or as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="7", help="comma-separated; measures are their mean")
    parser.add_argument(
        "--shapes", default="bumps,kernel", help="worlds, see generate_histories.py; empty: none"
    )
    parser.add_argument(
        "--shared", type=float, default=0.15, help="share of timing that accounts have in common"
    )
    parser.add_argument("--history", type=Path, help="CSV or Parquet of real posts")
    parser.add_argument("--timezone", default="UTC", help="zone of the history's clock times (IANA name)")
    parser.add_argument("--before", help="use the history's posts before this local day")
    parser.add_argument(
        "--cuts",
        default=str(TRAIN_SHARE),
        help="shares of the history to learn from, comma-separated: their mean",
    )
    parser.add_argument("--min-posts", type=int, default=500, help="leave out accounts with fewer posts")
    parser.add_argument(
        "--no-faults", action="store_true", help="leave out the situations of timing_faults.py"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the accounts of those situations")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    result: dict[str, Any] = {"model_version": MODEL_VERSION, "seeds": seeds}
    if options.history is not None:  # read first, so that a wrong path fails at once
        posts = read_history(options.history, options.timezone, options.before, options.min_posts)
    if shapes := [shape for shape in options.shapes.split(",") if shape]:
        result["generator"] = average_seeds(
            [
                [row for shape in shapes for row in evaluate_generator(seed, shape, options.shared)]
                for seed in seeds
            ],
            ["shape", "n", "method"],
        )
    if not options.no_faults:
        result["faults"] = average_seeds(
            [evaluate_faults(seed, options.scale) for seed in seeds], ["fault", "case", "n"]
        )
    if options.history is not None:
        cuts = [float(cut) for cut in options.cuts.split(",")]
        result["history"] = average_seeds(
            [evaluate_history(posts, options.timezone, seeds[0], cut) for cut in cuts], ["n", "method"]
        )
        result["history_accounts"] = posts["account_id"].nunique()
    if options.json:
        print(json.dumps(result))
        return
    print(f"model {MODEL_VERSION}, seeds {options.seeds}, {options.shared:.0%} shared among accounts\n")
    for part, keys in (
        ("generator", ["shape", "n", "method"]),
        ("faults", ["fault", "case", "n"]),
        ("history", ["n", "method"]),
    ):
        if part in result:
            table = pd.DataFrame(result[part]).set_index(keys)
            title = (
                f"history: {options.history}, {result['history_accounts']} accounts"
                if part == "history"
                else part
            )
            print(title)
            print(table.to_string(float_format=lambda value: f"{value:.3f}", na_rep="-"), end="\n\n")


if __name__ == "__main__":
    main()
