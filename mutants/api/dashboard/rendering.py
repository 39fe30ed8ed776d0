"""How the dashboard answers: pages rendered here, refusals as pages, and nothing loaded from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from api.dashboard.sessions import LOGIN, RefusedError, SignedOutError
from api.http.errors import ApiError, explain
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response

_templates = Environment(
    loader=PackageLoader("api.dashboard"),
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
CSS = _templates.get_template("style.css").render()


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
                return show("refused.html", 403, visitor=None, why=str(refusal))
            except (ApiError, WarehouseError, ValidationError) as error:
                problem = explain(error)
                return show("refused.html", problem.status, visitor=None, why=problem.detail)

        return handle


def show(template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    """Return a page."""
    page = _templates.get_template(template).render(values)
    return HTMLResponse(page, status, _HEADERS)


def field_of(fields: dict[str, list[str]], name: str) -> str:
    """Return a form's field without the space around it; empty where it was not sent."""
    return fields.get(name, [""])[0].strip()
