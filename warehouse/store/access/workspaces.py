"""Workspaces (tenants). A fresh installation has one, created on first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.models import Workspace

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

DEFAULT_WORKSPACE_ID = "ws_default"
"""Fixed, so that two concurrent first runs create one row and not two."""


class WorkspaceSettings(NamedTuple):
    """Workspace settings that apply to a new post."""

    timezone: str
    approval_required: bool


_SETTINGS_OF = "workspace_settings"
# Built once: building a statement and its cache key takes longer than running it.
_SETTINGS = select(*(Workspace.__table__.c[name] for name in WorkspaceSettings._fields)).where(
    Workspace.__table__.c.id == bindparam("workspace_id")
)


def ensure_default_workspace(session: Session, now: datetime) -> Workspace:
    """Return the installation's first workspace; create it if there is none (needs a write session)."""
    known = session.get(Workspace, DEFAULT_WORKSPACE_ID)
    if known is not None:
        return known
    # Two processes that start on an empty database get here at once: one of them waits for the other's commit.
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"id": DEFAULT_WORKSPACE_ID, "name": "Default", "timezone": "UTC", "created_at": now}
    session.execute(insert(Workspace).values(row).on_conflict_do_nothing())
    return session.get_one(Workspace, DEFAULT_WORKSPACE_ID)


def create_workspace(
    session: Session, *, name: str, timezone: str = "UTC", now: datetime, workspace_id: str | None = None
) -> Workspace:
    """Create a workspace, with a new id unless one is given.

    Raises InvalidInputError: no name, an unknown time zone.
    """
    parse_timezone(timezone)
    if not name.strip():
        raise InvalidInputError(
            "a workspace needs a name: give one that identifies it in lists", field="name"
        )
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
    """Return the settings that planning needs, read once per session. Raises NotFoundError."""
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
    """Change the given fields. Turning approval off does not release posts that already wait for approval.

    Raises InvalidInputError: no name, an unknown time zone.
    """
    workspace = get_workspace(session, workspace_id)
    session.info.pop((_SETTINGS_OF, workspace_id), None)
    if name is not None:
        if not name.strip():
            raise InvalidInputError(
                "a workspace needs a name: give one that identifies it in lists", field="name"
            )
        workspace.name = name.strip()
    if timezone is not None:
        parse_timezone(timezone)
        workspace.timezone = timezone
    if approval_required is not None:
        workspace.approval_required = approval_required
    return workspace


def _not_found(workspace_id: str) -> NotFoundError:
    return NotFoundError(
        f"no workspace {workspace_id}: list the workspaces with `socialflow workspaces list`"
    )


def pause_publishing(session: Session, workspace_id: str, now: datetime) -> Workspace:
    """Stop publishing in this workspace until it is resumed. If already paused, the pause time stays."""
    workspace = get_workspace(session, workspace_id)
    workspace.publishing_paused_at = workspace.publishing_paused_at or now
    record(session, "publishing_paused", workspace_id, now, workspace_id)
    return workspace


def resume_publishing(session: Session, workspace_id: str, now: datetime) -> Workspace:
    """Resume publishing in this workspace."""
    workspace = get_workspace(session, workspace_id)
    workspace.publishing_paused_at = None
    record(session, "publishing_resumed", workspace_id, now, workspace_id)
    return workspace


def parse_timezone(name: str, *, field: str = "timezone") -> ZoneInfo:
    """Return the IANA time zone `name`.

    Raises InvalidInputError for an unknown name. ZoneInfo alone would also open other files in the zone folder
    and raises a dozen kinds of errors for malformed names.
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
    """All zone names, cached per process: each call of Python's own function walks the zone folder (8 ms)."""
    return frozenset(available_timezones())
