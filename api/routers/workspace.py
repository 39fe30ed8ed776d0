"""The caller's own workspace: read it, pause all its publishing, resume."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.dependencies import Reader, ServicesDep, Writer
from api.idempotency import IdempotencyKeyHeader, answer_once, identify_request, make_answer
from api.schemas_common import problems
from api.schemas_workspace import WorkspaceOut
from warehouse.store.idempotency import RepeatableRequest, StoredAnswer, StoreSession
from warehouse.store.models import Workspace
from warehouse.store.workspaces import get_workspace, pause_publishing, resume_publishing

router = APIRouter(prefix="/workspace", tags=["Workspace"])


async def repeatable(
    request: Request, caller: Writer, idempotency_key: IdempotencyKeyHeader = None
) -> RepeatableRequest | None:
    """Return what makes this POST repeatable, from its Idempotency-Key."""
    return await identify_request(request, caller, idempotency_key)


Repeatable = Annotated[RepeatableRequest | None, Depends(repeatable)]


@router.get("", operation_id="get_workspace", responses=problems(401, 403, 422, 429))
def read_workspace(services: ServicesDep, caller: Reader) -> WorkspaceOut:
    """Read the workspace that your key belongs to."""
    with services.store.read() as session:
        return _render(get_workspace(session, caller.workspace_id))


@router.post(
    "/pause",
    operation_id="pause_workspace",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 409, 422, 429),
)
def pause_workspace(services: ServicesDep, caller: Writer, repeat: Repeatable) -> Response:
    """Hold back everything of the workspace that has not been sent, until it is resumed."""

    def work(session: StoreSession) -> StoredAnswer:
        workspace = pause_publishing(session, caller.workspace_id, services.clock())
        return make_answer(200, _render(workspace))

    return answer_once(services, repeat, work)


@router.post(
    "/resume",
    operation_id="resume_workspace",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 409, 422, 429),
)
def resume_workspace(services: ServicesDep, caller: Writer, repeat: Repeatable) -> Response:
    """Let the workspace's posts go out again; what became too late waits for a decision."""

    def work(session: StoreSession) -> StoredAnswer:
        return make_answer(200, _render(resume_publishing(session, caller.workspace_id)))

    return answer_once(services, repeat, work)


def _render(workspace: Workspace) -> WorkspaceOut:
    return WorkspaceOut(
        id=workspace.id,
        name=workspace.name,
        timezone=workspace.timezone,
        publishing_paused_at=workspace.publishing_paused_at,
    )
