"""Settings: the workspace, pausing, colleagues, the audit log; recurrences and webhooks are listed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.recurrences import describe_rule
from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, Visitor, VisitorDep, require_form_token
from api.http.dependencies import ServicesDep  # noqa: TC001 (FastAPI reads the annotation)
from api.http.lake_follow_up import follow_accounts
from warehouse.errors import InvalidInputError
from warehouse.planning.recurrences import list_upcoming
from warehouse.scheduling.occurrences import rule_of
from warehouse.scheduling.recurrences import list_recurrences
from warehouse.shapes import read_shape
from warehouse.store.access.api_keys import SCOPES, parse_scopes, require_grantable
from warehouse.store.access.sign_in_links import COLLEAGUE_HOURS, LONGEST_DAYS, make_colleague_link
from warehouse.store.access.workspaces import get_workspace, pause_publishing, resume_publishing
from warehouse.store.audit.log import ACTIONS, describe_entry, list_entries
from warehouse.store.leases.flow_leases import list_flow_states
from warehouse.store.publishing.heartbeats import get_publishers_state
from warehouse.store.schedules.placements import LARGEST_SHARE, get_policy
from warehouse.store.schedules.shapes import WorkspacePatch
from warehouse.store.schedules.workspace_changes import change_workspace
from warehouse.store.webhooks.endpoints import describe_endpoint, list_endpoints

if TYPE_CHECKING:
    from api.http.services import Services
    from warehouse.store.models import ApiKey

router = APIRouter(prefix="/dashboard/settings", include_in_schema=False, route_class=DashboardRoute)

Id = Annotated[str, Path(max_length=40)]
_SHOWN = 50
_BACK = "/dashboard/settings"


@router.get("")
def show_settings(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show what this visitor may see and change of the workspace."""
    return _show(services, visitor)


def _show(services: Services, visitor: Visitor, made: tuple[str, ApiKey] | None = None) -> HTMLResponse:
    now, workspace_id = services.clock(), visitor.key.workspace_id
    with services.store.read() as session:
        workspace = get_workspace(session, workspace_id)
        policy = get_policy(session, workspace_id)
        rules = []
        for row in list_recurrences(session, workspace_id, limit=_SHOWN)[0]:
            upcoming, _ended = list_upcoming(rule_of(row), now, 3)
            rules.append((row, describe_rule(row), [one.scheduled_at for one in upcoming]))
        hooks = []
        if "admin" in visitor.scopes:
            hooks = [describe_endpoint(row, now) for row in list_endpoints(session, workspace_id)]
        publishers = get_publishers_state(session, now)
        flows = list_flow_states(session)
    return show(
        "settings.html",
        visitor=visitor,
        services=services,
        workspace=workspace,
        policy=policy,
        most_random=round(LARGEST_SHARE * 100),
        rules=rules,
        hooks=hooks,
        publishers=publishers,
        flows=flows,
        scopes=[scope for scope in SCOPES if scope in visitor.scopes],
        made=made,
        hours=COLLEAGUE_HOURS,
        longest=LONGEST_DAYS,
    )


@router.post("")
def change(
    services: ServicesDep, visitor: VisitorDep, fields: FieldsDep, background: BackgroundTasks
) -> RedirectResponse:
    """Change name, time zone and approval of the workspace, or its test of the advice."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    wanted: dict[str, object] = {
        name: field_of(fields, name) for name in ("name", "timezone") if field_of(fields, name)
    }
    if "approval_shown" in fields:
        wanted["approval_required"] = "approval_required" in fields
    if "random_percent" in fields:
        percent = field_of(fields, "random_percent")
        most = round(LARGEST_SHARE * 100)
        if not re.fullmatch(r"[0-9]{1,3}", percent) or int(percent) > most:
            raise InvalidInputError(
                f"random_percent: give a whole number from 0 (no test) to {most}", field="random_percent"
            )
        wanted |= {"random_share": int(percent) / 100, "weekly_exploration": "weekly_exploration" in fields}
    patch = read_shape(WorkspacePatch, wanted)
    with services.store.write() as session:
        change_workspace(session, visitor.key.workspace_id, patch, services.clock())
    if "timezone" in wanted:
        background.add_task(follow_accounts, services)
    return RedirectResponse("/dashboard" if "first" in fields else _BACK, 303)


@router.post("/pause")
def pause(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> RedirectResponse:
    """Pause all publishing of the workspace."""
    require_form_token(fields, visitor)
    visitor.require("write")
    with services.store.write() as session:
        pause_publishing(session, visitor.key.workspace_id, services.clock())
    return RedirectResponse(_BACK, 303)


@router.post("/resume")
def resume(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> RedirectResponse:
    """Resume publishing."""
    require_form_token(fields, visitor)
    visitor.require("write")
    with services.store.write() as session:
        resume_publishing(session, visitor.key.workspace_id, services.clock())
    return RedirectResponse(_BACK, 303)


@router.post("/links")
def make_link(
    request: Request, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> HTMLResponse:
    """Make a sign-in link for a colleague and show it once."""
    require_form_token(fields, visitor)
    visitor.require("admin")
    days = field_of(fields, "days")
    if not re.fullmatch(r"[0-9]{1,3}", days):
        raise InvalidInputError(f"days: a colleague is signed in for 1 to {LONGEST_DAYS} days", field="days")
    now = services.clock()
    scopes = parse_scopes(fields.get("scope", []))
    with services.store.write() as session:
        ends = now + timedelta(days=int(days))
        require_grantable(visitor.key, visitor.scopes, scopes, ends)
        path, key = make_colleague_link(
            session,
            services.store.cipher,
            visitor.key.workspace_id,
            name=field_of(fields, "name")[:200],
            scopes=scopes,
            days=int(days),
            now=now,
        )
    base = services.settings.public_url or str(request.base_url)
    return _show(services, visitor, (f"{base.rstrip('/')}{path}", key))


@router.get("/audit")
def show_audit(
    services: ServicesDep,
    visitor: VisitorDep,
    *,
    action: Annotated[str, Query(max_length=60)] = "",
    before: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """Show who did what."""
    visitor.require("admin")
    if action and action not in ACTIONS:
        raise InvalidInputError("action: choose one from the list", field="action")
    with services.store.read() as session:
        rows = list_entries(
            session,
            visitor.key.workspace_id,
            action=action or None,
            before_id=before or None,
            limit=_SHOWN + 1,
        )
        entries = [describe_entry(row) for row in rows[:_SHOWN]]
    return show(
        "audit.html",
        visitor=visitor,
        services=services,
        entries=entries,
        more=len(rows) > _SHOWN,
        action=action,
        actions=ACTIONS,
    )
