"""The caller's own workspace: read it, set its experiments, pause all its publishing, resume."""

from fastapi import APIRouter, Response

from api.http.dependencies import Reader, ServicesDep, Writer, missing_scope
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.schemas import problems
from api.workspace.schemas import WorkspaceOut, WorkspacePatch
from warehouse.store.access import workspaces as store_workspaces
from warehouse.store.access.workspaces import get_workspace, pause_publishing, resume_publishing
from warehouse.store.models import Workspace
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.schedules.placements import PlacementPolicy, get_policy, set_policy

router = APIRouter(prefix="/workspace", tags=["Workspace"])


@router.get("", operation_id="get_workspace", responses=problems(401, 403, 422, 429))
def read_workspace(services: ServicesDep, caller: Reader) -> WorkspaceOut:
    """Read the workspace that your key belongs to."""
    with services.store.read() as session:
        return _render(get_workspace(session, caller.workspace_id), get_policy(session, caller.workspace_id))


@router.patch("", operation_id="update_workspace", responses=problems(401, 403, 413, 422, 429))
def update_workspace(body: WorkspacePatch, services: ServicesDep, caller: Writer) -> WorkspaceOut:
    """Change the workspace. Its name, zone and approval need `admin`: a writer must not switch approval off."""
    governed = body.model_fields_set & {"name", "timezone", "approval_required"}
    if governed and "admin" not in caller.scopes:
        raise missing_scope("admin", held=caller.scopes, why=f"to change {', '.join(sorted(governed))}")
    with services.store.write() as session:
        workspace = store_workspaces.update_workspace(
            session,
            caller.workspace_id,
            name=body.name,
            timezone=body.timezone,
            approval_required=body.approval_required,
        )
        policy = set_policy(
            session,
            caller.workspace_id,
            services.clock(),
            random_share=body.random_share,
            weekly_exploration=body.weekly_exploration,
        )
        return _render(workspace, policy)


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
        return make_answer(200, _render(workspace, get_policy(session, caller.workspace_id)))

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
        workspace = resume_publishing(session, caller.workspace_id)
        return make_answer(200, _render(workspace, get_policy(session, caller.workspace_id)))

    return answer_once(services, repeat, work)


def _render(workspace: Workspace, policy: PlacementPolicy) -> WorkspaceOut:
    return WorkspaceOut(
        id=workspace.id,
        name=workspace.name,
        timezone=workspace.timezone,
        publishing_paused_at=workspace.publishing_paused_at,
        approval_required=workspace.approval_required,
        random_share=policy.random_share,
        weekly_exploration=policy.weekly_exploration,
    )
