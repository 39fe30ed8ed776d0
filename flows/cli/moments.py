"""Moments on the command line: "+2h", "tomorrow 9:30" or ISO 8601, for every option that takes one.

Commands either read a moment here (`read_moment`) or write it as ISO 8601 (`write_time`) for the planner and other
code that reads times itself.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import resolve_time
from warehouse.store.access.workspaces import parse_timezone

if TYPE_CHECKING:
    from collections.abc import Collection
    from zoneinfo import ZoneInfo

FORMS = 'ISO 8601, "+2h", "-7d", "tomorrow 9:30" or "fri 18:00"'
"""For the help of options."""

_SPAN = re.compile(r"([+-])([0-9]{1,4}) ?(m|min|h|d|w)")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(
    r"(yesterday|today|tomorrow|mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?"
    r"|sun(?:day)?)(?: at)? ([0-9]{1,2})(?::([0-9]{2}))?"
)


def write_time(
    text: str, timezone: str | None, *, field: str = "scheduled_at", also: Collection[str] = ()
) -> str:
    """Return a moment in words as ISO 8601: "+2h" from now, "tomorrow 9:30" or "fri 18:00" (the next) in the zone.

    A text that begins with a digit is returned as it is, and so are the words in `also`. `timezone`: None = the
    workspace's. Raises InvalidInputError for other words, and for an unknown zone.
    """
    words = " ".join(text.lower().split())
    now = datetime.now(UTC)
    if span := _SPAN.fullmatch(words):
        away = timedelta(**{_UNITS[span[3]]: int(span[1] + span[2])})
        return (now + away).isoformat(timespec="seconds")
    if words in also or words[:1].isdigit():
        return text
    clock = _CLOCK.fullmatch(words)
    if clock is None or int(clock[2]) > 23 or int(clock[3] or 0) > 59:
        raise InvalidInputError(
            f"{text!r} is not a valid time: write +2h, 'tomorrow 9:30', 'fri 18:00', "
            f"{''.join(f'{word}, ' for word in also)}or ISO 8601 such as 2026-04-15T14:30:00Z",
            field=field,
            code="invalid_time",
        )
    local = now.astimezone(_find_zone(timezone))
    name = clock[1]
    if name in _DAYS:
        day = local.date() + timedelta(days=_DAYS[name])
    else:
        ahead = (_WEEKDAYS.index(name[:3]) - local.weekday()) % 7
        day = local.date() + timedelta(days=ahead)
        if ahead == 0 and (local.hour, local.minute) >= (int(clock[2]), int(clock[3] or 0)):
            day += timedelta(days=7)
    return f"{day}T{int(clock[2]):02}:{int(clock[3] or 0):02}"


def write_optional_time(text: str | None, timezone: str | None, *, field: str) -> str | None:
    """Return the same for an option that may be left out."""
    return None if text is None else write_time(text, timezone, field=field)


def read_moment(text: str | None, zone: ZoneInfo, *, field: str) -> datetime | None:
    """Return the instant (aware UTC) of an option; None = it was left out. Raises InvalidInputError."""
    if text is None:
        return None
    return resolve_time(write_time(text, zone.key, field=field), zone, field=field).at


def _find_zone(timezone: str | None) -> ZoneInfo:
    if timezone is not None:
        return parse_timezone(timezone)
    from flows.cli.workspace_session import open_workspace  # noqa: PLC0415 (only for a time in words)

    with open_workspace() as opened:
        return opened.zone
