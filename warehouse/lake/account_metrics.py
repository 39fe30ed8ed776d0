"""How accounts did: their followers over time.

What was not measured is None, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import date

    from warehouse.lake.connect import Lake


def list_accounts_daily(
    lake: Lake, *, workspace_id: str, first: date, last: date, account_id: str | None = None
) -> list[dict[str, Any]]:
    """Return one row per account and measured UTC day, both ends included.

    Columns: account_id, platform, day, captured_at, followers, following, posts, follower_growth.
    """
    params = {"workspace_id": workspace_id, "first": first, "last": last, "account_id": account_id}
    return lake.query(load_sql("queries/accounts_daily"), params)
