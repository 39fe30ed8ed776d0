"""Connected accounts and accounts of imported histories. Their tokens are in `credentials`."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.access.workspaces import parse_timezone
from warehouse.store.accounts.credentials import store_credentials
from warehouse.store.accounts.health import AccountHealth, account_health
from warehouse.store.accounts.identity import (
    IMPORTED_ID,
    AccountIndex,
    find_imported_doubles,
    plain_name,
)
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.models import AccountRow, Publication
from warehouse.store.publishing.publications import cancel_publication, get_publication

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import Platform, VerifiedAccount
    from warehouse.store.accounts.shapes import AccountPatch
    from warehouse.store.crypto import Cipher

__all__ = [
    "AccountHealth",
    "account_health",
    "change_account",
    "connect_account",
    "describe_account",
    "disconnect_account",
    "find_or_create_imported_account",
    "get_account",
    "list_accounts",
    "mark_merged",
    "pause_account",
    "resume_account",
]


_ID = re.compile(r"[\w.:@%~+=/-]{1,255}")
"""What platforms call an account: digits, names, URNs and DIDs."""


def _check_answer(verified: VerifiedAccount) -> None:
    """Refuse an account whose server names it by what is no id or no text."""
    names = (verified.external_id, verified.handle, verified.display_name)
    unfit = any(unicodedata.category(character) in {"Cc", "Cs"} for name in names for character in name)
    if unfit or not _ID.fullmatch(verified.external_id):
        raise InvalidInputError(
            "the account's server answered with an id or a name that cannot be read: check that it is the "
            "platform that you mean",
            field="platform",
        )


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
    """Save an account that its platform has just confirmed, or update it if it is known.

    A reconnect without a refresh token or app password keeps the stored one: many people paste only the
    access token.
    """
    _check_answer(verified)
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
    doubles = find_imported_doubles(session, workspace_id, platform, verified)
    if row is None and doubles:  # an imported history of the same account: it stays the same account
        row = doubles.pop(0)
        row.instance_url, row.external_id = instance_url, verified.external_id
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
    for double in doubles:
        mark_merged(double, row, now)
    if row.status != "active":
        row.connected_at = now
    row.handle = verified.handle
    row.display_name = verified.display_name
    if verified.text_limit is not None:  # a limit that could not be read now stays as it was
        row.text_limit = verified.text_limit
    row.timezone = timezone or row.timezone
    row.status = "active"
    row.status_reason = row.last_error = None
    row.status_changed_at = now
    row.next_followers_at = now
    store_credentials(row, cipher, verified.credentials, now)
    session.flush()
    record(session, "account_connected", workspace_id, now, row.id, _name_account(row))
    return row


def get_account(session: Session, workspace_id: str, account_id: str) -> AccountRow:
    """Return the account. Raises NotFoundError, also for an account of another workspace."""
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
    """Return the workspace's accounts, oldest first; disconnected ones only if `statuses` includes them."""
    query = select(AccountRow).where(
        AccountRow.workspace_id == workspace_id, AccountRow.status.in_(list(statuses))
    )
    if platform is not None:
        query = query.where(AccountRow.platform == platform.value)
    return list(session.scalars(query.order_by(AccountRow.id)))


def describe_account(row: AccountRow, now: datetime) -> dict[str, Any]:
    """Return an account as all interfaces show it, without credentials."""
    health = account_health(row, now)
    waits = row.rate_limited_until is not None and row.rate_limited_until > now
    return {
        "id": row.id,
        "platform": row.platform,
        "handle": row.handle,
        "display_name": row.display_name,
        "external_id": row.external_id,
        "instance_url": row.instance_url or None,
        "status": row.status,
        "health": {"status": health.status, "reason": health.reason, "at": health.at},
        "timezone": row.timezone,
        "connected_at": row.connected_at,
        "paused_at": row.paused_at,
        "rate_limited_until": row.rate_limited_until if waits else None,
        "rate_limit_reason": row.rate_limit_reason if waits else None,
        "last_error": row.last_error,
    }


def disconnect_account(
    session: Session, workspace_id: str, account_id: str, now: datetime
) -> tuple[AccountRow, list[str]]:
    """Delete the account's credentials and cancel its scheduled publications.

    Returns the row and the ids of the canceled publications. Published posts and their metrics stay.
    Raises ConflictError while a publication is being sent, because its outcome could no longer be looked up.
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
    detail = _name_account(row) | {"canceled_publications": len(pending)}
    record(session, "account_disconnected", workspace_id, now, row.id, detail)
    return row, [publication.id for publication in pending]


def change_account(
    session: Session, workspace_id: str, account_id: str, change: AccountPatch, now: datetime
) -> AccountRow:
    """Change the account's time zone; None = the workspace's. The lake follows by `sync_accounts`.

    Raises InvalidInputError for an unknown time zone.
    """
    row = get_account(session, workspace_id, account_id)
    if change.timezone is not None:
        parse_timezone(change.timezone)
    if row.timezone != change.timezone:
        changed = {"timezone": {"before": row.timezone, "after": change.timezone}}
        row.timezone = change.timezone
        record(session, "account_changed", workspace_id, now, row.id, _name_account(row) | changed)
    return row


def pause_account(session: Session, workspace_id: str, account_id: str, now: datetime) -> AccountRow:
    """Stop publishing on this account until `resume_account`. Idempotent."""
    row = get_account(session, workspace_id, account_id)
    row.paused_at = row.paused_at or now
    record(session, "account_paused", workspace_id, now, row.id, _name_account(row))
    return row


def resume_account(session: Session, workspace_id: str, account_id: str, now: datetime) -> AccountRow:
    """Resume publishing on this account."""
    row = get_account(session, workspace_id, account_id)
    row.paused_at = None
    record(session, "account_resumed", workspace_id, now, row.id, _name_account(row))
    return row


def _name_account(row: AccountRow) -> dict[str, str]:
    """Return what tells a person in the audit log which account it was."""
    return {"platform": row.platform, "handle": row.handle}


def mark_merged(row: AccountRow, into: AccountRow, now: datetime) -> None:
    """Mark an imported history as a double of another account.

    Its posts follow when store and lake are both open: `warehouse.lake.import_.accounts.merge_marked_accounts`.
    """
    row.status, row.merged_into = "merged", into.id
    row.status_reason, row.status_changed_at = f"it is the account {into.id}", now


def find_or_create_imported_account(  # noqa: PLR0917 (what an account is found by)
    session: Session,
    workspace_id: str,
    platform: Platform,
    name: str,
    now: datetime,
    index: AccountIndex | None = None,
) -> AccountRow:
    """Return the account that this name means (`AccountIndex.find`) for an imported history; create it if none.

    A new account has no credentials, so nothing is published on it and it is not measured. `index` saves reading the
    accounts for each name; a new account is added to it. Raises InvalidInputError for an empty name.
    """
    handle = plain_name(platform, name)
    if not handle:
        raise InvalidInputError("an imported history needs an account name", field="account")
    if index is None:
        index = AccountIndex.load(session, workspace_id, platform)
    known = index.find(name)
    if known is not None:
        return known
    row = AccountRow(
        id=new_id("acct"),
        workspace_id=workspace_id,
        platform=platform.value,
        instance_url="",
        external_id=f"{IMPORTED_ID}{handle.casefold()}"[:200],
        handle=handle[:200],
        display_name=handle,
        status="imported",
        connected_at=now,
        backfill_posts=0,
    )
    session.add(row)
    session.flush()
    index.add(row)
    return row
