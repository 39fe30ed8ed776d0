"""A workspace together with its placement policy, which all interfaces show and change as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.store.access.workspaces import get_workspace, update_workspace
from warehouse.store.audit.log import record
from warehouse.store.schedules.placements import get_policy, set_policy

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import Workspace
    from warehouse.store.schedules.shapes import WorkspacePatch


def change_workspace(session: Session, workspace_id: str, change: WorkspacePatch, now: datetime) -> Workspace:
    """Change the fields that are given. Raises InvalidInputError, NotFoundError."""
    before = _settings(session, get_workspace(session, workspace_id))
    workspace = update_workspace(
        session,
        workspace_id,
        name=change.name,
        timezone=change.timezone,
        approval_required=change.approval_required,
    )
    set_policy(
        session,
        workspace_id,
        now,
        random_share=change.random_share,
        weekly_exploration=change.weekly_exploration,
    )
    after = _settings(session, workspace)
    changed = {
        name: {"before": before[name], "after": value}
        for name, value in after.items()
        if before[name] != value
    }
    record(session, "workspace_changed", workspace_id, now, workspace_id, changed)
    return workspace


def _settings(session: Session, workspace: Workspace) -> dict[str, Any]:
    """Return what `change_workspace` can change."""
    shown = describe_workspace(session, workspace)
    return {name: shown[name] for name in shown if name not in {"id", "publishing_paused_at"}}


def describe_workspace(session: Session, workspace: Workspace) -> dict[str, Any]:
    """Return a workspace as all interfaces show it."""
    policy = get_policy(session, workspace.id)
    return {
        "id": workspace.id,
        "name": workspace.name,
        "timezone": workspace.timezone,
        "publishing_paused_at": workspace.publishing_paused_at,
        "approval_required": workspace.approval_required,
        "random_share": policy.random_share,
        "weekly_exploration": policy.weekly_exploration,
    }
