"""Endpoints of half-life, engagement by age, and posting frequency."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from api.analytics.schemas_decay import DecayOut, FrequencyOut
from api.http.dependencies import Analyst, ServicesDep
from api.http.lake_responses import UNCHANGED, IfNoneMatch, answer_cached
from api.http.periods import AskedPeriodDep
from api.http.schemas import problems
from api.http.services import Services
from warehouse.lake.queries.decay import get_decay, get_frequency
from warehouse.platforms import parse_platform
from warehouse.scheduling.periods import AskedPeriod
from warehouse.store.accounts.accounts import get_account

router = APIRouter(prefix="/analytics", tags=["Analytics"])

PlatformParameter = Annotated[str | None, Query(max_length=40)]
AccountParameter = Annotated[str | None, Query(max_length=40)]


@router.get(
    "/decay",
    operation_id="get_decay",
    summary="Get half-life and engagement by age",
    response_model=DecayOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_decay(
    services: ServicesDep,
    caller: Analyst,
    period: AskedPeriodDep,
    *,
    reference: Annotated[
        Literal["7d", "30d"], Query(description="The engagement at this age counts as the whole.")
    ] = "7d",
    platform: PlatformParameter = None,
    account_id: AccountParameter = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return how fast posts earn their engagement: half-life, and the share reached at each age.

    For all accounts, each platform and each account. Only measured values count; a figure from fewer than 10 posts is
    null, and `coverage` says which posts of the period are not in the figures.
    """
    asked = _read(services, caller.workspace_id, period, platform, account_id) | {"reference": reference}

    def make() -> DecayOut:
        return DecayOut.model_validate(get_decay(services.lake, **asked) | _edges(period))

    return answer_cached(services, "decay", asked, if_none_match, make)


@router.get(
    "/frequency",
    operation_id="get_frequency",
    summary="Compare posts per day with engagement per post",
    response_model=FrequencyOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_frequency(
    services: ServicesDep,
    caller: Analyst,
    period: AskedPeriodDep,
    *,
    age: Annotated[
        Literal["1h", "24h", "7d", "30d"], Query(description="Every post is compared at this age.")
    ] = "24h",
    platform: PlatformParameter = None,
    account_id: AccountParameter = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the engagement per post by the number of posts on the same day of the account's calendar.

    For all accounts, each platform and each account; a figure from fewer than 10 posts is null. An association, no
    proof.
    """
    asked = _read(services, caller.workspace_id, period, platform, account_id) | {"age": age}

    def make() -> FrequencyOut:
        return FrequencyOut.model_validate(get_frequency(services.lake, **asked) | _edges(period))

    return answer_cached(services, "frequency", asked, if_none_match, make)


def _read(
    services: Services, workspace_id: str, period: AskedPeriod, platform: str | None, account_id: str | None
) -> dict[str, Any]:
    if account_id is not None:
        with services.store.read() as session:
            get_account(session, workspace_id, account_id)
    return {
        "workspace_id": workspace_id,
        "start": period.start,
        "end": period.end,
        "platform": parse_platform(platform).value if platform else None,
        "account_id": account_id,
    }


def _edges(period: AskedPeriod) -> dict[str, Any]:
    return {"period": {"from": period.start, "to": period.end}}
