"""Arguments that several commands take."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connectors.types import Platform
from warehouse.errors import InvalidInputError


def parse_platform(name: str) -> Platform:
    """Return the platform called so. Raises InvalidInputError with the list of names."""
    try:
        return Platform.parse(name)
    except ValueError as error:
        raise InvalidInputError(str(error), field="platform") from None


def parse_time(text: str, zone: str, now: datetime) -> datetime:
    """Read a time of the command line: UTC, not in the past. Raises InvalidInputError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"--at {text!r} is no time: write ISO 8601 such as 2026-04-15T14:30:00Z", field="at"
        ) from None
    at = (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    if at < now:
        raise InvalidInputError(
            f"--at {text} is in the past: choose a later time, or leave it out to publish at once", field="at"
        )
    return at
