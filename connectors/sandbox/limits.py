"""Rate limits in fixed windows: always counted, enforced only if the settings say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.settings import SandboxSettings

_GENEROUS: Final = 1_000_000
_DEFAULT_WINDOW_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class LimitState:
    """State of a caller's window; `reset` in Unix seconds."""

    limit: int
    remaining: int
    reset: float
    window: float
    exceeded: bool


# (requests, seconds) per account. X and Bluesky as documented by the platforms (reference/platforms.md for X's
# create and lookup); Instagram: 100 posts a day; Mastodon: 300 requests in 5 minutes, 30 uploads in 30.
LIMITS: Final[dict[tuple[Platform, str], tuple[int, float]]] = {
    (Platform.TWITTER, "create"): (100, 900.0),
    (Platform.TWITTER, "lookup"): (5000, 900.0),
    (Platform.TWITTER, "timeline"): (900, 900.0),
    (Platform.TWITTER, "me"): (75, 900.0),
    (Platform.TWITTER, "delete"): (50, 900.0),
    (Platform.TWITTER, "media"): (500, 900.0),
    (Platform.INSTAGRAM, "calls"): (4800, 86_400.0),
    (Platform.INSTAGRAM, "publish"): (100, 86_400.0),
    (Platform.FACEBOOK, "calls"): (4800, 86_400.0),
    (Platform.THREADS, "calls"): (4800, 86_400.0),
    (Platform.MASTODON, "calls"): (300, 300.0),
    (Platform.MASTODON, "statuses"): (300, 10_800.0),
    (Platform.MASTODON, "media"): (30, 1800.0),
    (Platform.MASTODON, "delete"): (30, 1800.0),
    (Platform.BLUESKY, "calls"): (3000, 300.0),
    (Platform.BLUESKY, "writes"): (1666, 3600.0),
    (Platform.BLUESKY, "sessions"): (30, 300.0),
}


class RateLimiter:
    """Counts requests by account and bucket."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._windows: dict[tuple[Platform, str, str], tuple[float, int]] = {}

    def hit(self, platform: Platform, bucket: str, caller: str, at: float) -> LimitState:
        """Count one request; `exceeded` means that it must be rejected."""
        limit, window = LIMITS.get((platform, bucket), (_GENEROUS, _DEFAULT_WINDOW_S))
        if not self._settings.enforce_rate_limits:
            limit = _GENEROUS
        key = (platform, bucket, caller)
        start, used = self._windows.get(key, (at, 0))
        if at >= start + window or at < start:
            start, used = at, 0
        used += 1
        self._windows[key] = (start, used)
        exceeded = self._settings.enforce_rate_limits and used > limit
        return LimitState(limit, max(0, limit - used), start + window, window, exceeded)

    def clear(self) -> None:
        """Forget all windows."""
        self._windows.clear()
