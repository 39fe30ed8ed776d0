"""Endpoint that measures the effect of recommended times by experiment."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from api.http.dependencies import Analyst, ServicesDep
from api.http.lake_responses import UNCHANGED, IfNoneMatch, answer_cached
from api.http.schemas import problems
from api.optimal_times.schemas_timing_lift import TimingLiftOut
from warehouse.lake.queries.placement_lift import get_placement_lift
from warehouse.platforms import parse_platform
from warehouse.store.accounts.accounts import get_account

router = APIRouter(prefix="/analytics/timing-lift", tags=["Analytics"])


@router.get(
    "",
    operation_id="get_timing_lift",
    summary="Measure the effect of advised times",
    response_model=TimingLiftOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_timing_lift(
    services: ServicesDep,
    caller: Analyst,
    *,
    age: Annotated[
        Literal["1h", "24h", "7d", "30d"], Query(description="Every post is compared at this age.")
    ] = "24h",
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Compare posts at recommended times with posts at random times, with the interval.

    Needs an experiment: `random_share` of the workspace. Without enough posts the figures are null and
    `reason` says what is missing.
    """
    if account_id is not None:
        with services.store.read() as session:
            get_account(session, caller.workspace_id, account_id)
    asked: dict[str, Any] = {
        "workspace_id": caller.workspace_id,
        "age": age,
        "platform": parse_platform(platform).value if platform else None,
        "account_id": account_id,
    }
    return answer_cached(
        services,
        "timing_lift",
        asked,
        if_none_match,
        lambda: TimingLiftOut.model_validate(get_placement_lift(services.lake, **asked)),
    )
