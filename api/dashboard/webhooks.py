"""Webhooks: the form for a new one or a changed one, pause, new secret, deliveries, a test event and replays."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import (
    FieldsDep,
    RefusedError,
    Visitor,
    VisitorDep,
    require_confirmation,
    require_form_token,
)
from api.http.dependencies import ServicesDep  # noqa: TC001 (FastAPI reads the annotation)
from api.http.errors import ApiError, explain
from api.http.idempotency import answer_once, identify_content, make_answer
from api.webhooks.routes import check_url
from api.webhooks.schemas import WebhookWithSecret
from api.webhooks.views import render_webhook
from warehouse.errors import WarehouseError
from warehouse.shapes import read_shape
from warehouse.store.webhooks.deliveries import (
    describe_delivery,
    get_delivery,
    list_deliveries,
    replay_deliveries,
    send_test_event,
)
from warehouse.store.webhooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    describe_endpoint,
    get_endpoint,
    rotate_secret,
)
from warehouse.store.webhooks.shapes import EventType, WebhookCreate, WebhookPatch

if TYPE_CHECKING:
    from api.http.services import Services
    from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
    from warehouse.store.webhooks.endpoints import CreatedEndpoint
    from warehouse.store.webhooks.models import WebhookEndpoint

router = APIRouter(prefix="/dashboard/settings/webhooks", include_in_schema=False, route_class=DashboardRoute)

Id = Annotated[str, Path(max_length=40)]
_SHOWN = 50
_BACK = "/dashboard/settings/webhooks"


@router.get("/new")
def ask_for_webhook(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the form for a new webhook."""
    visitor.require("admin")
    return _show_form(services, visitor, {}, None)


