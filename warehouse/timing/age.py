"""Growth of engagement with a post's age, to compare young posts with old ones. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    FloatArray = npt.NDArray[np.float64]

GROWN_UP_HOURS = 48.0
_EDGES = np.array([0.0, 2.0, 4.0, 8.0, 16.0, 24.0, 36.0, GROWN_UP_HOURS])
_ENOUGH_POSTS = 30


@dataclass(frozen=True, slots=True)
class AgeCurve:
    """Log share of the final engagement by age; 0 from the last age on."""

    hours: FloatArray
    log_share: FloatArray

    def at(self, age_hours: FloatArray) -> FloatArray:
        """Log share at each age, linear between the measured ages."""
        return np.interp(age_hours, self.hours, self.log_share)


# Default until there are enough own snapshots: about -0.6 below 4 h, -0.45 up to 8 h, complete by 48 h.
DEFAULT_AGE_CURVE = AgeCurve(
    np.array([4.0, 8.0, 16.0, 24.0, GROWN_UP_HOURS]), np.array([-0.6, -0.45, -0.2, -0.1, 0.0])
)


def compute_age_curve(snapshots: pd.DataFrame) -> AgeCurve:
    """The platform's curve from snapshots of the same posts when young and when fully grown.

    Args:
        snapshots: publication_id, age_hours (at the snapshot), engagement (cumulative; NULL rows are left out).
            A post counts if it has a snapshot at 48 h or later; the last one is its final engagement.

    Returns:
        The default curve if no age has at least 30 posts; otherwise a curve over the ages with at least 30 posts.
        It never decreases with age.

    Raises:
        InvalidInputError: a column is missing.
    """
    for column in ("publication_id", "age_hours", "engagement"):
        if column not in snapshots.columns:
            raise InvalidInputError(f"snapshots has no column {column!r}: add it", field=column)
    rows = snapshots.dropna(subset=["age_hours", "engagement"]).sort_values("age_hours", kind="stable")
    final = rows[rows["age_hours"] >= GROWN_UP_HOURS].groupby("publication_id")["engagement"].last()
    young = rows[rows["age_hours"] < GROWN_UP_HOURS]
    young = young[young["publication_id"].isin(final.index)]
    age = young["age_hours"].to_numpy(np.float64)
    grown = young["publication_id"].map(final).to_numpy(np.float64)
    share = np.log1p(young["engagement"].to_numpy(np.float64)) - np.log1p(grown)
    bucket = np.searchsorted(_EDGES, age, side="right")
    hours, shares = [], []
    for place in range(1, len(_EDGES)):
        inside = bucket == place
        if young["publication_id"][inside].nunique() >= _ENOUGH_POSTS:
            hours.append(float(age[inside].mean()))
            shares.append(float(share[inside].mean()))
    if not hours:
        return DEFAULT_AGE_CURVE
    rising = np.minimum(np.maximum.accumulate(shares), 0.0)
    return AgeCurve(np.array([*hours, GROWN_UP_HOURS]), np.array([*rising, 0.0]))
