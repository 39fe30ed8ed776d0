"""Recurring posts: the form for a new rule, and stopping one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, Visitor, VisitorDep, require_form_token
from api.http.dependencies import ServicesDep  # noqa: TC001 (FastAPI reads the annotation)
from api.http.errors import ApiError, explain
from warehouse.errors import InvalidInputError, WarehouseError
from warehouse.planning.recurrences import create_recurrence
from warehouse.planning.wish import RecurrenceWish
from warehouse.scheduling.recurrences import delete_recurrence
from warehouse.shapes import read_shape
from warehouse.store.accounts.accounts import list_accounts

if TYPE_CHECKING:
    from api.http.services import Services

router = APIRouter(
    prefix="/dashboard/settings/recurrences", include_in_schema=False, route_class=DashboardRoute
)

_BACK = "/dashboard/settings#recurrences"
EVERY = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY"}
"""What the form calls it, and FREQ of the rule."""
WEEKDAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}


@router.get("/new")
def ask_for_rule(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the form for a new rule."""
    visitor.require("write")
    return _show_form(services, visitor, {}, None)


@router.post("/new")
def make_rule(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> Response:
    """Save the rule and its first posts, or show the form again with what is wrong."""
    require_form_token(fields, visitor)
    visitor.require("write")
    try:
        wish = read_shape(
            RecurrenceWish,
            {
                # Browsers send line breaks as CR LF; posts use LF.
                "content": field_of(fields, "content").replace("\r\n", "\n"),
                "account_ids": fields.get("account", []),
                "link": field_of(fields, "link") or None,
                "rrule": _read_rule(fields),
                "starts_at": field_of(fields, "starts_at"),
            },
        )
        with services.store.write() as session:
            create_recurrence(services.planning(session, visitor.key.workspace_id), wish)
    except (ApiError, WarehouseError) as error:
        return _show_form(services, visitor, fields, explain(error))
    return RedirectResponse(_BACK, 303)


@router.post("/{recurrence_id}/delete")
def drop_rule(
    recurrence_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> RedirectResponse:
    """Delete a rule; its unsent posts are canceled."""
    require_form_token(fields, visitor)
    visitor.require("write")
    with services.store.write() as session:
        delete_recurrence(
            session, visitor.key.workspace_id, recurrence_id, services.clock(), cancel_posts=True
        )
    return RedirectResponse(_BACK, 303)


def _read_rule(fields: dict[str, list[str]]) -> str:
    """Return the choices of the form as an RRULE. Raises InvalidInputError for a choice that would be ignored."""
    own, every, days = field_of(fields, "rrule").strip(), field_of(fields, "every"), fields.get("day", [])
    last = field_of(fields, "last").replace("-", "")
    if own:
        if days or last:
            raise InvalidInputError(
                "a rule of your own is filled in: empty it, or the weekdays and the last day", field="rrule"
            )
        return own
    if every not in EVERY:
        raise InvalidInputError("choose how often it goes out: every day, week or month", field="every")
    if days and every != "week":
        raise InvalidInputError(
            f"weekdays are chosen, but it goes out every {every}: choose every week", field="day"
        )
    parts = [f"FREQ={EVERY[every]}"]
    if days:
        parts.append(f"BYDAY={','.join(days)}")
    if last:
        parts.append(f"UNTIL={last}T235959")
    return ";".join(parts)


def _show_form(
    services: Services, visitor: Visitor, given: dict[str, list[str]], problem: ApiError | None
) -> HTMLResponse:
    with services.store.read() as session:
        accounts = list_accounts(session, visitor.key.workspace_id, statuses=("active",))
    more: dict[str, Any] = {"every": EVERY, "weekdays": WEEKDAYS}
    return show(
        "recurrence.html",
        problem.status if problem else 200,
        visitor=visitor,
        services=services,
        accounts=accounts,
        given=given,
        problem=problem,
        **more,
    )
