"""Endpoint of the analytics overview of a period."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.analytics.schemas import OverviewOut
from api.http.dependencies import Analyst, ServicesDep
from api.http.lake_responses import UNCHANGED, IfNoneMatch, answer_cached
from api.http.periods import AskedPeriodDep, read_time, read_zone
from api.http.response_cache import remember
from api.http.schemas import problems
from warehouse.lake.queries.overview import get_overview
from warehouse.platforms import parse_platform
from warehouse.store.accounts.accounts import get_account

router = APIRouter(prefix="/analytics", tags=["Analytics"])


@router.get(
    "/overview",
    operation_id="get_overview",
    summary="Get the overview of a period",
    response_model=OverviewOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_overview(
    request: Request,
    services: ServicesDep,
    caller: Analyst,
    period: AskedPeriodDep,
    *,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    as_of: Annotated[
        str | None, Query(max_length=64, description="Use only data measured by this time.")
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Summarize a period: posts published in it, their results so far, new followers, top posts.

    Times and days are in the workspace's time zone, which `timezone` names.
    """
    if account_id is not None:
        with services.store.read() as session:
            get_account(session, caller.workspace_id, account_id)
    asked: dict[str, Any] = {
        "workspace_id": caller.workspace_id,
        "start": period.start,
        "end": period.end,
        "platform": parse_platform(platform) if platform else None,
        "account_id": account_id,
        "as_of": read_time(services, caller, as_of, "as_of") if as_of else None,
        "zone": read_zone(services, caller),
    }
    snapshot_id = services.lake.snapshot_id()
    # "Now" is the end of the current minute, so the period changes once a minute.
    next_minute = services.clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
    remember(request, services, lake_mark=snapshot_id, uses_lake=True, until=next_minute)
    return answer_cached(
        services,
        "overview",
        asked,
        if_none_match,
        lambda: OverviewOut.model_validate(get_overview(services.lake, **asked)),
        snapshot_id=snapshot_id,
    )
