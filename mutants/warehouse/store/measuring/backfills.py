"""How far the reading of each account's history has come: a place is noted when all before it is kept."""

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
"""A finished history is looked at anew this long afterwards: posts are also made outside SocialFlow."""
OVERLAP = timedelta(days=2)
"""How far before the last look the next one begins; platforms list late, and edits move posts."""


def list_accounts_to_backfill(
    session: Session, now: datetime, *, account_ids: Collection[str] | None = None
) -> list[AccountRow]:
    """Return connected accounts whose history is unread, half read, or was last looked at a day ago.

    With `account_ids`: these, whenever they were last looked at.
    """
    query = select(AccountRow).where(
        AccountRow.status == "active",
        AccountRow.credentials.is_not(None),
        or_(AccountRow.rate_limited_until.is_(None), AccountRow.rate_limited_until <= now),
    )
    if account_ids is not None:
        query = query.where(AccountRow.id.in_(list(account_ids)))
    else:
        last_look = AccountRow.backfill_finished_at
        query = query.where(or_(last_look.is_(None), last_look <= now - AGAIN_AFTER))
    return list(session.scalars(query.order_by(AccountRow.connected_at, AccountRow.id)))


def begin_backfill(
    session: Session, account_id: str, now: datetime, *, first_since: datetime, anew: bool = False
) -> AccountRow:
    """Return the account with `backfill_since` and `backfill_cursor` set to where reading goes on.

    A half-read history goes on at its cursor. A finished one is read again from shortly before the last look, or,
    with `anew`, from `first_since`.
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
    """Note that all before `cursor` is kept, `posts` of it new; None = nothing yet: the next reading begins anew."""
    row = session.get_one(AccountRow, account_id, with_for_update=True)
    row.backfill_cursor = cursor
    row.backfill_posts += posts


def finish_backfill(session: Session, account_id: str, now: datetime) -> None:
    """Note that the history is read to its end."""
    row = session.get_one(AccountRow, account_id, with_for_update=True)
    row.backfill_cursor = None
    row.backfill_finished_at = now
