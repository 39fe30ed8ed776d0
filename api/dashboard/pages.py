"""Dashboard pages: sign-in with an API key, and all pages except posts."""

import re
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth.sign_in import check_credentials
from api.dashboard import views
from api.dashboard.rendering import CSS, DashboardRoute, field_of, show
from api.dashboard.sessions import (
    LOGIN,
    FieldsDep,
    VisitorDep,
    is_own_login,
    prepare_login,
    require_form_token,
    set_login_cookie,
    sign_in,
    sign_out,
)
from api.http.dependencies import ServicesDep, client_address
from api.http.errors import ApiError
from api.http.lake_follow_up import follow_accounts
from warehouse.errors import InvalidInputError
from warehouse.shapes import read_shape
from warehouse.store.access.api_keys import (
    SCOPES,
    create_api_key,
    is_usable,
    list_api_keys,
    parse_scopes,
    require_grantable,
    revoke_api_key,
)
from warehouse.store.access.sessions import end_session, list_sessions
from warehouse.store.accounts.accounts import change_account
from warehouse.store.accounts.shapes import AccountPatch

_LONGEST_DAYS = 3650


router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)


@router.get("/style.css")
async def give_style() -> Response:
    """Return the style sheet of all pages."""
    return Response(CSS, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/login")
def ask_for_login(request: Request, services: ServicesDep) -> HTMLResponse:
    """Show the sign-in form."""
    return _show_login(request, services)


@router.post("/login")
def log_in(request: Request, services: ServicesDep, fields: FieldsDep) -> Response:
    """Sign in with an API key and open a session."""
    if not is_own_login(services, request, field_of(fields, "form_token")):
        why = "This form has expired or was not opened here: try again."
        return _show_login(request, services, 403, why=why)
    try:
        key = check_credentials(
            services,
            client_address(request),
            field_of(fields, "api_key"),
            field_of(fields, "api_secret"),
            via="dashboard",
        )
    except ApiError as error:
        return _show_login(request, services, error.status, why=error.detail)
    response = RedirectResponse("/dashboard", 303)
    sign_in(services, key, request, response)
    return response


@router.post("/logout")
def log_out(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> Response:
    """Sign out and end the session."""
    require_form_token(fields, visitor)
    response = RedirectResponse(LOGIN, 303)
    sign_out(services, visitor, response)
    return response


@router.get("/sessions")
def show_sessions(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the open sessions: all of the workspace for administrators, those of their own key for others."""
    everyone = "admin" in visitor.scopes
    key_id = None if everyone else visitor.key.id
    with services.store.read() as session:
        sessions = list_sessions(session, visitor.key.workspace_id, services.clock(), key_id=key_id)
    return show("sessions.html", visitor=visitor, sessions=sessions, everyone=everyone)


@router.post("/sessions/{session_id}/end")
def end_other_session(
    session_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> Response:
    """End a session."""
    require_form_token(fields, visitor)
    key_id = None if "admin" in visitor.scopes else visitor.key.id
    with services.store.write() as session:
        end_session(session, visitor.key.workspace_id, session_id, services.clock(), key_id=key_id)
    return RedirectResponse("/dashboard/sessions", 303)


@router.get("")
def show_overview(
    services: ServicesDep,
    visitor: VisitorDep,
    days: Annotated[int, Query(ge=1, le=365)] = 30,
) -> HTMLResponse:
    """Show the metrics of the last days."""
    visitor.require("analytics")
    return show(
        "overview.html", visitor=visitor, **views.show_overview(services, visitor.key.workspace_id, days)
    )


@router.get("/accounts")
def show_accounts(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the accounts and their health."""
    visitor.require("read", "accounts")
    return show("accounts.html", visitor=visitor, **views.show_accounts(services, visitor.key.workspace_id))


@router.post("/accounts/{account_id}/timezone")
def change_timezone(
    account_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
    background: BackgroundTasks,
) -> Response:
    """Change an account's time zone; an empty field = the workspace's."""
    require_form_token(fields, visitor)
    visitor.require("accounts")
    change = read_shape(AccountPatch, {"timezone": field_of(fields, "timezone").strip() or None})
    with services.store.write() as session:
        change_account(session, visitor.key.workspace_id, account_id, change, services.clock())
    background.add_task(follow_accounts, services)
    return RedirectResponse("/dashboard/accounts", 303)


@router.get("/times")
def show_times(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the expected lift per weekday and hour of each account."""
    visitor.require("read")
    return show("times.html", visitor=visitor, **views.show_times(services, visitor.key.workspace_id))


@router.get("/keys")
def show_keys(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the workspace's keys."""
    visitor.require("admin")
    return _show_keys(services, visitor)


@router.post("/keys")
def make_key(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> HTMLResponse:
    """Create an API key and show its secret once."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    now, days = services.clock(), field_of(fields, "days")
    if days and not (re.fullmatch(r"[0-9]{1,4}", days) and 1 <= int(days) <= _LONGEST_DAYS):
        raise InvalidInputError(
            f"days: a key expires after 1 to {_LONGEST_DAYS} days, or never", field="days"
        )
    expires_at = now + timedelta(days=int(days)) if days else None
    with services.store.write() as session:
        scopes = parse_scopes(fields.get("scope", []))
        require_grantable(visitor.key, visitor.scopes, scopes, expires_at)
        made = create_api_key(
            session,
            services.store.cipher,
            visitor.key.workspace_id,
            field_of(fields, "name")[:200],
            scopes,
            now,
            expires_at,
        )
    return _show_keys(services, visitor, made=made)


@router.post("/keys/{key_id}/revoke")
def revoke_key(
    key_id: Annotated[str, Path(max_length=40)], services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> Response:
    """Revoke a key."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    with services.store.write() as session:
        revoke_api_key(session, visitor.key.workspace_id, key_id, services.clock())
    return RedirectResponse("/dashboard/keys", 303)


def _show_login(
    request: Request, services: ServicesDep, status: int = 200, *, why: str | None = None
) -> HTMLResponse:
    cookie, token = prepare_login(services, request)
    page = show("login.html", status, visitor=None, why=why, form_token=token)
    set_login_cookie(request, page, cookie)
    return page


def _show_keys(services: ServicesDep, visitor: VisitorDep, **more: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    now = services.clock()
    with services.store.read() as session:
        rows = list_api_keys(session, visitor.key.workspace_id)
    keys = [(row, is_usable(row, now)) for row in rows]
    return show("keys.html", visitor=visitor, keys=keys, scopes=SCOPES, **{"made": None, **more})
