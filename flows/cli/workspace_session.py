"""Store access of most commands: one transaction in the installation's first workspace."""

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
    """A transaction, its workspace and the current time."""

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
        """The time zone for times without an offset."""
        return parse_timezone(self.workspace.timezone)


def sync_lake_accounts(settings: WarehouseSettings | None = None) -> None:
    """Let the lake's marts follow a changed time zone. Raises ConflictError if a long load holds the lake's lock."""
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (DuckDB costs 0.2 s; most commands do not need it)
    from warehouse.lake.dimensions import sync_accounts  # noqa: PLC0415 (same)

    chosen = settings or WarehouseSettings()
    with Store.open(chosen) as store, Lake.open(chosen, threads=1) as lake:
        sync_accounts(store, lake)


@contextmanager
def open_workspace(settings: WarehouseSettings | None = None) -> Iterator[Opened]:
    """Open the store for one transaction: committed at the end of the block, rolled back on an error."""
    now = datetime.now(UTC)
    with Store.open(settings or WarehouseSettings()) as store, store.write() as session:
        yield Opened(store, session, ensure_default_workspace(session, now), now)
