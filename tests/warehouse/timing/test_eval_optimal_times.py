"""The measuring of the timing model: it reads histories as they come, and knows what cannot be beaten."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from eval_optimal_times import evaluate_history, measure_truth, read_history
from generate_histories import make_world
from timing_ceiling import measure_likelihood_power, solve_exactly, solve_jointly


@pytest.fixture(scope="module")
def posts() -> pd.DataFrame:
    return make_world(3, accounts=4, posts=400, effect_sd=0.5).posts


@pytest.mark.long
def test_csv_and_parquet_give_the_same_measures(posts: pd.DataFrame, tmp_path: Path) -> None:
    local = posts["published_at"].dt.tz_convert("Asia/Tokyo").dt.tz_localize(None)
    likes = posts["engagement"].astype("Int64")
    parts = pd.DataFrame(
        {
            "account": posts["account_id"],
            "published_at": local,
            "likes": likes,
            "shares": 1,
            "kind": posts["kind"],
        }
    )
    parts.loc[0, "likes"] = pd.NA
    parts.to_csv(tmp_path / "posts.csv", index=False)
    whole = posts[["account_id", "published_at", "kind"]].assign(engagement=likes.fillna(0) + 1)
    whole.loc[0, "engagement"] = 1
    whole.to_parquet(tmp_path / "posts.parquet")
    of_csv = read_history(tmp_path / "posts.csv", "Asia/Tokyo", None, 400)
    of_parquet = read_history(tmp_path / "posts.parquet", "Asia/Tokyo", None, 400)
    pd.testing.assert_frame_equal(of_csv, of_parquet, check_dtype=False)
    measures = {
        (row["n"], row["method"]): row["lift"] for row in evaluate_history(of_csv, "Asia/Tokyo", seed=1)
    }
    assert measures["all", "this model"] > measures["all", "mean per slot"]
    assert measures["all", "this model"] > 0.2


def test_a_history_that_cannot_be_used_says_why(posts: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    posts[["account_id", "published_at"]].to_csv(path, index=False)
    with pytest.raises(SystemExit, match="no column engagement"):
        read_history(path, "UTC", None, 1)
    posts[["account_id", "engagement"]].to_csv(path, index=False)
    with pytest.raises(SystemExit, match="no column published_at"):
        read_history(path, "UTC", None, 1)
    posts[["account_id", "published_at", "engagement"]].to_csv(path, index=False)
    with pytest.raises(SystemExit, match="401 posts or more"):
        read_history(path, "UTC", None, 401)


def test_knowing_more_earns_more() -> None:
    world = make_world(1, accounts=60, posts=300, shape="kernel", shared=0.5)
    shares = [
        measure_truth(world, solve_exactly(world, profile_known=known))["share_of_oracle"]
        for known in (False, True)
    ]
    assert 0.3 < shares[0] < shares[1] < 1


def test_a_ceiling_falls_with_what_has_to_be_learned() -> None:
    world = make_world(5, accounts=60, posts=100, shape="kernel", shared=0.4)
    known, learned, none = (
        measure_truth(world, advised)["share_of_oracle"]
        for advised in (
            solve_exactly(world, profile_known=True),
            solve_jointly(world),
            solve_exactly(world, profile_known=False),
        )
    )
    assert known > learned > none


@pytest.mark.parametrize(("effect_sd", "least", "most"), [(0.0, 0.0, 0.25), (0.4, 0.8, 1.0)])
def test_the_likelihood_ratio_is_calibrated_and_finds_strong_effects(
    effect_sd: float, least: float, most: float
) -> None:
    world = make_world(6, accounts=30, posts=300, shape="kernel", effect_sd=effect_sd)
    assert least <= measure_likelihood_power(world, "kernel", 0.09, draws=100) <= most
