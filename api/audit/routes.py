"""Read the audit log. Only administrators, only their own workspace's entries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.audit.schemas import AuditEntryOut
from api.http.dependencies import Administrator, ServicesDep
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from warehouse.scheduling.local_times import resolve_time
from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID, get_workspace, parse_timezone
from warehouse.store.audit.log import ACTIONS, describe_entry, list_entries

router = APIRouter(prefix="/audit-log", tags=["Audit log"])


@router.get(
    "", operation_id="list_audit_log", summary="List the audit log", responses=problems(401, 403, 422, 429)
)
def list_audit_log(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: Administrator,
    *,
    action: Annotated[str | None, Query(max_length=40, description=f"One of: {', '.join(ACTIONS)}.")] = None,
    actor: Annotated[str | None, Query(max_length=200, description="Id or name of who acted.")] = None,
    from_: Annotated[str | None, Query(alias="from", max_length=64, description="Included.")] = None,
    to: Annotated[str | None, Query(max_length=64, description="Excluded.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[AuditEntryOut]:
    """List who did what, when and from where, newest first.

    Failed sign-ins with keys that do not exist are shown in the installation's first workspace.
    """
    asked = {"action": action, "actor": actor, "from": from_, "to": to}
    bound_to = {"list": "audit_log", "workspace": caller.workspace_id, **asked}
    with services.store.read() as session:
        zone = parse_timezone(get_workspace(session, caller.workspace_id).timezone)
        rows = list_entries(
            session,
            caller.workspace_id,
            with_unassigned=caller.workspace_id == DEFAULT_WORKSPACE_ID,
            action=action,
            actor=actor,
            start=resolve_time(from_, zone, field="from").at if from_ else None,
            end=resolve_time(to, zone, field="to").at if to else None,
            before_id=decode_cursor(cursor, bound_to),
            limit=limit + 1,
        )
    has_more, rows = len(rows) > limit, rows[:limit]
    next_cursor = encode_cursor(rows[-1].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    entries = [AuditEntryOut.model_validate(describe_entry(row)) for row in rows]
    return Page(data=entries, has_more=has_more, next_cursor=next_cursor)
