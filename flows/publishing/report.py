"""What one run of the publisher did, for its log, its result and `--json`."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

LATENESS_KEPT = 10_000
"""A publisher lives for hours: of how many sends, the last ones, it knows the lateness."""


@dataclass(slots=True)
class PublishReport:
    """What one run did. `lateness`: seconds after its time at which each first attempt left, of the last ones."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lateness: deque[float] = field(default_factory=lambda: deque(maxlen=LATENESS_KEPT))
    released: int = 0
    overdue: int = 0
    unusable: int = 0
    errors: int = 0
    """Faults of ours or of the store; what they touched is taken over or looked up by the next publisher."""

    @property
    def published(self) -> int:
        """How many went out, those found out about included."""
        return self.outcomes["published"] + self.outcomes["found"]

    def lateness_at(self, share: float) -> float | None:
        """Return the lateness in seconds that `share` (0-1) of the sends did not exceed; None without sends."""
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
