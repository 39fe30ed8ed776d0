"""Dashboard session endpoints: list, end. Administrators only, within their own workspace."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.auth.schemas_sessions import SessionOut
from api.http.dependencies import Administrator, ServicesDep
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from warehouse.store.access import sessions as store_sessions

router = APIRouter(prefix="/sessions", tags=["API keys"])

SessionId = Annotated[str, Path(max_length=40)]


@router.get(
    "",
    operation_id="list_sessions",
    summary="List dashboard sessions",
    responses=problems(401, 403, 422, 429),
)
def list_sessions(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: Administrator,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[SessionOut]:
    """List the browsers that are signed in to the dashboard of this workspace, newest first."""
    bound_to = {"list": "sessions", "workspace": caller.workspace_id}
    with services.store.read() as session:
        rows = store_sessions.list_sessions(
            session,
            caller.workspace_id,
            services.clock(),
            before_id=decode_cursor(cursor, bound_to),
            limit=limit + 1,
        )
    has_more, rows = len(rows) > limit, rows[:limit]
    next_cursor = encode_cursor(rows[-1].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    data = [SessionOut.model_validate(row._asdict()) for row in rows]
    return Page(data=data, has_more=has_more, next_cursor=next_cursor)


@router.delete(
    "/{session_id}",
    operation_id="end_session",
    summary="End a dashboard session",
    status_code=204,
    responses=problems(401, 403, 404, 422, 429),
)
def end_session(session_id: SessionId, services: ServicesDep, caller: Administrator) -> None:
    """End a session: the browser is signed out with its next request."""
    with services.store.write() as session:
        store_sessions.end_session(session, caller.workspace_id, session_id, services.clock())
