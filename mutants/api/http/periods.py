"""The period that a question of the analytics is about: `period`, or `from` and `to`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query

from api.http.dependencies import Analyst, ServicesDep
from api.http.errors import problem_at
from api.http.times import resolve_time
from warehouse.store.access.workspaces import get_workspace, parse_timezone

DEFAULT_PERIOD = "30d"
LONGEST_PERIOD = timedelta(days=365)
_PERIOD = re.compile(r"([1-9]\d{0,2})d")

FromParameter = Annotated[
    str | None, Query(alias="from", max_length=64, description="Included; instead of period.")
]
ToParameter = Annotated[str | None, Query(max_length=64, description="Excluded; default: now.")]


@dataclass(frozen=True, slots=True)
class AskedPeriod:
    """[start, end) in UTC, and what was written, which stays the same while "now" goes on."""

    start: datetime
    end: datetime
    written: tuple[str | None, ...]


def asked_period(
    services: ServicesDep,
    caller: Analyst,
    *,
    period: Annotated[
        str | None,
        Query(
            max_length=10, description=f"1d to 365d, up to now; default {DEFAULT_PERIOD}.", examples=["30d"]
        ),
    ] = None,
    from_: FromParameter = None,
    to: ToParameter = None,
) -> AskedPeriod:
    """Return the period of a request. Raises a 422 that names the parameter."""
    if period is not None and (from_ is not None or to is not None):
        raise problem_at("period", "conflicting_period", "give either period, or from and to")
    written = (period, from_, to)
    # "Now" is the end of the running minute: what was published seconds ago counts, and answers can be cached.
    this_minute = services.clock().astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if from_ is None:
        if to is not None:
            raise problem_at("from", "missing_from", "'to' needs 'from'")
        days = _PERIOD.fullmatch(period or DEFAULT_PERIOD)
        if days is None or timedelta(days=int(days[1])) > LONGEST_PERIOD:
            raise problem_at("period", "invalid_period", f"{period!r} is no period: use 1d to 365d")
        return AskedPeriod(this_minute - timedelta(days=int(days[1])), this_minute, written)
    start = read_time(services, caller, from_, "from")
    end = read_time(services, caller, to, "to") if to else this_minute
    if end <= start:
        raise problem_at("to", "empty_period", "'to' must be after 'from'")
    if end - start > LONGEST_PERIOD + timedelta(days=1):
        raise problem_at("from", "period_too_long", "ask for at most 366 days")
    return AskedPeriod(start, end, written)


def read_time(services: ServicesDep, caller: Analyst, text: str, field: str) -> datetime:
    """Return the instant that a parameter names; without an offset it is in the workspace's zone."""
    with services.store.read() as session:
        zone = parse_timezone(get_workspace(session, caller.workspace_id).timezone)
    return resolve_time(text, zone, field=field).at


AskedPeriodDep = Annotated[AskedPeriod, Depends(asked_period)]
