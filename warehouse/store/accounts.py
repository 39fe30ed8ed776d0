"""Connected accounts: credentials encrypted at rest, health in words; and accounts of imported histories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from connectors.types import Account, Credentials, Platform
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.account_health import AccountHealth, account_health
from warehouse.store.database import new_id
from warehouse.store.models import AccountRow, Publication
from warehouse.store.publications import cancel_publication, get_publication
from warehouse.store.webhook_payloads import announce_revoked
from warehouse.store.workspaces import parse_timezone

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import VerifiedAccount
    from warehouse.store.crypto import Cipher

__all__ = [
    "AccountHealth",
    "account_health",
    "connect_account",
    "disconnect_account",
    "find_or_create_imported_account",
    "get_account",
    "list_accounts",
    "list_expiring_accounts",
    "list_target_accounts",
    "mark_revoked",
    "open_account",
    "pause_account",
    "release_refresh",
    "resume_account",
    "save_credentials",
    "take_refresh_lease",
]


def connect_account(  # noqa: PLR0917 (what a connection consists of)
    session: Session,
    cipher: Cipher,
    workspace_id: str,
    verified: VerifiedAccount,
    platform: Platform,
    now: datetime,
    *,
    timezone: str | None = None,
) -> AccountRow:
    """Save an account that its platform has just confirmed; a known one is brought up to date.

    A reconnect never wipes a refresh token or app password with nothing: many people paste the access
    token only.
    """
    if timezone is not None:
        parse_timezone(timezone)
    instance_url = verified.instance_url or ""
    query = select(AccountRow).where(
        AccountRow.workspace_id == workspace_id,
        AccountRow.platform == platform.value,
        AccountRow.instance_url == instance_url,
        AccountRow.external_id == verified.external_id,
    )
    row = session.scalars(query.with_for_update()).one_or_none()
    if row is None:
        row = AccountRow(
            id=new_id("acct"),
            workspace_id=workspace_id,
            platform=platform.value,
            instance_url=instance_url,
            external_id=verified.external_id,
            handle=verified.handle,
            connected_at=now,
            backfill_posts=0,
        )
        session.add(row)
    if row.status != "active":
        row.connected_at = now
    row.handle = verified.handle
    row.display_name = verified.display_name
    row.text_limit = verified.text_limit
    row.timezone = timezone or row.timezone
    row.status = "active"
    row.status_reason = row.last_error = None
    row.status_changed_at = now
    row.next_followers_at = now
    _store_credentials(row, cipher, verified.credentials, now)
    session.flush()
    return row


def get_account(session: Session, workspace_id: str, account_id: str) -> AccountRow:
    """Return the account. Raises NotFoundError, also for another workspace's."""
    row = session.get(AccountRow, account_id)
    if row is None or row.workspace_id != workspace_id:
        raise NotFoundError(f"there is no account {account_id} in this workspace")
    return row


def list_accounts(
    session: Session,
    workspace_id: str,
    *,
    platform: Platform | None = None,
    statuses: Collection[str] = ("active", "revoked", "imported"),
) -> list[AccountRow]:
    """Return the workspace's accounts, oldest first; disconnected ones only where `statuses` asks."""
    query = select(AccountRow).where(
        AccountRow.workspace_id == workspace_id, AccountRow.status.in_(list(statuses))
    )
    if platform is not None:
        query = query.where(AccountRow.platform == platform.value)
    return list(session.scalars(query.order_by(AccountRow.id)))


def list_target_accounts(
    session: Session,
    workspace_id: str,
    *,
    platforms: Collection[Platform] = (),
    account_ids: Collection[str] = (),
    lock: bool = True,
) -> list[AccountRow]:
    """Return the accounts that a post goes to, locked for the caller's transaction unless it only asks.

    A platform means each of its connected accounts, unless `account_ids` picks some of that platform.
    Raises InvalidInputError: an unknown or disconnected account, a platform without a connected one.
    """
    query = (
        select(AccountRow)
        .where(AccountRow.workspace_id == workspace_id, AccountRow.status.in_(("active", "revoked")))
        .order_by(AccountRow.id)
    )
    if lock:
        # Two posts to the same account wait for each other: the duplicate guard and the choice of a free time
        # must see the first one.
        query = query.with_for_update()
    connected = {row.id: row for row in session.scalars(query)}
    chosen: dict[str, AccountRow] = {}
    for account_id in account_ids:
        if account_id not in connected:
            raise InvalidInputError(
                f"no account {account_id} is connected in this workspace: GET /api/v1/accounts lists them",
                field="account_ids",
                code="unknown_account",
            )
        chosen[account_id] = connected[account_id]
    picked_platforms = {row.platform for row in chosen.values()}
    for platform in platforms:
        if platform.value in picked_platforms:
            continue
        of_platform = {row.id: row for row in connected.values() if row.platform == platform.value}
        if not of_platform:
            raise InvalidInputError(
                f"no {platform} account is connected: POST /api/v1/accounts/connect first",
                field="platforms",
                code="platform_not_connected",
            )
        chosen |= of_platform
    for row in chosen.values():
        if row.status == "revoked":
            raise InvalidInputError(
                f"{row.platform} refuses the token of @{row.handle}: connect the account again "
                "(POST /api/v1/accounts/connect)",
                field="account_ids" if row.id in account_ids else "platforms",
                code="account_revoked",
            )
    return list(chosen.values())


