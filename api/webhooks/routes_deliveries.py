"""Endpoints of the webhook delivery log and of replays."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.http.dependencies import Administrator, ServicesDep
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from api.webhooks.routes import WebhookId
from api.webhooks.schemas import DeliveryDetail, DeliveryOut, ReplayOut
from api.webhooks.views import render_delivery, render_delivery_detail
from warehouse.scheduling.local_times import resolve_time
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.webhooks.deliveries import get_delivery, list_deliveries, replay_deliveries
from warehouse.store.webhooks.endpoints import get_endpoint
from warehouse.store.webhooks.shapes import DeliveryStatus, ReplayRequest

router = APIRouter(prefix="/webhooks/{webhook_id}", tags=["Webhooks"])

DeliveryId = Annotated[str, Path(max_length=40)]


@router.get(
    "/deliveries",
    operation_id="list_webhook_deliveries",
    summary="List the deliveries of a webhook",
    responses=problems(401, 403, 404, 422, 429),
)
def list_webhook_deliveries(
    request: Request,
    response: Response,
    webhook_id: WebhookId,
    services: ServicesDep,
    caller: Administrator,
    *,
    status: Annotated[DeliveryStatus | None, Query(description="Only deliveries with this status.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[DeliveryOut]:
    """List the pending, delivered and exhausted deliveries of a webhook, newest first; kept for 30 days."""
    bound_to = {"list": "deliveries", "webhook": webhook_id, "status": status}
    with services.store.read() as session:
        get_endpoint(session, caller.workspace_id, webhook_id)
        rows, has_more = list_deliveries(
            session,
            caller.workspace_id,
            webhook_id,
            status=status,
            before_id=decode_cursor(cursor, bound_to),
            limit=limit,
        )
    next_cursor = encode_cursor(rows[-1][0].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    data = [render_delivery(row, event) for row, event in rows]
    return Page(data=data, has_more=has_more, next_cursor=next_cursor)


@router.get(
    "/deliveries/{delivery_id}",
    operation_id="get_webhook_delivery",
    summary="Get a delivery of a webhook",
    responses=problems(401, 403, 404, 422, 429),
)
def read_webhook_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, services: ServicesDep, caller: Administrator
) -> DeliveryDetail:
    """Get a delivery: its attempts, the last response and the payload."""
    with services.store.read() as session:
        get_endpoint(session, caller.workspace_id, webhook_id)
        return render_delivery_detail(*get_delivery(session, caller.workspace_id, webhook_id, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/replay",
    operation_id="replay_webhook_delivery",
    summary="Send one delivery again",
    status_code=202,
    response_model=DeliveryOut,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def replay_webhook_delivery(
    webhook_id: WebhookId,
    delivery_id: DeliveryId,
    services: ServicesDep,
    caller: Administrator,
    repeat: Repeatable,
) -> Response:
    """Send one event again under the same `webhook-id`.

    A delivery that is being sent right now is skipped.
    """

    def work(session: StoreSession) -> StoredAnswer:
        endpoint = get_endpoint(session, caller.workspace_id, webhook_id, lock=True)
        get_delivery(session, caller.workspace_id, webhook_id, delivery_id)
        replay_deliveries(session, endpoint, services.clock(), delivery_id=delivery_id)
        return make_answer(
            202, render_delivery(*get_delivery(session, caller.workspace_id, webhook_id, delivery_id))
        )

    return answer_once(services, repeat, work)


@router.post(
    "/replay",
    operation_id="replay_webhook_deliveries",
    summary="Send all deliveries since a time again",
    status_code=202,
    response_model=ReplayOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
def replay_webhook_deliveries(
    webhook_id: WebhookId,
    body: ReplayRequest,
    services: ServicesDep,
    caller: Administrator,
    repeat: Repeatable,
) -> Response:
    """Send all events since a time again, each under its own `webhook-id`."""

    def work(session: StoreSession) -> StoredAnswer:
        endpoint = get_endpoint(session, caller.workspace_id, webhook_id, lock=True)
        zone = parse_timezone(get_workspace(session, caller.workspace_id).timezone)
        since = resolve_time(body.since, zone, field="since").at
        replayed = replay_deliveries(
            session, endpoint, services.clock(), since=since, only_undelivered=body.only_undelivered
        )
        return make_answer(202, ReplayOut(replayed=replayed))

    return answer_once(services, repeat, work)
