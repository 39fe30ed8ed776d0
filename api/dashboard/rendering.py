"""Dashboard responses: rendered pages, errors as pages, no third-party resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

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
    """Route class for pages: signed-out visitors are redirected to the sign-in page, errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that renders errors as pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except SignedOutError:
                return RedirectResponse(LOGIN, 303)
            except RefusedError as refusal:
                return show("refused.html", 403, visitor=None, why=str(refusal))
            except (ApiError, WarehouseError) as error:
                problem = explain(error)
                return show("refused.html", problem.status, visitor=None, why=problem.detail)

        return handle


def show(template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    """Render a page."""
    page = _templates.get_template(template).render(values)
    return HTMLResponse(page, status, _HEADERS)


def field_of(fields: dict[str, list[str]], name: str) -> str:
    """Return a form field, stripped; empty if it was not sent."""
    return fields.get(name, [""])[0].strip()
