"""Report of one publisher run, for its log, its result and `--json`."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

LATENESS_KEPT = 10_000
"""Number of most recent sends whose lateness is kept: a publisher runs for hours."""


@dataclass(slots=True)
class PublishReport:
    """Totals of one run. `lateness`: seconds from due time to first attempt, for the latest sends."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lateness: deque[float] = field(default_factory=lambda: deque(maxlen=LATENESS_KEPT))
    released: int = 0
    overdue: int = 0
    unusable: int = 0
    errors: int = 0
    """Errors of ours or of the store. The next publisher takes over or looks up the affected publications."""

    @property
    def published(self) -> int:
        """Number of published posts, including those confirmed by a look-up."""
        return self.outcomes["published"] + self.outcomes["found"]

    def lateness_at(self, share: float) -> float | None:
        """Return the lateness in seconds at quantile `share` (0-1); None without sends."""
        if not self.lateness:
            return None
        ordered = sorted(self.lateness)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for logs and `--json`."""
        return {
            "published": self.published,
            "outcomes": dict(self.outcomes),
            "lateness_p50_s": self.lateness_at(0.5),
            "lateness_p95_s": self.lateness_at(0.95),
            "lateness_max_s": max(self.lateness, default=None),
            "released": self.released,
            "overdue": self.overdue,
            "unusable": self.unusable,
            "errors": self.errors,
        }
