"""Parse ISO 8601 times, with or without an offset, and resolve them to instants.

Pure: no clock, no I/O. A time without an offset is in the zone given by the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LocalResolution = Literal["exact", "shifted_forward", "first_of_two"]
Resolution = Literal["exact", "shifted_forward", "first_of_two", "optimal", "queue", "now"]

_ISO_8601 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?")

EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds that leave room for date arithmetic on either side."""
CLOCK_TOLERANCE = timedelta(seconds=5)
"""A time up to this much in the past is accepted as now, because clients' clocks differ slightly."""


class LocalInstant(NamedTuple):
    """The instant of a wall-clock time in its zone."""

    at: datetime
    """UTC."""
    resolution: LocalResolution


def resolve_local(written: datetime, zone: ZoneInfo) -> LocalInstant:
    """Return the instant of a naive wall-clock time.

    A nonexistent time (clocks go forward) moves forward by the gap; of an ambiguous time (clocks go back) the first
    instant counts. Raises OverflowError at the ends of the calendar.
    """
    first = written.replace(tzinfo=zone, fold=0)
    second = written.replace(tzinfo=zone, fold=1)
    # fold=0 reads a nonexistent time with the offset before the change, which moves it forward by the gap.
    at = first.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != written:
        return LocalInstant(at, "shifted_forward")
    if first.utcoffset() != second.utcoffset():
        return LocalInstant(at, "first_of_two")
    return LocalInstant(at, "exact")


def describe_resolution(shown: str, local: LocalInstant, zone: ZoneInfo) -> str | None:
    """Return how a nonexistent or ambiguous time was resolved, or None if it exists once. `shown`: as written."""
    if local.resolution == "shifted_forward":
        taken = local.at.astimezone(zone).replace(tzinfo=None).isoformat()
        return f"{shown} does not exist in {zone.key} (the clocks go forward): taken as {taken}"
    if local.resolution == "first_of_two":
        return f"{shown} happens twice in {zone.key} (the clocks go back): taken as the first"
    return None


@dataclass(frozen=True, slots=True)
class ResolvedTime:
    """An instant, and how it was derived from the input."""

    at: datetime
    """UTC."""
    requested: str
    timezone: str
    """IANA zone used for a time without an offset."""
    resolution: Resolution
    note: str | None = None
    placement: dict[str, Any] | None = None
    """How the advice chose it, as stored in `posts.details`; None = the author chose the time."""


def needs_zone(value: str) -> bool:
    """Return whether a time in ISO 8601 has no offset of its own."""
    found = _ISO_8601.fullmatch(value.strip())
    return found is None or found[3] is None


def resolve_time(value: str, zone: ZoneInfo, *, field: str = "scheduled_at") -> ResolvedTime:
    """Return the instant of `value`.

    A nonexistent local time (clocks go forward) moves forward by the gap; of an ambiguous time (clocks go back) the
    first instant counts; `note` says so. Raises InvalidInputError.
    """
    text = value.strip()
    if not _ISO_8601.fullmatch(text):
        raise InvalidInputError(
            f"{value!r} is not a valid time: write ISO 8601 such as 2026-04-15T14:30:00Z",
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
            f"{value!r} is not a valid date and time: check day, hour and offset",
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
            f"{resolved.at.isoformat()} is in the past: choose a later time"
            + (", or omit it to publish now" if field == "scheduled_at" else ""),
            field=field,
            code="in_the_past",
        )


def resolve_expiry(value: str | None, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return an expiry (field "expires_at"); None = never. Raises InvalidInputError, also for the past."""
    if value is None:
        return None
    resolved = resolve_time(value, zone, field="expires_at")
    require_future(resolved, now, field="expires_at")
    return resolved.at


def _resolve_local(written: datetime, value: str, zone: ZoneInfo) -> ResolvedTime:
    local = resolve_local(written, zone)
    return ResolvedTime(local.at, value, zone.key, local.resolution, describe_resolution(value, local, zone))
