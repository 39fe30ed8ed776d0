"""Signing in with a key or a link, signing out, sessions and keys; and our own scripts and styles."""

import re
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth.sign_in import check_credentials, refuse_guessing
from api.dashboard.rendering import DashboardRoute, field_of, give_asset, show
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
from api.http.middleware import SCOPE_KEY, is_loopback
from warehouse.errors import InvalidInputError
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
from warehouse.store.access.sign_in_links import use_link

_LONGEST_DAYS = 3650


router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)


@router.get("/static/{name}")
async def give_static(
    name: Annotated[str, Path(max_length=40)], v: Annotated[str | None, Query(max_length=20)] = None
) -> Response:
    """Return a script, a style sheet or a drawing of ours; the address changes with the content."""
    return give_asset(name, version=v)


@router.get("/style.css")
async def give_style() -> Response:
    """Return the style sheet of all pages."""
    return give_asset("style.css")


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


@router.get("/login/link")
def ask_to_enter(request: Request, services: ServicesDep) -> HTMLResponse:
    """Show the button of a sign-in link: a preview of the link by another program does not use it up."""
    token = request.scope.get(SCOPE_KEY) or ""
    cookie, form_token = prepare_login(services, request)
    page = show("enter.html", visitor=None, services=services, link_token=token, form_token=form_token)
    set_login_cookie(request, page, cookie)
    return page


@router.post("/login/link")
def enter(request: Request, services: ServicesDep, fields: FieldsDep) -> Response:
    """Use a sign-in link up and open its session."""
    address = client_address(request)
    if not is_own_login(services, request, field_of(fields, "form_token")):
        return _show_login(
            request, services, 403, why="This form has expired or was not opened here: open the link again."
        )
    with services.store.write() as session:
        used = use_link(
            session,
            services.store.cipher,
            field_of(fields, "token")[:200],
            services.clock(),
            is_loopback=is_loopback(address),
        )
    if used is None:
        try:
            refuse_guessing(services, (f"address|{address}",))
        except ApiError as error:
            return _show_login(request, services, error.status, why=error.detail)
        why = (
            "This link was used already, has expired, or is for the machine itself: "
            "make a new one with `socialflow dashboard`."
        )
        return _show_login(request, services, 403, why=why)
    key, ends_at = used
    response = RedirectResponse("/dashboard", 303)
    sign_in(services, key, request, response, ends_at)
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
    return show("sessions.html", visitor=visitor, services=services, sessions=sessions, everyone=everyone)


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


@router.get("/{path:path}")
def show_nothing(path: str, visitor: VisitorDep) -> HTMLResponse:
    """Say that there is no such page, within the navigation."""
    del path, visitor
    raise ApiError(404, "not_found", "There is no such page: choose one from the navigation.")


def _show_login(
    request: Request, services: ServicesDep, status: int = 200, *, why: str | None = None
) -> HTMLResponse:
    cookie, token = prepare_login(services, request)
    page = show("login.html", status, visitor=None, services=services, why=why, form_token=token)
    set_login_cookie(request, page, cookie)
    return page


def _show_keys(services: ServicesDep, visitor: VisitorDep, **more: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    now = services.clock()
    with services.store.read() as session:
        rows = list_api_keys(session, visitor.key.workspace_id)
    keys = [(row, is_usable(row, now)) for row in rows]
    return show(
        "keys.html", visitor=visitor, services=services, keys=keys, scopes=SCOPES, **{"made": None, **more}
    )
