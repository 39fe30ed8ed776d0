"""Queue slot endpoints: weekly local times of an account.

`"scheduled_at": "queue"` takes the next free one.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.http.dependencies import AccountReader, ServicesDep, Writer
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.schemas import Page, problems
from api.schedules.schemas_queue import QueueSlotOut
from warehouse.scheduling import queue_slots as store_slots
from warehouse.scheduling.queue_shapes import QueueSlotCreate, QueueSlotPatch
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.schedules.queue_models import QueueSlot

router = APIRouter(prefix="/accounts/{account_id}/queue-slots", tags=["Queues"])

AccountId = Annotated[str, Path(max_length=40)]
SlotId = Annotated[str, Path(max_length=40)]


@router.get(
    "",
    operation_id="list_queue_slots",
    summary="List the queue slots of an account",
    responses=problems(401, 403, 404, 422, 429),
)
def list_queue_slots(
    account_id: AccountId, services: ServicesDep, caller: AccountReader
) -> Page[QueueSlotOut]:
    """List the account's slots in weekly order, all on one page."""
    with services.store.read() as session:
        rows = store_slots.list_slots(session, caller.workspace_id, account_id)
        data = [_render(session, row, services.clock()) for row in rows]
    return Page(data=data, has_more=False, next_cursor=None)


@router.post(
    "",
    operation_id="create_queue_slot",
    summary="Add a queue slot",
    status_code=201,
    response_model=QueueSlotOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
def create_queue_slot(
    account_id: AccountId, body: QueueSlotCreate, services: ServicesDep, caller: Writer, repeat: Repeatable
) -> Response:
    """Add a slot. An existing slot at that time is a 409 with its id."""

    def work(session: StoreSession) -> StoredAnswer:
        now = services.clock()
        row = store_slots.add_slot(session, caller.workspace_id, account_id, body.weekday, body.time, now)
        return make_answer(201, _render(session, row, now))

    return answer_once(services, repeat, work)


@router.patch(
    "/{slot_id}",
    operation_id="update_queue_slot",
    summary="Move a queue slot",
    response_model=QueueSlotOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
def update_queue_slot(
    account_id: AccountId, slot_id: SlotId, body: QueueSlotPatch, services: ServicesDep, caller: Writer
) -> Response:
    """Move a slot. Posts scheduled in it keep their time."""

    def work(session: StoreSession) -> StoredAnswer:
        row = store_slots.change_slot(
            session, caller.workspace_id, account_id, slot_id, body.weekday, body.time
        )
        return make_answer(200, _render(session, row, services.clock()))

    return answer_once(services, None, work)


@router.delete(
    "/{slot_id}",
    operation_id="delete_queue_slot",
    summary="Delete a queue slot",
    response_model=QueueSlotOut,
    responses=problems(401, 403, 404, 422, 429),
)
def delete_queue_slot(
    account_id: AccountId, slot_id: SlotId, services: ServicesDep, caller: Writer
) -> Response:
    """Delete a slot and return it. Posts scheduled in it keep their time."""

    def work(session: StoreSession) -> StoredAnswer:
        shown = _render(
            session, store_slots.get_slot(session, caller.workspace_id, account_id, slot_id), services.clock()
        )
        store_slots.remove_slot(session, caller.workspace_id, account_id, slot_id)
        return make_answer(200, shown)

    return answer_once(services, None, work)


def _render(session: StoreSession, row: QueueSlot, now: datetime) -> QueueSlotOut:
    return QueueSlotOut.model_validate(store_slots.describe_slot(session, row, now))
