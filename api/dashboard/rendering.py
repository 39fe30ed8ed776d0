"""Dashboard responses: pages in their frame, errors as pages, our own scripts and styles, no other server's."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api.dashboard.frame import build_frame
from api.dashboard.sessions import LOGIN, RefusedError, SignedOutError
from api.http.errors import ApiError, explain
from connectors.capabilities import CAPABILITIES
from connectors.types import Platform
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from fastapi import Request

    from api.dashboard.sessions import Visitor
    from api.http.services import Services

_MARKS = {
    "twitter": "X",
    "instagram": "Ig",
    "mastodon": "M",
    "bluesky": "B",
    "linkedin": "in",
    "facebook": "f",
    "threads": "Th",
    "tiktok": "Tk",
    "pinterest": "P",
    "youtube": "Yt",
    "telegram": "Tg",
}
STATES = {
    "draft": "Draft",
    "scheduled": "Scheduled",
    "claimed": "Publishing",
    "sending": "Publishing",
    "publishing": "Publishing",
    "published": "Published",
    "partially_published": "Partly published",
    "failed": "Failed",
    "needs_review": "Needs review",
    "unknown": "Checking",
    "canceled": "Canceled",
    "deleted": "Deleted there",
    "pending": "Waits for approval",
    "ok": "Connected",
    "limited": "Limited",
    "expiring": "Access ends soon",
    "expired": "Access ended",
    "revoked": "Access refused",
    "disconnected": "Disconnected",
    "imported": "Imported history",
    "paused": "Paused",
}
"""The word of each state."""
_SIGNS = {
    "square": '<rect x="2" y="2" width="8" height="8" fill="currentColor"/>',
    "ring": '<circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2"/>',
    "half": '<circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2"/>'
    '<path d="M6 2a4 4 0 0 1 0 8z" fill="currentColor"/>',
    "disc": '<circle cx="6" cy="6" r="5" fill="currentColor"/>',
    "triangle": '<path d="M6 1l5.5 10h-11z" fill="currentColor"/>',
    "question": '<path d="M3.5 4a2.5 2.5 0 1 1 3.6 2.2C6.3 6.7 6 7 6 8" fill="none" stroke="currentColor" '
    'stroke-width="1.8"/><circle cx="6" cy="10.6" r="1.1" fill="currentColor"/>',
    "dash": '<rect x="1.5" y="5" width="9" height="2" fill="currentColor"/>',
}
_SIGN_OF = {
    "draft": "square",
    "scheduled": "ring",
    "published": "disc",
    "ok": "disc",
    "failed": "triangle",
    "canceled": "dash",
    "deleted": "dash",
    "disconnected": "dash",
    "paused": "dash",
    "imported": "square",
    "revoked": "triangle",
    "expired": "triangle",
    **dict.fromkeys(("claimed", "sending", "publishing", "partially_published"), "half"),
    **dict.fromkeys(("needs_review", "unknown", "pending", "limited", "expiring"), "question"),
}
_ICONS = {
    "today": '<circle cx="10" cy="10" r="4"/>'
    '<path d="M10 1v2M10 17v2M1 10h2M17 10h2M4 4l1 1M15 15l1 1M16 4l-1 1M5 15l-1 1"/>',
    "calendar": '<rect x="2" y="4" width="16" height="14" rx="2"/><path d="M2 9h16M6 2v4M14 2v4"/>',
    "posts": '<path d="M3 5h14M3 10h14M3 15h9"/>',
    "numbers": '<path d="M3 17V9M8 17V4M13 17v-6M18 17V7"/>',
    "times": '<circle cx="10" cy="10" r="8"/><path d="M10 5v5l3 3"/>',
    "sql": '<path d="M3 5l4 5-4 5M10 16h7"/>',
    "imports": '<path d="M10 2v10M6 8l4 4 4-4M3 14v3h14v-3"/>',
    "accounts": '<circle cx="10" cy="7" r="4"/><path d="M2 18c1-4 4-5 8-5s7 1 8 5"/>',
    "settings": '<path d="M3 6h9M16 6h1M3 14h1M8 14h9"/><circle cx="14" cy="6" r="2"/><circle cx="6" cy="14" r="2"/>',
    "plus": '<path d="M10 4v12M4 10h12"/>',
    "menu": '<path d="M3 5h14M3 10h14M3 15h14"/>',
}


def _sign(status: str) -> Markup:
    drawn = _SIGNS[_SIGN_OF.get(status, "ring")]
    return Markup('<svg class="sign" viewBox="0 0 12 12" aria-hidden="true">{}</svg>').format(Markup(drawn))  # noqa: S704 (our own drawing)


@lru_cache(maxsize=100)
def _state(status: str) -> Markup:
    """Return a state as symbol and word."""
    words = STATES.get(status, status.replace("_", " "))
    return Markup('<span class="state s-{}">{}{}</span>').format(status, _sign(status), words)


@lru_cache(maxsize=100)
def _mark(platform: str) -> Markup:
    """Return the platform's tile: one or two letters on its colour."""
    return Markup('<span class="mark p-{}" aria-hidden="true">{}</span>').format(
        platform, _MARKS.get(platform, "?")
    )


