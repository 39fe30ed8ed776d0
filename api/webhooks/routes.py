"""Webhook endpoints. Administrators only: a webhook receives events of every account."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.http.dependencies import Administrator, IfMatch, ServicesDep, parse_if_match, version_etag
from api.http.errors import problem_at
from api.http.idempotency import Repeatable, answer_once, make_answer, render_answer
from api.http.schemas import Page, problems
from api.http.services import Services
from api.webhooks.schemas import DeliveryOut, WebhookOut, WebhookWithSecret
from api.webhooks.views import render_delivery, render_webhook
from connectors.errors import GiveUpError
from connectors.webhooks.sender import check_webhook_url
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.webhooks import deliveries as store_deliveries
from warehouse.store.webhooks.endpoints import (
    CreatedEndpoint,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    get_endpoint,
    list_endpoints,
    rotate_secret,
)
from warehouse.store.webhooks.shapes import WebhookCreate, WebhookPatch

router = APIRouter(prefix="/webhooks", tags=["Webhooks"])

WebhookId = Annotated[str, Path(max_length=40)]


@router.post(
    "",
    operation_id="create_webhook",
    summary="Create a webhook",
    status_code=201,
    response_model=WebhookWithSecret,
    responses=problems(401, 403, 409, 413, 422, 429),
)
async def create_webhook(
    body: WebhookCreate, services: ServicesDep, caller: Administrator, repeat: Repeatable
) -> Response:
    """Create a webhook. `secret` is returned only in this response; verify each delivery with it."""
    url = await check_url(services, body.url)
    now = services.clock()
    shown: list[CreatedEndpoint] = []

    def work(session: StoreSession) -> StoredAnswer:
        made = create_endpoint(
            session,
            services.store.cipher,
            caller.workspace_id,
            url=url,
            events=body.events,
            description=body.description,
            now=now,
        )
        shown.append(made)
        headers = {"Location": f"/api/v1/webhooks/{made.row.id}", "ETag": version_etag(made.row.version)}
        return make_answer(
            201, WebhookWithSecret(**render_webhook(made.row, now).model_dump(), secret=None), headers
        )

    kept = await asyncio.to_thread(answer_once, services, repeat, work)
    return _show_secret(services, shown, 201) or kept


@router.get("", operation_id="list_webhooks", summary="List webhooks", responses=problems(401, 403, 422, 429))
def list_webhooks(services: ServicesDep, caller: Administrator) -> Page[WebhookOut]:
    """List the webhooks, oldest first, all on one page. Secrets are not returned."""
    now = services.clock()
    with services.store.read() as session:
        rows = list_endpoints(session, caller.workspace_id)
    return Page(data=[render_webhook(row, now) for row in rows], has_more=False, next_cursor=None)


@router.get(
    "/{webhook_id}",
    operation_id="get_webhook",
    summary="Get a webhook",
    responses=problems(401, 403, 404, 422, 429),
)
def read_webhook(
    webhook_id: WebhookId, response: Response, services: ServicesDep, caller: Administrator
) -> WebhookOut:
    """Read one webhook."""
    with services.store.read() as session:
        row = get_endpoint(session, caller.workspace_id, webhook_id)
    response.headers["ETag"] = version_etag(row.version)
    return render_webhook(row, services.clock())


@router.patch(
    "/{webhook_id}",
    operation_id="update_webhook",
    summary="Change a webhook",
    responses=problems(401, 403, 404, 412, 413, 422, 429),
)
async def update_webhook(
    webhook_id: WebhookId,
    body: WebhookPatch,
    response: Response,
    services: ServicesDep,
    caller: Administrator,
    *,
    if_match: IfMatch = None,
) -> WebhookOut:
    """Change the given fields. `enabled: true` enables a disabled webhook and sends its pending events."""
    expected_version = parse_if_match(if_match)
    # Check that the webhook exists before validating the new address.
    await asyncio.to_thread(read_webhook, webhook_id, response, services, caller)
    url = None if body.url is None else await check_url(services, body.url)

    def work() -> WebhookOut:
        now = services.clock()
        with services.store.write() as session:
            row = get_endpoint(session, caller.workspace_id, webhook_id, lock=True)
            change_endpoint(
                session,
                row,
                now,
                url=url,
                events=body.events,
                description=body.description,
                enabled=body.enabled,
                expected_version=expected_version,
            )
        response.headers["ETag"] = version_etag(row.version)
        return render_webhook(row, now)

    return await asyncio.to_thread(work)


@router.delete(
    "/{webhook_id}",
    operation_id="delete_webhook",
    summary="Delete a webhook",
    status_code=204,
    responses=problems(401, 403, 404, 412, 422, 429),
)
def delete_webhook(
    webhook_id: WebhookId, services: ServicesDep, caller: Administrator, *, if_match: IfMatch = None
) -> None:
    """Delete a webhook with its log and its pending deliveries."""
    expected_version = parse_if_match(if_match)
    with services.store.write() as session:
        delete_endpoint(
            session, caller.workspace_id, webhook_id, services.clock(), expected_version=expected_version
        )


@router.post(
    "/{webhook_id}/rotate",
    operation_id="rotate_webhook_secret",
    summary="Rotate the secret of a webhook",
    response_model=WebhookWithSecret,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def rotate_webhook_secret(
    webhook_id: WebhookId, services: ServicesDep, caller: Administrator, repeat: Repeatable
) -> Response:
    """Create a new secret, returned only in this response.

    For 24 hours deliveries are also signed with the old one.
    """
    now = services.clock()
    shown: list[CreatedEndpoint] = []

    def work(session: StoreSession) -> StoredAnswer:
        row = get_endpoint(session, caller.workspace_id, webhook_id, lock=True)
        shown.append(rotate_secret(session, services.store.cipher, row, now))
        kept = WebhookWithSecret(**render_webhook(row, now).model_dump(), secret=None)
        return make_answer(200, kept, {"ETag": version_etag(row.version)})

    kept = answer_once(services, repeat, work)
    return _show_secret(services, shown, 200) or kept


@router.post(
    "/{webhook_id}/test",
    operation_id="send_test_event",
    summary="Send a test event to a webhook",
    status_code=202,
    response_model=DeliveryOut,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def send_test_event(
    webhook_id: WebhookId, services: ServicesDep, caller: Administrator, repeat: Repeatable
) -> Response:
    """Send a `webhook.test` event like any other event; the delivery log shows the result."""

    def work(session: StoreSession) -> StoredAnswer:
        row = get_endpoint(session, caller.workspace_id, webhook_id, lock=True)
        return make_answer(
            202, render_delivery(*store_deliveries.send_test_event(session, row, services.clock()))
        )

    return answer_once(services, repeat, work)


async def check_url(services: Services, url: str) -> str:
    """Return the URL if events may be sent to it. Raises ApiError 422."""
    try:
        return await check_webhook_url(url, services.webhooks)
    except GiveUpError as error:
        raise problem_at("/url", "webhook_url_refused", error.message) from None


def _show_secret(services: Services, shown: list[CreatedEndpoint], status: int) -> Response | None:
    """Return the full response to the first request; the stored copy for repeats contains no secret."""
    if not shown:
        return None
    made = shown[0]
    whole = WebhookWithSecret(**render_webhook(made.row, services.clock()).model_dump(), secret=made.secret)
    headers = {"Cache-Control": "no-store", "ETag": version_etag(made.row.version)}
    if status == 201:
        headers["Location"] = f"/api/v1/webhooks/{made.row.id}"
    return render_answer(make_answer(status, whole, headers))
