"""Public entry point of the posting-time model: `from warehouse.optimal_times import compute_optimal_times`.

Pure: a DataFrame of past posts in, a DataFrame of the 168 slots of a week out. The model is in `warehouse.timing`.
"""

from __future__ import annotations

from warehouse.timing.model import (
    MODEL_VERSION,
    compute_from_sums,
    compute_optimal_times,
    compute_platform_prior,
    compute_slot_sums,
)

__all__ = [
    "MODEL_VERSION",
    "compute_from_sums",
    "compute_optimal_times",
    "compute_platform_prior",
    "compute_slot_sums",
]
