"""Dependencies of planning: a store session, the workspace, the current time, the lake, and a few settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from warehouse.lake.connect import Lake
    from warehouse.store.posts.idempotency import StoreSession


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """The context of one planning step, valid for one session."""

    session: StoreSession
    """A write session for functions that save; a read session is enough for `preview_post`."""
    workspace_id: str
    now: datetime
    """Aware UTC. Read once, so that all decisions of one step agree."""
    open_lake: Callable[[], Lake]
    """Returns the open lake; called only for "optimal" times (see `needs_lake`)."""
    media_public_url: str | None
    """Base URL at which platforms can download uploads; None = they cannot."""
    allow_private_media: bool
    """Whether the URL of media may name a host on a private network (SOCIALFLOW_ALLOW_PRIVATE_INSTANCES)."""
    recurrence_horizon: timedelta
    """How far ahead the posts of a recurring rule are created."""
