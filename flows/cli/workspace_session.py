"""The store as most commands use it: one transaction in the installation's first workspace."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace, parse_timezone
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from warehouse.store.database import Session
    from warehouse.store.models import Workspace


@dataclass(frozen=True, slots=True)
class Opened:
    """A transaction, the workspace that it is about, and the time now."""

    store: Store
    session: Session
    workspace: Workspace
    now: datetime

    @property
    def workspace_id(self) -> str:
        """The workspace's id."""
        return self.workspace.id

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which a time without an offset is read."""
        return parse_timezone(self.workspace.timezone)


@contextmanager
def open_workspace(settings: WarehouseSettings | None = None) -> Iterator[Opened]:
    """Open the store for one transaction: saved at the end of the block, undone on an error."""
    now = datetime.now(UTC)
    with Store.open(settings or WarehouseSettings()) as store, store.write() as session:
        yield Opened(store, session, ensure_default_workspace(session, now), now)
