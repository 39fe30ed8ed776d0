"""Token buckets in this process: a burst of up to a minute's worth, refilled evenly."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_MOST_BUCKETS = 10_000
"""Beyond it, the bucket unused for longest is forgotten: it would be full again by then anyway."""


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """What the RateLimit-* headers say. Seconds are whole and rounded up."""

    limit: int
    remaining: int
    reset_seconds: int
    """Until the bucket is full again."""
    retry_after_seconds: int
    """Until the next request is allowed; 0 = now."""
    allowed: bool


class RateLimiter:
    """`per_minute` requests a minute for each key; safe to share between threads."""

    def __init__(self, per_minute: int) -> None:
        self._limit = per_minute
        self._rate = per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, now: datetime) -> RateLimitState:
        """Use up one request of `key`, if there is one left."""
        return self._update(key, now, cost=1)

    def look(self, key: str, now: datetime) -> RateLimitState:
        """Return the state of `key` without using anything up."""
        return self._update(key, now, cost=0)

    def _update(self, key: str, now: datetime, *, cost: int) -> RateLimitState:
        at = now.timestamp()
        with self._lock:
            tokens, since = self._buckets.pop(key, (float(self._limit), at))
            tokens = min(float(self._limit), tokens + max(0.0, at - since) * self._rate)
            allowed = tokens >= 1
            if allowed:
                tokens -= cost
            self._buckets[key] = (tokens, at)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        return RateLimitState(
            limit=self._limit,
            remaining=math.floor(tokens),
            reset_seconds=math.ceil((self._limit - tokens) / self._rate),
            retry_after_seconds=0 if allowed else math.ceil((1 - tokens) / self._rate),
            allowed=allowed,
        )
