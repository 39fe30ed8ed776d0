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


def score_by_hierarchical_smoother(posts: pd.DataFrame) -> Scores:
    """A hierarchical additive model of all accounts together, (accounts, 168), by account_id.

    Log engagement within four weeks and kind; harmonics of the hour (more on free days) and weekdays. Their
    coefficients are normal among the accounts, with mean and variances estimated by expectation maximisation.
    """
    basis = _additive_basis()
    y = np.log1p(posts["engagement"])
    week = (posts["published_at"] - posts["published_at"].min()).dt.days // 28
    y -= y.groupby([posts["account_id"], week]).transform("mean")
    y -= y.groupby([posts["account_id"], posts["kind"]]).transform("mean")
    parts = [
        (basis[part["slot"]] - basis[part["slot"]].mean(axis=0), y[part.index].to_numpy())
        for _, part in posts.groupby("account_id")
    ]
    noise = max(float(y.var()), 1e-3)
    gram = np.array([rows.T @ rows for rows, _ in parts]) / noise
    score = np.array([rows.T @ values for rows, values in parts]) / noise
    mean, variance = np.zeros(basis.shape[1]), np.full(basis.shape[1], 0.01)
    effects = np.zeros_like(score)
    for _ in range(30):
        covariance = np.linalg.inv(gram + np.diag(1 / variance))
        effects = np.einsum("aij,aj->ai", covariance, score + mean / variance)
        mean = effects.mean(axis=0)
        variance = ((effects - mean) ** 2 + np.diagonal(covariance, axis1=1, axis2=2)).mean(axis=0) + 1e-5
    return np.asarray(effects @ basis.T, np.float64)


def _additive_basis() -> Scores:
    hour, day = np.arange(168) % 24, np.arange(168) // 24
    columns = []
    for harmonic in (1, 2, 3):
        for wave in (np.sin, np.cos):
            curve = wave(2 * np.pi * harmonic * hour / 24)
            columns.append(curve)
            if harmonic < 3:
                columns.append(curve * (day >= 5))
    columns += [(day == other).astype(np.float64) for other in range(7)]
    return np.array(columns).T


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
