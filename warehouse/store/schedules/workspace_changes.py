"""A workspace together with its placement policy, which all interfaces show and change as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.store.access.workspaces import update_workspace
from warehouse.store.schedules.placements import get_policy, set_policy

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import Workspace
    from warehouse.store.schedules.shapes import WorkspacePatch


def change_workspace(session: Session, workspace_id: str, change: WorkspacePatch, now: datetime) -> Workspace:
    """Change the given fields. Raises InvalidInputError, NotFoundError."""
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
    return workspace


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