def _icon(name: str) -> Markup:
    return Markup('<svg viewBox="0 0 20 20" aria-hidden="true">{}</svg>').format(Markup(_ICONS[name]))  # noqa: S704 (same)


def _label(platform: str) -> str:
    return CAPABILITIES[Platform(platform)].label if platform in CAPABILITIES else platform


def write_number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands separators; None = "Not measured yet"."""
    if value is None:
        return "Not measured yet"
    return f"{value:,.{digits}f}"


def write_change(value: float | None) -> str:
    """Return a fraction as a signed percentage, with a real minus; None = "not known"."""
    if value is None:
        return "not known"
    words = f"{round(value * 100):+d}" if round(value * 100) else "\N{PLUS-MINUS SIGN}0"
    return f"{words.replace('-', chr(0x2212))} %"


def write_pairs(detail: Mapping[str, Any]) -> str:
    """Return the details of a record as words: "platform: mastodon; scopes: read, write"."""
    parts = []
    for name, value in detail.items():
        if value is None or (isinstance(value, (str, list)) and not value):
            continue
        said = ", ".join(str(one) for one in value) if isinstance(value, list) else value
        said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else said
        parts.append(f"{name.replace('_', ' ')}: {write_pairs(said) if isinstance(said, dict) else said}")
    return "; ".join(parts)


_ASSETS = {
    one.name: one.read_bytes()
    for one in files("api.dashboard").joinpath("static").iterdir()
    if one.name.endswith((".css", ".js", ".svg"))
}
_VERSIONS = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in _ASSETS.items()}
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def asset(name: str) -> str:
    """Return the address of one of our scripts or styles; it changes with the content."""
    return f"/dashboard/static/{name}?v={_VERSIONS[name]}"


def give_asset(name: str, *, version: str | None = None) -> Response:
    """Return one of our own scripts, styles or drawings. Raises a 404 for any other name."""
    content = _ASSETS.get(name)
    if content is None:
        raise ApiError(404, "not_found", "there is no such file")
    lasts = "max-age=31536000, immutable" if version == _VERSIONS[name] else "no-cache"
    headers = {"Cache-Control": lasts, "ETag": f'"{_VERSIONS[name]}"'}
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


_templates = Environment(
    loader=PackageLoader("api.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(asset=asset, icon=_icon, state=_state, mark=_mark, label=_label, sign=_sign)
_templates.filters.update(number=write_number, change=write_change, pairs=write_pairs)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}


class DashboardRoute(APIRoute):
    """Route class for pages: signed-out visitors are redirected to the sign-in page, errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that renders errors as pages, or as JSON for a script."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except SignedOutError:
                if wants_json(request):
                    return give_json({"detail": "You are signed out: sign in again."}, 401)
                return RedirectResponse(LOGIN, 303)
            except RefusedError as refusal:
                return _show_error(request, 403, str(refusal))
            except RequestValidationError as error:
                first = error.errors()[0]
                return _show_error(request, 422, f"{first['loc'][-1]}: {first['msg']}")
            except (ApiError, WarehouseError) as error:
                problem = explain(error)
                return _show_error(request, problem.status, problem.detail)

        return handle


def wants_json(request: Request) -> bool:
    """Return whether one of our scripts asks."""
    return request.headers.get("accept", "").startswith("application/json")


def give_json(content: Mapping[str, Any], status: int = 200) -> Response:
    """Return JSON for one of our scripts."""
    return Response(
        orjson.dumps(content), status, {"Cache-Control": "no-store"}, media_type="application/json"
    )


def _show_error(request: Request, status: int, why: str) -> Response:
    """Return the error in the frame of the page, if somebody is signed in."""
    if wants_json(request):
        return give_json({"detail": why}, status)
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    services: Services = request.app.state.services
    back = _local_path(request.headers.get("referer", ""), str(request.base_url))
    return show("error.html", status, visitor=visitor, services=services, why=why, back=back, code=status)


def _local_path(referer: str, base: str) -> str | None:
    path = referer.removeprefix(base.rstrip("/"))
    return path if path != referer and re.fullmatch(r"/dashboard[\w/.-]*", path.partition("?")[0]) else None


def show(
    template: str,
    status: int = 200,
    *,
    visitor: Visitor | None,
    services: Services,
    zone: str | None = None,
    **values: Any,  # noqa: ANN401 (what a template takes)
) -> HTMLResponse:
    """Render a page in the frame of its visitor. `zone`: another zone than the workspace's."""
    frame = None if visitor is None else build_frame(services, visitor, zone)
    clock = frame.clock if frame else None
    page = _templates.get_template(template).render(frame=frame, visitor=visitor, clock=clock, **values)
    return HTMLResponse(page, status, _HEADERS)


def render_part(template: str, name: str, **values: Any) -> str:  # noqa: ANN401 (what a macro takes)
    """Return what one macro of a template draws, for a script that puts it into a page."""
    return str(getattr(_templates.get_template(template).module, name)(**values))


def field_of(fields: dict[str, list[str]], name: str) -> str:
    """Return a form field, stripped; empty if it was not sent."""
    return fields.get(name, [""])[0].strip()
