"""Backfill progress of each account's history. A cursor is saved once everything before it is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

AGAIN_AFTER = timedelta(days=1)
"""A finished history is checked again after this time, because posts are also made outside SocialFlow."""
OVERLAP = timedelta(days=2)
"""Overlap of the next check with the last one: platforms list posts late, and edits move posts."""


def list_accounts_to_backfill(
    session: Session, now: datetime, *, account_ids: Collection[str] | None = None, always: bool | None = None
) -> list[AccountRow]:
    """Return connected accounts whose history is unread, partly read, or was last checked a day ago.

    `account_ids`: only these. `always`: whenever they were last checked; by default so for named accounts only.
    """
    query = select(AccountRow).where(
        AccountRow.status == "active",
        AccountRow.credentials.is_not(None),
        or_(AccountRow.rate_limited_until.is_(None), AccountRow.rate_limited_until <= now),
    )
    if account_ids is not None:
        query = query.where(AccountRow.id.in_(list(account_ids)))
    if not (account_ids is not None if always is None else always):
        last_look = AccountRow.backfill_finished_at
        query = query.where(or_(last_look.is_(None), last_look <= now - AGAIN_AFTER))
    return list(session.scalars(query.order_by(AccountRow.connected_at, AccountRow.id)))


def begin_backfill(
    session: Session, account_id: str, now: datetime, *, first_since: datetime, anew: bool = False
) -> AccountRow:
    """Return the account with `backfill_since` and `backfill_cursor` set to where reading continues.

    A partly read history continues at its cursor. A finished one is read again from shortly before the last
    check or, with `anew`, from `first_since`.
    """
    row = session.get_one(AccountRow, account_id, with_for_update=True)
    finished = row.backfill_finished_at
    if anew or row.backfill_since is None:
        row.backfill_since, row.backfill_cursor = first_since, None
    elif finished is not None:
        row.backfill_since, row.backfill_cursor = min(finished, now) - OVERLAP, None
    row.backfill_finished_at = None
    return row


def save_backfill_place(session: Session, account_id: str, *, cursor: str | None, posts: int) -> None:
    """Save that everything before `cursor` is stored, with `posts` new posts. None = start again next time."""
    row = session.get_one(AccountRow, account_id, with_for_update=True)
    row.backfill_cursor = cursor
    row.backfill_posts += posts


def finish_backfill(session: Session, account_id: str, now: datetime) -> None:
    """Mark the history as completely read."""
    row = session.get_one(AccountRow, account_id, with_for_update=True)
    row.backfill_cursor = None
    row.backfill_finished_at = now
