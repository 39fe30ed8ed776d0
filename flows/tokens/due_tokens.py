"""Refresh access tokens that expire soon, before a post needs them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.capabilities import get_capabilities
from connectors.errors import GiveUpError, UnsupportedError
from connectors.types import Platform
from flows.account_runs import serve_accounts, utc_now
from flows.run_report import RunReport
from flows.token_refresh import refresh_account
from warehouse.store.accounts.credentials import list_expiring_accounts
from warehouse.store.accounts.events import announce_expiring
from warehouse.store.accounts.health import EXPIRING_WITHIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from flows.resources import Resources
    from warehouse.store.models import AccountRow


async def refresh_ending_tokens(
    resources: Resources, pool: ConnectorPool, *, clock: Callable[[], datetime] = utc_now
) -> RunReport:
    """Refresh the tokens that are due by their platform's `refresh_before`, and return the report.

    If a token is refused, its account is marked with the platform's reason and the report lists it as a
    failure. Tokens that still expire soon are announced by webhook (`account.expiring`), once per token.
    """
    report = RunReport("refreshing tokens", counts={"refreshed": 0, "announced": 0})
    rows = await asyncio.to_thread(_list_due, resources, clock())

    async def refresh(row: AccountRow, connector: Connector) -> None:
        # If another process has refreshed it since it was listed, there is nothing left to do.
        seen = connector.account.credentials
        result = await refresh_account(resources.store, pool, row.id, clock=clock, seen=seen)
        if result == "refreshed":
            report.add(refreshed=1)
        elif result == "revoked":
            raise GiveUpError("the platform refused to renew the token: connect the account again")

    await serve_accounts(
        rows,
        refresh,
        store=resources.store,
        pool=pool,
        report=report,
        concurrency=resources.flows.fetch_concurrency,
        clock=clock,
    )
    report.add(announced=await asyncio.to_thread(_announce_expiring, resources, clock()))
    return report


def _announce_expiring(resources: Resources, now: datetime) -> int:
    """Announce the tokens that could not be renewed: after the refreshes, so that only those are left."""
    with resources.store.write() as session:
        ending = list_expiring_accounts(session, now + EXPIRING_WITHIN)
        return announce_expiring(session, ending, now)


def _list_due(resources: Resources, now: datetime) -> list[AccountRow]:
    margins = {platform.value: _refresh_before(platform) for platform in Platform}
    longest = max((margin for margin in margins.values() if margin is not None), default=timedelta(0))
    with resources.store.read() as session:
        rows = list_expiring_accounts(session, now + longest)
    return [row for row in rows if _is_due(row, margins.get(row.platform), now)]


def _is_due(row: AccountRow, margin: timedelta | None, now: datetime) -> bool:
    return margin is not None and row.token_expires_at is not None and row.token_expires_at <= now + margin


def _refresh_before(platform: Platform) -> timedelta | None:
    try:
        return get_capabilities(platform).refresh_before
    except UnsupportedError:  # no connector for this platform yet
        return None
