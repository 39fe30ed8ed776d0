"""Resolve the period of an analytics query: the last days, or from one time to another. Pure: no clock, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import resolve_time

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DEFAULT_PERIOD = "30d"
LONGEST_PERIOD = timedelta(days=365)
_PERIOD = re.compile(r"([1-9]\d{0,2})d")


@dataclass(frozen=True, slots=True)
class AskedPeriod:
    """[start, end) in UTC, and the parameters as written, which do not change as "now" advances."""

    start: datetime
    end: datetime
    written: tuple[str | None, ...]


def resolve_period(
    period: str | None, from_: str | None, to: str | None, zone: ZoneInfo, now: datetime
) -> AskedPeriod:
    """Return the period: `period` ("1d" to "365d", up to now), or `from_` and `to`; default: the last 30 days.

    A time without an offset is in `zone`. Raises InvalidInputError with the name of the parameter.
    """
    if period is not None and (from_ is not None or to is not None):
        raise _refuse("period", "conflicting_period", "give either period, or from and to")
    written = (period, from_, to)
    # "Now" is the end of the current minute, so that recent posts count and responses can be cached.
    this_minute = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if from_ is None:
        if to is not None:
            raise _refuse("from", "missing_from", "'to' needs 'from'")
        days = _PERIOD.fullmatch(period or DEFAULT_PERIOD)
        if days is None or timedelta(days=int(days[1])) > LONGEST_PERIOD:
            raise _refuse("period", "invalid_period", f"{period!r} is not a valid period: use 1d to 365d")
        return AskedPeriod(this_minute - timedelta(days=int(days[1])), this_minute, written)
    start = resolve_time(from_, zone, field="from").at
    end = resolve_time(to, zone, field="to").at if to else this_minute
    if end <= start:
        raise _refuse("to", "empty_period", "'to' must be after 'from'")
    if end - start > LONGEST_PERIOD + timedelta(days=1):
        raise _refuse("from", "period_too_long", "ask for at most 366 days")
    return AskedPeriod(start, end, written)


def _refuse(field: str, code: str, words: str) -> InvalidInputError:
    # The pointer of a query parameter is its plain name.
    return InvalidInputError.from_entries([{"pointer": field, "code": code, "detail": words}])
