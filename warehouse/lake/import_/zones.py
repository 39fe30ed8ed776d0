"""Read a file whose times have no zone in the zone of its account, where the store knows one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.types import Platform
from warehouse.lake.import_.read import read_file
from warehouse.store.accounts.identity import AccountIndex

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.lake.import_.types import Reading, ReadOptions
    from warehouse.store.database import Store


def read_in_account_zone(store: Store, workspace_id: str, path: Path, options: ReadOptions) -> Reading:
    """Read a file like `read_file`. If only the account can tell the zone of its times, use the account's own zone.

    An account without a zone of its own decides nothing: the workspace's zone is a default, not a fact about a file.
    """
    reading = read_file(path, options=options)
    detection = reading.detection
    names = (options.account,) if options.account is not None else detection.accounts
    if detection.zone_source != "default" or len(names) != 1:
        return reading
    zone = _find_zone(store, workspace_id, options.platform or detection.platform, str(names[0]))
    if zone is None:
        return reading
    reading.batches.close()
    return read_file(path, options=replace(options, account_timezone=zone))


def _find_zone(store: Store, workspace_id: str, platform: Platform | None, name: str) -> str | None:
    if platform is None:
        return None
    with store.read() as session:
        account = AccountIndex.load(session, workspace_id, Platform(platform)).find(name)
        return account.timezone if account is not None else None