def disconnect_account(
    session: Session, workspace_id: str, account_id: str, now: datetime
) -> tuple[AccountRow, list[str]]:
    """Forget the account's credentials and cancel what was scheduled on it.

    Returns the row and the ids of the canceled publications. What was published and measured stays.
    Raises ConflictError while a publication is being sent: its outcome could no longer be found out.
    """
    row = get_account(session, workspace_id, account_id)
    query = select(Publication.id, Publication.status).where(
        Publication.account_id == account_id,
        Publication.status.in_(("draft", "scheduled", "claimed", "sending", "unknown")),
    )
    pending = session.execute(query).all()
    in_flight = [
        publication.id for publication in pending if publication.status not in ("draft", "scheduled")
    ]
    if in_flight:
        raise ConflictError(
            f"{len(in_flight)} publication(s) are being sent on this account: try again in a minute",
            code="publications_in_flight",
        )
    for publication in pending:
        cancel_publication(session, get_publication(session, workspace_id, publication.id), now)
    if row.status != "disconnected":
        row.status = "disconnected"
        row.status_reason = "disconnected by its owner"
        row.status_changed_at = now
    row.credentials = None
    row.token_expires_at = row.next_followers_at = None
    return row, [publication.id for publication in pending]


def pause_account(session: Session, workspace_id: str, account_id: str, now: datetime) -> AccountRow:
    """Hold back everything on this account until `resume_account`; a second time changes nothing."""
    row = get_account(session, workspace_id, account_id)
    row.paused_at = row.paused_at or now
    return row


def resume_account(session: Session, workspace_id: str, account_id: str) -> AccountRow:
    """Let publications on this account go out again."""
    row = get_account(session, workspace_id, account_id)
    row.paused_at = None
    return row


def open_account(row: AccountRow, cipher: Cipher) -> Account:
    """Return the account as a connector needs it, credentials decrypted.

    Raises ConflictError where it has none (imported or disconnected).
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
    """Note that the platform refuses the token; only a reconnect by its owner helps."""
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
    """Keep refreshed credentials; what the platform did not send anew stays as it was."""
    row = session.scalars(select(AccountRow).where(AccountRow.id == account_id).with_for_update()).one()
    if row.status == "disconnected":
        return  # its owner disconnected it meanwhile: nothing may be kept
    _store_credentials(row, cipher, credentials, now)


def find_or_create_imported_account(
    session: Session, workspace_id: str, platform: Platform, name: str, now: datetime
) -> AccountRow:
    """Return the account that an imported history belongs to: the one with this handle, else a new one.

    A new one is never sent to or measured: it has no credentials. Raises InvalidInputError for an empty name.
    """
    handle = name.strip()
    if not handle:
        raise InvalidInputError("an imported history needs an account name", field="account")
    query = select(AccountRow).where(
        AccountRow.workspace_id == workspace_id,
        AccountRow.platform == platform.value,
        func.lower(AccountRow.handle) == handle.lower(),
    )
    known = session.scalars(query.order_by(AccountRow.id).limit(1)).one_or_none()
    if known is not None:
        return known
    row = AccountRow(
        id=new_id("acct"),
        workspace_id=workspace_id,
        platform=platform.value,
        instance_url="",
        external_id=f"import:{handle.lower()}",
        handle=handle,
        display_name=handle,
        status="imported",
        connected_at=now,
        backfill_posts=0,
    )
    session.add(row)
    session.flush()
    return row


def list_expiring_accounts(session: Session, expires_before: datetime) -> list[AccountRow]:
    """Return all workspaces' connected accounts whose access token ends before then, the first to end first."""
    query = select(AccountRow).where(
        AccountRow.status == "active",
        AccountRow.credentials.is_not(None),
        AccountRow.token_expires_at < expires_before,
    )
    return list(session.scalars(query.order_by(AccountRow.token_expires_at, AccountRow.id)))


def take_refresh_lease(
    session: Session, account_id: str, *, now: datetime, until: datetime
) -> AccountRow | None:
    """Become the one process that refreshes this account's token; None = another one does, or it is not active."""
    row = session.scalars(select(AccountRow).where(AccountRow.id == account_id).with_for_update()).one()
    held = row.refresh_lease_until is not None and row.refresh_lease_until > now
    if held or row.status != "active" or row.credentials is None:
        return None
    row.refresh_lease_until = until
    return row


def release_refresh(session: Session, account_id: str, *, error: str | None = None) -> None:
    """Give the refresh lease back; `error` is kept for the account's owner, a success clears it."""
    row = session.get_one(AccountRow, account_id)
    row.refresh_lease_until = None
    row.last_error = error


def _store_credentials(row: AccountRow, cipher: Cipher, credentials: Credentials, now: datetime) -> None:
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
