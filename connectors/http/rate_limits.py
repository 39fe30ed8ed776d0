"""Parse the time after which a platform allows the next request, in every header format in use."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Retry-After: RFC 9110. X: x-rate-limit-reset, Unix. Mastodon: X-RateLimit-Reset, ISO 8601. Bluesky:
# RateLimit-Reset, Unix. In the IETF draft, the last header means seconds from now.
RESET_HEADERS = ("retry-after", "x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset")

_UNIX_FROM = 1_000_000_000  # above this (31 years) a number is a date, not a delay
_UNIX_MILLIS_FROM = 1_000_000_000_000
_SOONEST = timedelta(seconds=1)
_LATEST = timedelta(days=31)


def parse_reset(value: str, *, now: datetime) -> datetime | None:
    """Return the aware UTC time that `value` names, or None.

    Accepts Unix seconds or milliseconds, seconds from `now`, ISO 8601 and HTTP dates. The result is between
    one second and 31 days after `now`: a clock that is behind must not cause an immediate retry.
    """
    moment = _parse_number(value, now) if _is_number(value) else _parse_date(value)
    if moment is None:
        return None
    return min(max(moment, now + _SOONEST), now + _LATEST)


def parse_retry_at(
    headers: Mapping[str, str], *, now: datetime, names: tuple[str, ...] = RESET_HEADERS
) -> datetime | None:
    """Return the latest time that any of the headers names: retrying too early is refused again."""
    moments = [parse_reset(headers[name], now=now) for name in names if name in headers]
    return max((moment for moment in moments if moment is not None), default=None)


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _parse_number(value: str, now: datetime) -> datetime | None:
    number = float(value)
    try:
        if number >= _UNIX_MILLIS_FROM:
            return datetime.fromtimestamp(number / 1000, UTC)
        if number >= _UNIX_FROM:
            return datetime.fromtimestamp(number, UTC)
        return now + timedelta(seconds=max(number, 0))
    except (OverflowError, OSError, ValueError):
        return None


def _parse_date(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
