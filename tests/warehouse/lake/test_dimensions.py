"""Each account has one effective time zone, in dims.accounts: its own, else its workspace's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.types import Platform
from warehouse.lake.dimensions import sync_accounts
from warehouse.store.access.workspaces import create_workspace, update_workspace
from warehouse.store.accounts.accounts import change_account, find_or_create_imported_account
from warehouse.store.accounts.shapes import AccountPatch
from warehouse.store.database import Store

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def zones(lake: Lake) -> dict[str, str]:
    return {
        row["handle"]: row["timezone"] for row in lake.query("SELECT handle, timezone FROM dims.accounts")
    }


def test_an_account_has_its_own_zone_else_the_workspaces_and_the_lake_follows(
    lake: Lake, lake_settings: WarehouseSettings
) -> None:
    with Store.open(lake_settings) as store:
        with store.write() as session:
            workspace = create_workspace(session, name="Harbor", timezone="Europe/Berlin", now=NOW).id
            own, shared = (
                find_or_create_imported_account(session, workspace, Platform.MASTODON, name, NOW).id
                for name in ("own", "shared")
            )
            change_account(session, workspace, own, AccountPatch(timezone="Asia/Tokyo"), NOW)
        sync_accounts(store, lake)
        assert zones(lake) == {"own": "Asia/Tokyo", "shared": "Europe/Berlin"}
        with store.write() as session:
            update_workspace(session, workspace, timezone="America/Lima")
        sync_accounts(store, lake)
        assert zones(lake) == {"own": "Asia/Tokyo", "shared": "America/Lima"}
        with store.write() as session:
            change_account(session, workspace, own, AccountPatch(timezone=None), NOW)
            change_account(session, workspace, shared, AccountPatch(timezone="Asia/Kathmandu"), NOW)
        sync_accounts(store, lake)
        assert zones(lake) == {"own": "America/Lima", "shared": "Asia/Kathmandu"}
        before = lake.snapshot_id()
        sync_accounts(store, lake)
        assert lake.snapshot_id() == before, "nothing changed, nothing is written"
