"""Input of the timing model from the lake: a platform's posts as arrays, and its age curve of engagement.

pandas is imported only where it is needed: the API reads advice without it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from warehouse.lake.connect import Lake
    from warehouse.timing.age import AgeCurve
    from warehouse.timing.habits import HabitPosts
    from warehouse.timing.history import PostArrays

HABIT_MEMORY = timedelta(days=365)
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


def read_habit_posts(
    lake: Lake, platform: str, accounts: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[HabitPosts, list[str]]:
    """The last year's posts at full age for `compute_habits`, and the platform's kinds.

    `accounts` are rows with account_id and timezone (a valid zone).
    """
    import numpy as np  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.age import GROWN_UP_HOURS  # noqa: PLC0415 (same)
    from warehouse.timing.habits import LENGTH_EDGES, HabitPosts  # noqa: PLC0415 (same)

    kinds = [
        row["kind"] for row in lake.query(load_sql("queries/select_timing_kinds"), {"platform": platform})
    ]
    params = {
        "platform": platform,
        "account_ids": [row["account_id"] for row in accounts],
        "zones": [row["timezone"] for row in accounts],
        "kinds": kinds,
        "edges": list(LENGTH_EDGES),
        "grown_up": GROWN_UP_HOURS,
        "since": now - HABIT_MEMORY,
    }
    rows = lake.frame(load_sql("queries/select_habit_posts"), params)
    columns = {
        "place": np.int32,
        "day": np.int32,
        "engagement": np.float32,
        "kind": np.int8,
        "length": np.int8,
    }
    return HabitPosts(*(rows[name].to_numpy(dtype) for name, dtype in columns.items())), kinds


def read_age_curve(lake: Lake, platform: str) -> AgeCurve:
    """The platform's age curve from the snapshots of its newest posts; the measured default if there are too few."""
    from warehouse.timing.age import GROWN_UP_HOURS, compute_age_curve  # noqa: PLC0415 (see the module docstring)

    params = {"platform": platform, "grown_up": GROWN_UP_HOURS, "posts": AGE_CURVE_POSTS}
    return compute_age_curve(lake.frame(load_sql("queries/select_timing_ages"), params))
