"""Workspaces: the tenants. A fresh installation has one, made on first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import bindparam, select

from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.models import Workspace

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

DEFAULT_WORKSPACE_ID = "ws_default"
"""Fixed, so that two first runs at once make the same row instead of two."""


class WorkspaceSettings(NamedTuple):
    """What decides about a new post, beside what its request says."""

    timezone: str
    approval_required: bool


_SETTINGS_OF = "workspace_settings"
# Kept: building a statement and the key of its compiled form takes longer than running it.
_SETTINGS = select(*(Workspace.__table__.c[name] for name in WorkspaceSettings._fields)).where(
    Workspace.__table__.c.id == bindparam("workspace_id")
)


def ensure_default_workspace(session: Session, now: datetime) -> Workspace:
    """Return the installation's first workspace, made where there is none yet (needs a write session)."""
    known = session.get(Workspace, DEFAULT_WORKSPACE_ID)
    if known is not None:
        return known
    workspace = Workspace(id=DEFAULT_WORKSPACE_ID, name="Default", timezone="UTC", created_at=now)
    session.add(workspace)
    session.flush()
    return workspace


def create_workspace(
    session: Session, *, name: str, timezone: str = "UTC", now: datetime, workspace_id: str | None = None
) -> Workspace:
    """Add a workspace, with an id of its own unless one is given.

    Raises InvalidInputError: no name, an unknown time zone.
    """
    parse_timezone(timezone)
    if not name.strip():
        raise InvalidInputError("a workspace needs a name, so that it can be told from others", field="name")
    workspace = Workspace(
        id=workspace_id or new_id("ws"), name=name.strip(), timezone=timezone, created_at=now
    )
    session.add(workspace)
    session.flush()
    detail = {"name": workspace.name, "timezone": timezone}
    record(session, "workspace_created", workspace.id, now, workspace.id, detail)
    return workspace


def get_workspace(session: Session, workspace_id: str) -> Workspace:
    """Return the workspace. Raises NotFoundError."""
    workspace = session.get(Workspace, workspace_id)
    if workspace is None:
        raise _not_found(workspace_id)
    return workspace


def read_settings(session: Session, workspace_id: str) -> WorkspaceSettings:
    """Return what a post's planning asks of its workspace, read once in a session. Raises NotFoundError."""
    known: WorkspaceSettings | None = session.info.get((_SETTINGS_OF, workspace_id))
    if known is None:
        session.flush()
        row = session.connection().execute(_SETTINGS, {"workspace_id": workspace_id}).one_or_none()
        if row is None:
            raise _not_found(workspace_id)
        known = session.info[_SETTINGS_OF, workspace_id] = WorkspaceSettings._make(row)
    return known


def list_workspaces(session: Session) -> list[Workspace]:
    """Return all workspaces, oldest first."""
    return list(session.scalars(select(Workspace).order_by(Workspace.created_at, Workspace.id)))


def update_workspace(
    session: Session,
    workspace_id: str,
    *,
    name: str | None = None,
    timezone: str | None = None,
    approval_required: bool | None = None,
) -> Workspace:
    """Change what is given. A post that waits for approval goes on waiting where approval is switched off.

    Raises InvalidInputError: no name, an unknown time zone.
    """
    workspace = get_workspace(session, workspace_id)
    session.info.pop((_SETTINGS_OF, workspace_id), None)
    if name is not None:
        if not name.strip():
            raise InvalidInputError(
                "a workspace needs a name, so that it can be told from others", field="name"
            )
        workspace.name = name.strip()
    if timezone is not None:
        parse_timezone(timezone)
        workspace.timezone = timezone
    if approval_required is not None:
        workspace.approval_required = approval_required
    return workspace


def _not_found(workspace_id: str) -> NotFoundError:
    return NotFoundError(f"no workspace {workspace_id}: `socialflow workspaces list` shows what there is")


def pause_publishing(session: Session, workspace_id: str, now: datetime) -> Workspace:
    """Send nothing of this workspace until it is resumed. An earlier pause keeps its time."""
    workspace = get_workspace(session, workspace_id)
    workspace.publishing_paused_at = workspace.publishing_paused_at or now
    record(session, "publishing_paused", workspace_id, now, workspace_id)
    return workspace


def resume_publishing(session: Session, workspace_id: str, now: datetime) -> Workspace:
    """Let the workspace's posts go out again."""
    workspace = get_workspace(session, workspace_id)
    workspace.publishing_paused_at = None
    record(session, "publishing_resumed", workspace_id, now, workspace_id)
    return workspace


def parse_timezone(name: str, *, field: str = "timezone") -> ZoneInfo:
    """Return the IANA zone called `name`.

    Raises InvalidInputError: ZoneInfo itself would also open other files of the zone folder, or fail with
    a dozen kinds of errors for odd names.
    """
    if name not in _timezones():
        raise InvalidInputError(
            f"unknown time zone {name!r}: use an IANA name such as Europe/Berlin",
            field=field,
            code="unknown_timezone",
        )
    return ZoneInfo(name)


@cache
def _timezones() -> frozenset[str]:
    """Every zone's name, read once in a process: Python walks the zone folder anew for each call, in 8 ms."""
    return frozenset(available_timezones())
