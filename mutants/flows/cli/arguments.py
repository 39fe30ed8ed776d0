"""Arguments that several commands take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from connectors.types import Platform
from warehouse.errors import InvalidInputError

AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="See the lake as it was: a snapshot's number, or a time such as 2026-11-01T06:00."
    ),
]


def parse_as_of(text: str | None) -> int | datetime | None:
    """Return what --as-of names: a snapshot's number or an instant (UTC where it has no offset).

    Raises InvalidInputError.
    """
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"--as-of {text!r} is neither a snapshot's number nor a time such as 2026-11-01T06:00Z",
            field="as_of",
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


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
