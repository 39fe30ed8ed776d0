"""Period parameters of the analytics endpoints: `period`, or `from` and `to`."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query

from api.http.dependencies import Analyst, ServicesDep
from warehouse.scheduling.local_times import resolve_time
from warehouse.scheduling.periods import DEFAULT_PERIOD, AskedPeriod, resolve_period
from warehouse.store.access.workspaces import get_workspace, parse_timezone

FromParameter = Annotated[
    str | None, Query(alias="from", max_length=64, description="Start (inclusive), instead of period.")
]
ToParameter = Annotated[str | None, Query(max_length=64, description="End (exclusive); default: now.")]


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
    # Read the time zone from the store only if a parameter may need it.
    zone = read_zone(services, caller) if from_ is not None else ZoneInfo("UTC")
    return resolve_period(period, from_, to, zone, services.clock())


def read_time(services: ServicesDep, caller: Analyst, text: str, field: str) -> datetime:
    """Return the time in a parameter; without an offset it is in the workspace's time zone."""
    return resolve_time(text, read_zone(services, caller), field=field).at


def read_zone(services: ServicesDep, caller: Analyst) -> ZoneInfo:
    """Return the workspace's time zone."""
    with services.store.read() as session:
        return parse_timezone(get_workspace(session, caller.workspace_id).timezone)


AskedPeriodDep = Annotated[AskedPeriod, Depends(asked_period)]
