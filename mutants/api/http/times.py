"""Times of a request: ISO 8601, with an offset or in the caller's zone, resolved to one instant and told back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import describe_resolution, resolve_local

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Resolution = Literal["exact", "shifted_forward", "first_of_two", "optimal", "queue", "now"]

_ISO_8601 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?")


EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds that leave room for sums of times on either side."""
CLOCK_TOLERANCE = timedelta(seconds=5)
"""A time this little in the past is taken as now: clients' clocks are a little off."""


@dataclass(frozen=True, slots=True)
class ResolvedTime:
    """An instant, and how it was found from what the caller wrote."""

    at: datetime
    """UTC."""
    requested: str
    timezone: str
    """IANA zone in which a time without offset was read."""
    resolution: Resolution
    note: str | None = None
    placement: dict[str, Any] | None = None
    """How advice found it, as `posts.details` keeps it; None = the author chose the time."""


def resolve_time(value: str, zone: ZoneInfo, *, field: str = "scheduled_at") -> ResolvedTime:
    """Return the instant that `value` names.

    A local time that the clocks skip is moved forward by the gap; of one that they show twice, the first
    is taken; `note` says so. Raises InvalidInputError.
    """
    text = value.strip()
    if not _ISO_8601.fullmatch(text):
        raise InvalidInputError(
            f"{value!r} is no time: write ISO 8601 such as 2026-04-15T14:30:00Z",
            field=field,
            code="invalid_time",
        )
    try:
        written = datetime.fromisoformat(text.upper())
        if written.tzinfo is None:
            resolved = _resolve_local(written, value, zone)
        else:
            resolved = ResolvedTime(written.astimezone(UTC), value, zone.key, "exact")
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"{value!r} is no time of the calendar: check day, hour and offset",
            field=field,
            code="invalid_time",
        ) from None
    if not EARLIEST <= resolved.at < LATEST:
        raise InvalidInputError(
            f"{value!r} is out of range: use years {EARLIEST.year} to {LATEST.year - 1}",
            field=field,
            code="invalid_time",
        )
    return resolved


def require_future(resolved: ResolvedTime, now: datetime, *, field: str = "scheduled_at") -> None:
    """Raise InvalidInputError for a time more than CLOCK_TOLERANCE in the past."""
    if resolved.at < now - CLOCK_TOLERANCE:
        raise InvalidInputError(
            f"{resolved.at.isoformat()} is in the past: choose a later time, or leave it out to publish at once",
            field=field,
            code="in_the_past",
        )


def _resolve_local(written: datetime, value: str, zone: ZoneInfo) -> ResolvedTime:
    local = resolve_local(written, zone)
    return ResolvedTime(local.at, value, zone.key, local.resolution, describe_resolution(value, local, zone))
