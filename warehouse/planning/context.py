"""What planning needs beside the input: a store session, the workspace, the time now, the lake, and a few settings."""

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
    """One planning step: made for one session and thrown away with it."""

    session: StoreSession
    """A write session for everything that saves; a read session is enough for `preview_post`."""
    workspace_id: str
    now: datetime
    """Aware UTC. Read once, so that all decisions of one step agree."""
    open_lake: Callable[[], Lake]
    """Returns the open lake; called only where advice places a post ("optimal", see `needs_lake`)."""
    media_public_url: str | None
    """Address under which platforms can fetch uploads; None = they cannot."""
    recurrence_horizon: timedelta
    """How far ahead the posts of a recurring rule are made."""
