"""Recurring posts: the form for a new rule or a changed one, and stopping one."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, RefusedError, Visitor, VisitorDep, require_form_token
from api.http.dependencies import ServicesDep  # noqa: TC001 (FastAPI reads the annotation)
from api.http.errors import ApiError, explain
from warehouse.errors import InvalidInputError, WarehouseError
from warehouse.planning.recurrences import change_recurrence, create_recurrence, list_upcoming
from warehouse.planning.wish import RecurrenceChange, RecurrenceWish
from warehouse.scheduling.occurrences import rule_of
from warehouse.scheduling.recurrences import delete_recurrence, get_recurrence
from warehouse.shapes import read_shape
from warehouse.store.accounts.accounts import list_accounts

if TYPE_CHECKING:
    from api.http.services import Services
    from warehouse.store.schedules.recurrence_models import Recurrence

router = APIRouter(
    prefix="/dashboard/settings/recurrences", include_in_schema=False, route_class=DashboardRoute
)

RecurrenceId = Annotated[str, Path(max_length=40)]
_COMING = 5
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
        wish = read_shape(RecurrenceWish, _read_values(fields) | {"starts_at": field_of(fields, "starts_at")})
        with services.store.write() as session:
            create_recurrence(services.planning(session, visitor.key.workspace_id), wish)
    except (ApiError, WarehouseError) as error:
        return _show_form(services, visitor, fields, explain(error))
    return RedirectResponse(_BACK, 303)


@router.get("/{recurrence_id}/edit")
def ask_for_change(recurrence_id: RecurrenceId, services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the form with a rule, and what it makes next."""
    visitor.require("write")
    with services.store.read() as session:
        row = get_recurrence(session, visitor.key.workspace_id, recurrence_id)
    return _show_form(services, visitor, _fields_of(row), None, row)


@router.post("/{recurrence_id}/edit")
def change_rule(
    recurrence_id: RecurrenceId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> Response:
    """Change the rule and its unsent posts, or show the form again with what is wrong."""
    require_form_token(fields, visitor)
    visitor.require("write")
    version = field_of(fields, "version")
    if not re.fullmatch(r"[0-9]{1,9}", version):
        raise RefusedError("Send the form as the page shows it: reload the page.")
    with services.store.read() as session:
        row = get_recurrence(session, visitor.key.workspace_id, recurrence_id)
    try:
        values = _read_values(fields)
        # A start that was left as it is may lie years back: only a new one is checked.
        if (starts_at := field_of(fields, "starts_at")) != row.starts_at[:16]:
            values["starts_at"] = starts_at
        change = read_shape(RecurrenceChange, values)
        with services.store.write() as session:
            context = services.planning(session, visitor.key.workspace_id)
            change_recurrence(context, recurrence_id, change, expected_version=int(version))
    except (ApiError, WarehouseError) as error:
        return _show_form(services, visitor, fields, explain(error), row)
    return RedirectResponse(_BACK, 303)


@router.post("/{recurrence_id}/delete")
def drop_rule(
    recurrence_id: RecurrenceId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Stop a rule and cancel its unsent posts, or with `keep` leave them as they are."""
    require_form_token(fields, visitor)
    visitor.require("write")
    with services.store.write() as session:
        delete_recurrence(
            session,
            visitor.key.workspace_id,
            recurrence_id,
            services.clock(),
            cancel_posts="keep" not in fields,
        )
    return RedirectResponse(_BACK, 303)


def _read_values(fields: dict[str, list[str]]) -> dict[str, Any]:
    """Return the form as the fields of a RecurrenceWish or RecurrenceChange, without its start."""
    return {
        # Browsers send line breaks as CR LF; posts use LF.
        "content": field_of(fields, "content").replace("\r\n", "\n"),
        "account_ids": fields.get("account", []),
        "link": field_of(fields, "link") or None,
        "rrule": _read_rule(fields),
    }


def _fields_of(row: Recurrence) -> dict[str, list[str]]:
    """Return a stored rule as the form has it; a rule that the choices cannot express is one of its own."""
    fields = {
        "content": [row.content],
        "account": list(row.contents),
        "link": [row.details.get("link") or ""],
        "starts_at": [row.starts_at[:16]],
        "version": [str(row.version)],
    }
    names = {name: every for every, name in EVERY.items()}
    parts = dict(part.split("=", 1) for part in row.rrule.split(";"))
    every, days = names.get(parts.pop("FREQ", "")), parts.pop("BYDAY", "")
    last = re.fullmatch(r"(\d{4})(\d\d)(\d\d)T235959", parts.pop("UNTIL", "00000000T235959"))
    chosen = days.split(",") if days else []
    plain = every and last and not parts and {*chosen} <= {*WEEKDAYS} and not (chosen and every != "week")
    if not plain or every is None or last is None:
        return fields | {"rrule": [row.rrule]}
    until = "-".join(last.groups())
    return fields | {"every": [every], "day": chosen, "last": [until if until != "0000-00-00" else ""]}


def _read_rule(fields: dict[str, list[str]]) -> str:
    """Return the choices of the form as an RRULE. Raises InvalidInputError for a choice that would be ignored."""
    own, every, days = field_of(fields, "rrule").strip(), field_of(fields, "every"), fields.get("day", [])
    last = field_of(fields, "last").replace("-", "")
    if own:
        if days or last:
            raise InvalidInputError(
                "a custom rule is filled in: clear it, or clear the weekdays and the last day", field="rrule"
            )
        return own
    if every not in EVERY:
        raise InvalidInputError("choose how often to publish it: every day, week or month", field="every")
    if days and every != "week":
        raise InvalidInputError(
            f"weekdays are chosen, but it repeats every {every}: choose every week", field="day"
        )
    parts = [f"FREQ={EVERY[every]}"]
    if days:
        parts.append(f"BYDAY={','.join(days)}")
    if last:
        parts.append(f"UNTIL={last}T235959")
    return ";".join(parts)


def describe_rule(row: Recurrence) -> str | None:
    """Return a rule in words: "Every week on Monday and Thursday, until 30 Apr 2026"; None = one of its own."""
    fields = _fields_of(row)
    if "rrule" in fields:
        return None
    words = f"Every {fields['every'][0]}"
    if days := [WEEKDAYS[code] for code in fields["day"]]:
        words += f" on {' and '.join([', '.join(days[:-1]), days[-1]] if days[1:] else days)}"
    if last := fields["last"][0]:
        day = date.fromisoformat(last)
        words += f", until {day.day} {day:%b %Y}"
    return words


def _show_form(
    services: Services,
    visitor: Visitor,
    given: dict[str, list[str]],
    problem: ApiError | None,
    row: Recurrence | None = None,
) -> HTMLResponse:
    coming = []
    if row is not None:
        coming = [one.scheduled_at for one in list_upcoming(rule_of(row), services.clock(), _COMING)[0]]
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
        row=row,
        coming=coming,
        **more,
    )
