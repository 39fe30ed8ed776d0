"""Input of the timing model from the lake: a platform's posts as arrays, and its age curve of engagement.

pandas is imported only where it is needed: the API reads advice without it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    import numpy.typing as npt

    from warehouse.lake.connect import Lake
    from warehouse.timing.age import AgeCurve
    from warehouse.timing.habits import HabitPosts
    from warehouse.timing.history import PostArrays

HABIT_MEMORY = timedelta(days=365)
AGE_CURVE_POSTS = 10_000  # the newest posts of a platform show its current behaviour


def read_posts(
    lake: Lake, platform: str, account_ids: list[str], now: datetime
) -> tuple[PostArrays, HabitPosts, list[str]]:
    """Every measured post of the accounts up to `now`, those for `compute_habits`, and the platform's kinds.

    `account` is the index into `account_ids`. The posts of the second part are those of the last year that were
    measured at full age; their kinds are indices into the list of kinds. Among them, without an engagement, are those
    that are promoted, deleted or unmeasured: they count for their day. Posts of which only the day is known are in no
    statistics of hours: only the second part has them. Posts of other accounts are left out: without a row in
    dims.accounts, advice could not be shown. Both parts come from one query: reading takes as long as the model.
    """
    import numpy as np  # noqa: PLC0415 (see the module docstring)

    from warehouse.timing.age import GROWN_UP_HOURS  # noqa: PLC0415 (same)
    from warehouse.timing.habits import LENGTH_EDGES, HabitPosts  # noqa: PLC0415 (same)
    from warehouse.timing.history import sort_posts  # noqa: PLC0415 (same)

    kinds = [
        row["kind"] for row in lake.query(load_sql("queries/select_timing_kinds"), {"platform": platform})
    ]
    params = {"platform": platform, "account_ids": account_ids, "kinds": kinds, "now": now}
    params |= {"edges": list(LENGTH_EDGES), "grown_up": GROWN_UP_HOURS, "since": now - HABIT_MEMORY}
    with lake.stream(load_sql("queries/select_timing_history"), params) as cursor:
        rows = cursor.to_arrow_table()
    place, published, engagement, kind, age, length, hour_known, habitual = (
        rows.column(number).to_numpy() for number in range(rows.num_columns)
    )
    del rows
    chosen = _places(habitual)
    habits = HabitPosts(
        place[chosen],
        published[chosen],
        engagement[chosen].astype(np.float32),
        kind[chosen] - np.int16(1),
        length[chosen],
    )
    chosen = _places(hour_known)
    posts = sort_posts(
        place[chosen], published[chosen], engagement[chosen], kind[chosen], np.maximum(age[chosen], 0)
    )
    return posts, habits, kinds


def _places(chosen: npt.NDArray[Any]) -> slice | npt.NDArray[Any]:
    """An index of the chosen rows that copies nothing if they are all."""
    import numpy as np  # noqa: PLC0415 (see the module docstring)

    return slice(None) if chosen.all() else np.flatnonzero(chosen)


def read_age_curve(lake: Lake, platform: str) -> AgeCurve:
    """The platform's age curve from the snapshots of its newest posts; the measured default if there are too few."""
    from warehouse.timing.age import GROWN_UP_HOURS, compute_age_curve  # noqa: PLC0415 (see the module docstring)

    params = {"platform": platform, "grown_up": GROWN_UP_HOURS, "posts": AGE_CURVE_POSTS}
    return compute_age_curve(lake.frame(load_sql("queries/select_timing_ages"), params))
