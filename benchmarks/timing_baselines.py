"""Common methods to pick posting times: functions from an account's posts to a score for each of 168 slots.

Posts have slot (0-167, Monday 00:00 first, local), engagement, kind.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

Scores = np.ndarray[Any, np.dtype[np.float64]]
Cells = np.ndarray[Any, np.dtype[np.int64]]
Scorer = Callable[[pd.DataFrame], Scores]


def score_by_slot_mean(posts: pd.DataFrame) -> Scores:
    """Mean engagement per slot, as most tools compute it; a slot without posts is never recommended."""
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


def score_by_lightgbm(posts: pd.DataFrame) -> Scores:
    """A small gradient boosting of log engagement on hour, weekday and kind (needs the `bench` extra)."""
    import lightgbm as lgb  # noqa: PLC0415 (an extra that need not be installed)

    kinds = posts["kind"].astype("category").cat.codes
    features = pd.DataFrame({"hour": posts["slot"] % 24, "day": posts["slot"] // 24, "kind": kinds})
    data = lgb.Dataset(features, np.log1p(posts["engagement"]), params={"verbose": -1})
    params = {"num_leaves": 7, "learning_rate": 0.05, "min_data_in_leaf": 20, "verbose": -1, "num_threads": 1}
    week = pd.DataFrame(
        {"hour": np.arange(168) % 24, "day": np.arange(168) // 24, "kind": kinds.mode().iloc[0]}
    )
    return np.asarray(lgb.train(params, data, num_boost_round=60).predict(week), np.float64)


def list_baselines() -> dict[str, Scorer]:
    """The baselines by name; LightGBM only where it is installed."""
    baselines: dict[str, Scorer] = {
        "mean per slot": score_by_slot_mean,
        "hour x weekday means": score_by_hour_and_weekday,
        "log-hour curve": score_by_log_hour,
    }
    if find_spec("lightgbm") is not None:
        baselines["LightGBM"] = score_by_lightgbm
    return baselines


def _means(cell: Cells, values: Scores, cells: int) -> Scores:
    count = np.bincount(cell, minlength=cells)
    return np.where(count > 0, np.bincount(cell, values, cells) / np.maximum(count, 1), values.mean())
