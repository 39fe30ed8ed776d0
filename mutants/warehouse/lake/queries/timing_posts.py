"""What the timing model needs of the lake: a platform's posts as arrays, and how its engagement grows with age.

pandas is imported where it is needed: the API reads advice without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.lake.connect import Lake
    from warehouse.timing.age import AgeCurve
    from warehouse.timing.history import PostArrays

AGE_CURVE_POSTS = 10_000  # the newest posts of a platform show how it behaves today


def read_posts(lake: Lake, platform: str, account_ids: list[str], now: datetime) -> PostArrays:
    """Every measured post of the accounts up to `now`; `account` is the place in `account_ids`.

    A post of an account that is not listed is left out: without a row in dims.accounts nobody could be told.
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
    """The platform's age curve from its newest posts' snapshots; the measured default where there are too few."""
    from warehouse.timing.age import GROWN_UP_HOURS, compute_age_curve  # noqa: PLC0415 (see the module docstring)

    params = {"platform": platform, "grown_up": GROWN_UP_HOURS, "posts": AGE_CURVE_POSTS}
    return compute_age_curve(lake.frame(load_sql("queries/select_timing_ages"), params))
