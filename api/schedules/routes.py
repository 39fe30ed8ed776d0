"""Content calendar endpoint."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from api.http.dependencies import Reader, ServicesDep
from api.http.schemas import problems
from api.schedules.calendar_answers import CALENDAR_ANSWER, IfNoneMatch, answer_calendar
from api.schedules.schemas import CalendarOut
from warehouse.scheduling.calendar import describe_calendar, read_planned, resolve_span
from warehouse.store.access.workspaces import get_workspace, parse_timezone

router = APIRouter(prefix="/schedules", tags=["Schedules"])


@router.get(
    "",
    operation_id="get_calendar",
    summary="Get the content calendar",
    response_model=CalendarOut,
    responses={**problems(401, 403, 404, 422, 429), **CALENDAR_ANSWER},
)
def get_calendar(
    services: ServicesDep,
    caller: Reader,
    *,
    from_: Annotated[
        str | None, Query(alias="from", max_length=64, description="Default: today, local.")
    ] = None,
    to: Annotated[str | None, Query(max_length=64, description="Default: 30 days later; excluded.")] = None,
    timezone: Annotated[
        str | None, Query(max_length=64, description="IANA zone of the local days; default: the workspace's.")
    ] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    accept: Annotated[
        str | None, Header(description="`text/calendar` returns iCalendar instead of JSON.")
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List planned posts by local day, with status and conflicts; also as iCalendar."""
    with services.store.read() as session:
        workspace = get_workspace(session, caller.workspace_id)
        zone = parse_timezone(timezone or workspace.timezone)
        start, end = resolve_span(from_, to, zone, services.clock())
        planned = read_planned(session, caller.workspace_id, start, end, account_id)
    if "text/calendar" in (accept or ""):
        return answer_calendar(planned, workspace.name, if_none_match)
    shown = CalendarOut.model_validate(describe_calendar(planned, zone, start, end))
    return Response(shown.model_dump_json(by_alias=True), media_type="application/json")
