"""Account tokens: encrypted at rest, refreshed by one process at a time, marked revoked when refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from connectors.types import Account, Credentials, Platform
from warehouse.errors import ConflictError
from warehouse.store.accounts.events import announce_revoked
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher


def open_account(row: AccountRow, cipher: Cipher) -> Account:
    """Return the account with decrypted credentials, as a connector needs it.

    Raises ConflictError if it has no credentials (imported or disconnected).
    """
    if row.credentials is None:
        raise ConflictError(f"account {row.id} is {row.status}: it has no credentials", code="not_connected")
    return Account(
        id=row.id,
        platform=Platform(row.platform),
        credentials=cipher.decrypt_credentials(row.credentials),
        external_id=row.external_id,
        handle=row.handle,
        instance_url=row.instance_url or None,
    )


def mark_revoked(session: Session, account_id: str, reason: str, now: datetime) -> None:
    """Mark the token as refused by the platform. The owner must reconnect the account."""
    row = session.get_one(AccountRow, account_id)
    if row.status != "active":
        return
    row.status = "revoked"
    row.status_reason = reason
    row.status_changed_at = now
    announce_revoked(session, row, now)


def save_credentials(
    session: Session, cipher: Cipher, account_id: str, credentials: Credentials, now: datetime
) -> None:
    """Save refreshed credentials; values that the platform did not send again stay."""
    row = session.scalars(select(AccountRow).where(AccountRow.id == account_id).with_for_update()).one()
    if row.status == "disconnected":
        return  # disconnected in the meantime: do not store credentials
    store_credentials(row, cipher, credentials, now)


def list_expiring_accounts(session: Session, expires_before: datetime) -> list[AccountRow]:
    """Return connected accounts of all workspaces whose access token expires before then, earliest first."""
    query = select(AccountRow).where(
        AccountRow.status == "active",
        AccountRow.credentials.is_not(None),
        AccountRow.token_expires_at < expires_before,
    )
    return list(session.scalars(query.order_by(AccountRow.token_expires_at, AccountRow.id)))


def take_refresh_lease(
    session: Session, account_id: str, *, now: datetime, until: datetime
) -> AccountRow | None:
    """Take the lease to refresh this account's token. None = another process has it, or the account is not active."""
    row = session.scalars(select(AccountRow).where(AccountRow.id == account_id).with_for_update()).one()
    held = row.refresh_lease_until is not None and row.refresh_lease_until > now
    if held or row.status != "active" or row.credentials is None:
        return None
    row.refresh_lease_until = until
    return row


def release_refresh(session: Session, account_id: str, *, error: str | None = None) -> None:
    """Release the refresh lease. `error` is stored for the account's owner; a success clears it."""
    row = session.get_one(AccountRow, account_id)
    row.refresh_lease_until = None
    row.last_error = error


def store_credentials(row: AccountRow, cipher: Cipher, credentials: Credentials, now: datetime) -> None:
    """Encrypt and store credentials. A missing refresh token or password keeps the stored one."""
    if row.credentials is not None:
        known = cipher.decrypt_credentials(row.credentials)
        credentials = replace(
            credentials,
            refresh_token=credentials.refresh_token or known.refresh_token,
            app_password=credentials.app_password or known.app_password,
        )
    row.credentials = cipher.encrypt_credentials(credentials)
    row.token_expires_at = credentials.expires_at
    row.last_verified_at = now
