"""Refresh an account's token exactly once, whichever process asks: the scheduled flow or a publisher.

A rotating refresh token works only once. The refresh therefore runs under a lease in the store, and the lease
holder first checks whether another process has already stored new credentials.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from connectors.errors import ConnectorError, GiveUpError, ReauthenticateError
from warehouse.store.accounts.credentials import (
    mark_revoked,
    open_account,
    release_refresh,
    save_credentials,
    take_refresh_lease,
)
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.registry import ConnectorPool
    from connectors.types import Account, Credentials
    from warehouse.store.database import Store

RefreshResult = Literal["refreshed", "already_new", "busy", "unsupported", "revoked"]
Recovery = Literal["fresh", "busy", "revoked"]

SPARE = timedelta(minutes=1)
"""Extra lease time beyond the refresh itself; after a crash the next process waits for both."""


async def refresh_account(
    store: Store,
    pool: ConnectorPool,
    account_id: str,
    *,
    clock: Callable[[], datetime],
    seen: Credentials | None = None,
) -> RefreshResult:
    """Refresh the account's token and save it.

    `seen`: the credentials that did not work. If the store holds others by now, nothing is refreshed. If the
    platform rejects the token for good, the account is marked revoked, with the platform's reason. Raises
    ConnectorError (not ReauthenticateError) if the platform could not be asked; nothing has changed then.
    """
    account = await asyncio.to_thread(_begin, store, account_id, clock(), pool.longest_refresh + SPARE)
    if account is None:
        return "busy"
    if seen is not None and account.credentials.access_token != seen.access_token:
        await asyncio.to_thread(_end, store, account_id)
        return "already_new"
    try:
        credentials = await pool.open(account).refresh_token()
    except ReauthenticateError as error:
        await asyncio.to_thread(_revoke, store, account_id, error.message, clock())
        return "revoked"
    except ConnectorError as error:
        await asyncio.to_thread(_end, store, account_id, error.message)
        raise
    except Exception as error:  # unexpected error: release the lease early
        await asyncio.to_thread(_end, store, account_id, f"unexpected {type(error).__name__}")
        raise
    if credentials is None:
        await asyncio.to_thread(_end, store, account_id)
        return "unsupported"
    await asyncio.to_thread(_save, store, account_id, credentials, clock())
    return "refreshed"


async def recover_account(
    store: Store,
    pool: ConnectorPool,
    account: Account,
    error: ReauthenticateError,
    *,
    clock: Callable[[], datetime],
) -> bool:
    """After the platform rejected `account`'s token: True = there are new credentials to retry with.

    False = the owner must reconnect the account; it is marked, with the platform's reason. Raises
    ConnectorError if the refresh could not be tried now.
    """
    return await recover_token(store, pool, account, error, clock=clock) != "revoked"


async def recover_token(
    store: Store,
    pool: ConnectorPool,
    account: Account,
    error: ReauthenticateError,
    *,
    clock: Callable[[], datetime],
) -> Recovery:
    """Like `recover_account`, but distinguish new credentials (fresh) from a refresh elsewhere (busy)."""
    try:
        result = await refresh_account(store, pool, account.id, clock=clock, seen=account.credentials)
    except GiveUpError as refusal:  # for example a missing client id: a retry changes nothing
        reason = f"{error.message}; it was not refreshed: {refusal.message}"
        await asyncio.to_thread(_revoke, store, account.id, reason, clock())
        return "revoked"
    if result == "unsupported":
        await asyncio.to_thread(_revoke, store, account.id, error.message, clock())
    if result in {"unsupported", "revoked"}:
        return "revoked"
    return "busy" if result == "busy" else "fresh"


async def give_up_token(
    store: Store, account: Account, error: ReauthenticateError, *, clock: Callable[[], datetime]
) -> bool:
    """Mark the account revoked: the platform rejected the token right after a refresh.

    Returns False, and changes nothing, if the store holds other credentials by now: the owner has reconnected the
    account, or another process has refreshed its token.
    """
    return await asyncio.to_thread(_give_up, store, account, error.message, clock())


def _begin(store: Store, account_id: str, now: datetime, lease: timedelta) -> Account | None:
    with store.write() as session:
        row = take_refresh_lease(session, account_id, now=now, until=now + lease)
        return None if row is None else open_account(row, store.cipher)


def _end(store: Store, account_id: str, error: str | None = None) -> None:
    with store.write() as session:
        release_refresh(session, account_id, error=error)


def _revoke(store: Store, account_id: str, reason: str, now: datetime) -> None:
    with store.write() as session:
        mark_revoked(session, account_id, reason, now)
        release_refresh(session, account_id, error=reason)


def _give_up(store: Store, account: Account, reason: str, now: datetime) -> bool:
    with store.write() as session:
        row = session.get_one(AccountRow, account.id)
        if row.credentials is None:
            return True  # disconnected: there is no other token, now or later
        if open_account(row, store.cipher).credentials.access_token != account.credentials.access_token:
            return False
        mark_revoked(session, account.id, reason, now)
        return True


def _save(store: Store, account_id: str, credentials: Credentials, now: datetime) -> None:
    with store.write() as session:
        save_credentials(session, store.cipher, account_id, credentials, now)
        release_refresh(session, account_id)
