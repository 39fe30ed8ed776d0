"""Endpoints of account metrics: followers, growth and engagement in a period."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from api.analytics.schemas import AccountMetricsOut, AccountsFiguresOut
from api.http.dependencies import Analyst, ServicesDep
from api.http.lake_responses import UNCHANGED, IfNoneMatch, answer_cached
from api.http.periods import AskedPeriodDep
from api.http.schemas import problems
from warehouse.lake.queries.accounts import (
    NOT_MEASURED,
    get_account_figures,
    get_account_zone,
    list_account_days,
)
from warehouse.platforms import parse_platform
from warehouse.scheduling.periods import AskedPeriod
from warehouse.store.accounts.accounts import get_account, list_accounts
from warehouse.store.models import AccountRow

router = APIRouter(prefix="/analytics/accounts", tags=["Analytics"])


@router.get(
    "",
    operation_id="list_account_metrics",
    summary="List the metrics of all accounts",
    response_model=AccountsFiguresOut,
    responses={**UNCHANGED, **problems(401, 403, 422, 429)},
)
def read_accounts(
    services: ServicesDep,
    caller: Analyst,
    period: AskedPeriodDep,
    *,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the metrics of every account of the workspace on one page; unmeasured values are null, not 0."""
    with services.store.read() as session:
        rows = list_accounts(
            session, caller.workspace_id, platform=parse_platform(platform) if platform else None
        )
    accounts = [_name(row) for row in rows]
    asked: dict[str, Any] = {"workspace_id": caller.workspace_id, "start": period.start, "end": period.end}

    def make() -> AccountsFiguresOut:
        figures = get_account_figures(services.lake, **asked)
        data = [{**NOT_MEASURED, **figures.get(account["account_id"], {}), **account} for account in accounts]
        page = {"data": data, "has_more": False, "next_cursor": None, "period": _edges(period)}
        return AccountsFiguresOut.model_validate(page)

    # The accounts come from the store, so they are part of the cache key.
    return answer_cached(services, "accounts", asked | {"accounts": repr(accounts)}, if_none_match, make)


@router.get(
    "/{account_id}",
    operation_id="get_account_metrics",
    summary="Get the metrics of an account over time",
    response_model=AccountMetricsOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_account(
    account_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    caller: Analyst,
    period: AskedPeriodDep,
    *,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return an account's results in a period and its followers per day (days with a measurement, in its zone)."""
    with services.store.read() as session:
        account = _name(get_account(session, caller.workspace_id, account_id))
    asked: dict[str, Any] = {
        "workspace_id": caller.workspace_id,
        "start": period.start,
        "end": period.end,
        "account_id": account_id,
    }

    def make() -> AccountMetricsOut:
        figures = get_account_figures(services.lake, **asked).get(account_id, {})
        series = list_account_days(services.lake, **asked)
        return AccountMetricsOut.model_validate(
            {
                **NOT_MEASURED,
                **figures,
                **account,
                "timezone": get_account_zone(services.lake, account_id),
                "period": _edges(period),
                "series": series,
            }
        )

    return answer_cached(services, "account", asked | {"account": repr(account)}, if_none_match, make)


def _name(row: AccountRow) -> dict[str, str]:
    return {"account_id": row.id, "platform": row.platform, "handle": row.handle}


def _edges(period: AskedPeriod) -> dict[str, Any]:
    return {"from": period.start, "to": period.end}