@router.post("/new")
async def make_webhook(
    request: Request, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> Response:
    """Save the webhook and show its secret once, or show the form again with what is wrong."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    try:
        wish = read_shape(
            WebhookCreate,
            {
                "url": field_of(fields, "url"),
                "events": fields.get("event", []),
                "description": field_of(fields, "description"),
            },
        )
        url = await check_url(services, wish.url)
        made = await asyncio.to_thread(_make, request, services, visitor, fields, wish, url)
    except (ApiError, WarehouseError) as error:
        return await asyncio.to_thread(_show_form, services, visitor, fields, explain(error))
    return await asyncio.to_thread(_show_made, services, visitor, made)


def _make(  # noqa: PLR0917 (a request and what was read from it)
    request: Request,
    services: Services,
    visitor: Visitor,
    fields: dict[str, list[str]],
    wish: WebhookCreate,
    url: str,
) -> CreatedEndpoint | None:
    """Return the new webhook; None = the same form was sent before (double click, reload)."""
    now = services.clock()
    made: list[CreatedEndpoint] = []

    def work(session: StoreSession) -> StoredAnswer:
        one = create_endpoint(
            session,
            services.store.cipher,
            visitor.key.workspace_id,
            url=url,
            events=wish.events,
            description=wish.description,
            now=now,
        )
        made.append(one)
        return make_answer(201, WebhookWithSecret(**render_webhook(one.row, now).model_dump(), secret=None))

    repeat = identify_content(
        request, visitor.caller, field_of(fields, "form") or None, repr(sorted(fields.items()))
    )
    answer_once(services, repeat, work)
    return made[0] if made else None


def _show_form(
    services: Services,
    visitor: Visitor,
    given: dict[str, list[str]],
    problem: ApiError | None,
    row: WebhookEndpoint | None = None,
) -> HTMLResponse:
    return show(
        "new_webhook.html",
        problem.status if problem else 200,
        visitor=visitor,
        services=services,
        given=given,
        problem=problem,
        events=get_args(EventType),
        form=secrets.token_urlsafe(16),
        made=None,
        again=False,
        row=row,
    )


def _show_made(
    services: Services, visitor: Visitor, made: CreatedEndpoint | None, *, is_new: bool = True
) -> HTMLResponse:
    again = made is None
    return show(
        "new_webhook.html",
        visitor=visitor,
        services=services,
        made=made,
        again=again,
        is_new=is_new,
        row=None,
    )


@router.get("/{webhook_id}/edit")
def ask_for_change(webhook_id: Id, services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the form with a webhook."""
    visitor.require("admin")
    with services.store.read() as session:
        row = get_endpoint(session, visitor.key.workspace_id, webhook_id)
    given = {"url": [row.url], "event": list(row.events), "description": [row.description]}
    return _show_form(services, visitor, given | {"version": [str(row.version)]}, None, row)


@router.post("/{webhook_id}/edit")
async def change_webhook(
    webhook_id: Id, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> Response:
    """Change address, events and description, or show the form again with what is wrong."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    version = field_of(fields, "version")
    if not re.fullmatch(r"[0-9]{1,9}", version):
        raise RefusedError("Send the form as the page shows it: reload the page.")
    row = await asyncio.to_thread(_get, services, visitor, webhook_id)
    values = {"url": field_of(fields, "url"), "events": fields.get("event", [])}
    try:
        wish = read_shape(WebhookPatch, values | {"description": field_of(fields, "description")})
        # An address that is kept is not looked up again: its server may be down just now.
        url = row.url if wish.url in {None, row.url} else await check_url(services, wish.url or "")

        def save() -> None:
            with services.store.write() as session:
                stored = get_endpoint(session, visitor.key.workspace_id, webhook_id, lock=True)
                change_endpoint(
                    session,
                    stored,
                    services.clock(),
                    url=url,
                    events=wish.events,
                    description=wish.description,
                    expected_version=int(version),
                )

        await asyncio.to_thread(save)
    except (ApiError, WarehouseError) as error:
        return await asyncio.to_thread(_show_form, services, visitor, fields, explain(error), row)
    return RedirectResponse(f"{_BACK}/{webhook_id}", 303)


@router.post("/{webhook_id}/delete")
def drop_webhook(
    webhook_id: Id, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Delete a webhook with its log; the box of the form must be ticked."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    require_confirmation(fields, "the webhook is deleted")
    with services.store.write() as session:
        delete_endpoint(session, visitor.key.workspace_id, webhook_id, services.clock())
    return RedirectResponse("/dashboard/settings#webhooks", 303)


@router.post("/{webhook_id}/rotate")
def rotate(webhook_id: Id, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> HTMLResponse:
    """Make a new secret and show it once; the old one also signs for a day."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    with services.store.write() as session:
        row = get_endpoint(session, visitor.key.workspace_id, webhook_id, lock=True)
        made = rotate_secret(session, services.store.cipher, row, services.clock())
    return _show_made(services, visitor, made, is_new=False)


def _get(services: Services, visitor: Visitor, webhook_id: str) -> WebhookEndpoint:
    with services.store.read() as session:
        return get_endpoint(session, visitor.key.workspace_id, webhook_id)


@router.get("/{webhook_id}")
def show_webhook(webhook_id: Id, services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the deliveries of a webhook."""
    visitor.require("admin")
    with services.store.read() as session:
        endpoint = get_endpoint(session, visitor.key.workspace_id, webhook_id)
        rows, more = list_deliveries(session, visitor.key.workspace_id, webhook_id, limit=_SHOWN)
        shown = describe_endpoint(endpoint, services.clock())
        deliveries = [describe_delivery(row, event) for row, event in rows]
    return show(
        "webhook.html", visitor=visitor, services=services, hook=shown, deliveries=deliveries, more=more
    )


@router.post("/{webhook_id}/test")
def test_webhook(
    webhook_id: Id, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Send a test event."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    with services.store.write() as session:
        endpoint = get_endpoint(session, visitor.key.workspace_id, webhook_id, lock=True)
        send_test_event(session, endpoint, services.clock())
    return RedirectResponse(f"{_BACK}/{webhook_id}", 303)


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay")
def replay(
    webhook_id: Id, delivery_id: Id, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Send one delivery again."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    with services.store.write() as session:
        endpoint = get_endpoint(session, visitor.key.workspace_id, webhook_id, lock=True)
        get_delivery(session, visitor.key.workspace_id, webhook_id, delivery_id)
        replay_deliveries(session, endpoint, services.clock(), delivery_id=delivery_id)
    return RedirectResponse(f"{_BACK}/{webhook_id}", 303)


@router.post("/{webhook_id}/{act}")
def switch_webhook(
    webhook_id: Id,
    act: Literal["pause", "resume"],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> RedirectResponse:
    """Keep events without sending them, or send them again."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    with services.store.write() as session:
        row = get_endpoint(session, visitor.key.workspace_id, webhook_id, lock=True)
        change_endpoint(session, row, services.clock(), enabled=act == "resume")
    return RedirectResponse(f"{_BACK}/{webhook_id}", 303)
