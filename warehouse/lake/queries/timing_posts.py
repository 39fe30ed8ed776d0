"""Input of the timing model from the lake: a platform's posts as arrays, and its age curve of engagement.

pandas is imported only where it is needed: the API reads advice without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.lake.connect import Lake
    from warehouse.timing.age import AgeCurve
    from warehouse.timing.history import PostArrays

AGE_CURVE_POSTS = 10_000  # the newest posts of a platform show its current behaviour


def read_posts(lake: Lake, platform: str, account_ids: list[str], now: datetime) -> PostArrays:
    """Every measured post of the accounts up to `now`; `account` is the index into `account_ids`.

    Posts of other accounts are left out: without a row in dims.accounts, advice could not be shown.
    """
    import numpy as np  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.history import sort_posts  # noqa: PLC0415 (same)

    kinds = [
        row["kind"] for row in lake.query(load_sql("queries/select_timing_kinds"), {"platform": platform})
    ]
    params = {"platform": platform, "account_ids": account_ids, "kinds": kinds, "now": now}
    rows = lake.frame(load_sql("queries/select_timing_history"), params)
    return sort_posts(
        rows["place"].to_numpy(np.int32),
        rows["published"].to_numpy(np.int64),
        rows["engagement"].to_numpy(np.float64),
        rows["kind"].to_numpy(np.int16),
        np.maximum(rows["age_hours"].to_numpy(np.float32), 0),
    )


def read_age_curve(lake: Lake, platform: str) -> AgeCurve:
    """The platform's age curve from the snapshots of its newest posts; the measured default if there are too few."""
    from warehouse.timing.age import GROWN_UP_HOURS, compute_age_curve  # noqa: PLC0415 (see the module docstring)

    params = {"platform": platform, "grown_up": GROWN_UP_HOURS, "posts": AGE_CURVE_POSTS}
    return compute_age_curve(lake.frame(load_sql("queries/select_timing_ages"), params))
