"""The dashboard: pages rendered here for whoever signs in with an API key; nothing is loaded from elsewhere."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.dashboard import views
from api.dashboard.sessions import (
    LOGIN,
    FieldsDep,
    RefusedError,
    SignedOutError,
    VisitorDep,
    require_form_token,
    sign_in,
    sign_out,
)
from api.dependencies import ServicesDep
from api.errors import ApiError
from api.sign_in import check_credentials
from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.store.api_keys import (
    SCOPES,
    create_api_key,
    is_usable,
    list_api_keys,
    parse_scopes,
    require_grantable,
    revoke_api_key,
)

_templates = Environment(
    loader=PackageLoader("api", "templates/dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "Cache-Control": "no-store",
}
_CSS = _templates.get_template("style.css").render()
_LONGEST_DAYS = 3650


class DashboardRoute(APIRoute):
    """Answers people: who is signed out is led to the login, a refusal is a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with its refusals turned into pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except SignedOutError:
                return RedirectResponse(LOGIN, 303)
            except RefusedError as refusal:
                return _show("refused.html", 403, visitor=None, why=str(refusal))
            except (ApiError, InvalidInputError, NotFoundError) as error:
                status = (
                    error.status
                    if isinstance(error, ApiError)
                    else 404
                    if isinstance(error, NotFoundError)
                    else 422
                )
                return _show("refused.html", status, visitor=None, why=f"{error}")

        return handle


def _status_of(error: ApiError | InvalidInputError | NotFoundError) -> int:
    if isinstance(error, ApiError):
        return error.status
    return 404 if isinstance(error, NotFoundError) else 422


router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)


@router.get("/style.css")
async def give_style() -> Response:
    """Give the style of all pages."""
    return Response(_CSS, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/login")
async def ask_for_login() -> HTMLResponse:
    """Ask for a key and its secret."""
    return _show("login.html", visitor=None, why=None)


@router.post("/login")
def log_in(request: Request, services: ServicesDep, fields: FieldsDep) -> Response:
    """Open a session for a key."""
    address = request.client.host if request.client else ""
    try:
        key = check_credentials(services, address, _field(fields, "api_key"), _field(fields, "api_secret"))
    except ApiError as error:
        return _show("login.html", error.status, visitor=None, why=error.detail)
    response = RedirectResponse("/dashboard", 303)
    sign_in(services, key, response, secure=request.url.scheme == "https")
    return response


@router.post("/logout")
async def log_out(visitor: VisitorDep, fields: FieldsDep) -> Response:
    """Close the session."""
    require_form_token(fields, visitor)
    response = RedirectResponse(LOGIN, 303)
    sign_out(response)
    return response


@router.get("")
def show_overview(
    services: ServicesDep,
    visitor: VisitorDep,
    days: Annotated[int, Query(ge=1, le=365)] = 30,
) -> HTMLResponse:
    """Show what the last days earned."""
    visitor.require("analytics")
    return _show(
        "overview.html", visitor=visitor, **views.show_overview(services, visitor.key.workspace_id, days)
    )


@router.get("/posts")
def show_posts(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show planned and published posts, each with its story."""
    visitor.require("read")
    return _show("posts.html", visitor=visitor, **views.show_posts(services, visitor.key.workspace_id))


@router.get("/accounts")
def show_accounts(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the accounts and their health."""
    visitor.require("read", "accounts")
    return _show("accounts.html", visitor=visitor, **views.show_accounts(services, visitor.key.workspace_id))


@router.get("/times")
def show_times(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show each account's week."""
    visitor.require("read")
    return _show("times.html", visitor=visitor, **views.show_times(services, visitor.key.workspace_id))


@router.get("/keys")
def show_keys(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the workspace's keys."""
    visitor.require("admin")
    return _show_keys(services, visitor)


@router.post("/keys")
def make_key(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> HTMLResponse:
    """Make a key and show its secret this once."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    now, days = services.clock(), _field(fields, "days")
    if days and not (days.isascii() and days.isdecimal() and 1 <= int(days) <= _LONGEST_DAYS):
        raise RefusedError(f"A key ends after 1 to {_LONGEST_DAYS} days, or never.")
    expires_at = now + timedelta(days=int(days)) if days else None
    with services.store.write() as session:
        scopes = parse_scopes(fields.get("scope", []))
        require_grantable(visitor.key, visitor.scopes, scopes, expires_at)
        made = create_api_key(
            session,
            services.store.cipher,
            visitor.key.workspace_id,
            _field(fields, "name")[:200],
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


def _show_keys(services: ServicesDep, visitor: VisitorDep, **more: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    now = services.clock()
    with services.store.read() as session:
        rows = list_api_keys(session, visitor.key.workspace_id)
    keys = [(row, is_usable(row, now)) for row in rows]
    return _show("keys.html", visitor=visitor, keys=keys, scopes=SCOPES, **{"made": None, **more})


def _show(template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    page = _templates.get_template(template).render(values)
    return HTMLResponse(page, status, _HEADERS)


def _field(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0].strip()
