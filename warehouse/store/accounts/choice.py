"""Accounts that a run is asked to read, by ids and platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from warehouse.errors import InvalidInputError
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from connectors.types import Platform


def resolve_accounts(
    session: Session, account_ids: Collection[str] | None, platforms: Collection[Platform] | None
) -> list[str] | None:
    """Return the ids of the chosen accounts, of every workspace; None = all.

    Raises InvalidInputError: an unknown or disconnected account, or one on another platform than the chosen ones.
    """
    if account_ids is None and platforms is None:
        return None
    query = select(AccountRow.id, AccountRow.platform, AccountRow.status).order_by(AccountRow.id)
    rows = {row.id: row for row in session.execute(query)}
    names = None if platforms is None else {str(platform) for platform in platforms}
    if account_ids is None:
        return [row.id for row in rows.values() if names is None or row.platform in names]
    for account_id in account_ids:
        row = rows.get(account_id)
        if row is None:
            raise InvalidInputError(
                f"account_ids: there is no account {account_id}: `socialflow accounts list` shows the ids",
                field="account_ids",
                code="unknown_account",
            )
        if row.status != "active":
            raise InvalidInputError(
                f"account_ids: {account_id} is {row.status}, so it cannot be read: connect it again",
                field="account_ids",
                code="account_not_connected",
            )
        if names is not None and row.platform not in names:
            raise InvalidInputError(
                f"account_ids: {account_id} is on {row.platform}, which is not in platforms",
                field="account_ids",
                code="other_platform",
            )
    return list(account_ids)
