"""Endpoints of the caller's workspace: read, change, pause and resume publishing."""

from fastapi import APIRouter, BackgroundTasks, Response

from api.http.dependencies import Reader, ServicesDep, Writer, missing_scope
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.lake_follow_up import follow_accounts
from api.http.schemas import problems
from api.workspace.schemas import WorkspaceOut
from warehouse.store.access.workspaces import get_workspace, pause_publishing, resume_publishing
from warehouse.store.models import Workspace
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.schedules.shapes import WorkspacePatch
from warehouse.store.schedules.workspace_changes import change_workspace, describe_workspace

router = APIRouter(prefix="/workspace", tags=["Workspace"])


@router.get(
    "", operation_id="get_workspace", summary="Get the workspace", responses=problems(401, 403, 422, 429)
)
def read_workspace(services: ServicesDep, caller: Reader) -> WorkspaceOut:
    """Get the workspace of your key."""
    with services.store.read() as session:
        return _render(session, get_workspace(session, caller.workspace_id))


@router.patch(
    "",
    operation_id="update_workspace",
    summary="Change the workspace",
    responses=problems(401, 403, 413, 422, 429),
)
def update_workspace(
    body: WorkspacePatch, services: ServicesDep, caller: Writer, background: BackgroundTasks
) -> WorkspaceOut:
    """Change the workspace. Slots and posting times of accounts without a time zone of their own follow its zone.

    Name, time zone and approval need `admin`, so that a writer cannot turn approval off.
    """
    governed = body.model_fields_set & {"name", "timezone", "approval_required"}
    if governed and "admin" not in caller.scopes:
        raise missing_scope("admin", held=caller.scopes, why=f"to change {', '.join(sorted(governed))}")
    with services.store.write() as session:
        workspace = change_workspace(session, caller.workspace_id, body, services.clock())
        if "timezone" in body.model_fields_set:
            background.add_task(follow_accounts, services)
        return _render(session, workspace)


@router.post(
    "/pause",
    operation_id="pause_workspace",
    summary="Pause all publishing",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 409, 422, 429),
)
def pause_workspace(services: ServicesDep, caller: Writer, repeat: Repeatable) -> Response:
    """Pause publishing: nothing unsent in the workspace is sent until it is resumed."""

    def work(session: StoreSession) -> StoredAnswer:
        workspace = pause_publishing(session, caller.workspace_id, services.clock())
        return make_answer(200, _render(session, workspace))

    return answer_once(services, repeat, work)


@router.post(
    "/resume",
    operation_id="resume_workspace",
    summary="Resume publishing",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 409, 422, 429),
)
def resume_workspace(services: ServicesDep, caller: Writer, repeat: Repeatable) -> Response:
    """Resume publishing; posts that are too late by then wait for a decision."""

    def work(session: StoreSession) -> StoredAnswer:
        workspace = resume_publishing(session, caller.workspace_id, services.clock())
        return make_answer(200, _render(session, workspace))

    return answer_once(services, repeat, work)


def _render(session: StoreSession, workspace: Workspace) -> WorkspaceOut:
    return WorkspaceOut.model_validate(describe_workspace(session, workspace))
