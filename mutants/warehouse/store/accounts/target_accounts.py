"""Whom a post goes to: the accounts that a request means, as far as writing to them needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, select

from warehouse.errors import InvalidInputError
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from connectors.types import Platform


class TargetAccount(NamedTuple):
    """What of an `AccountRow` a post's planning reads; the names are the same, so that either does."""

    id: str
    workspace_id: str
    platform: str
    handle: str
    text_limit: int | None
    timezone: str | None
    status: str


AnyAccount = AccountRow | TargetAccount

_COLUMNS = AccountRow.__table__.c
# Kept: building a statement and the key of its compiled form takes longer than running it.
_CONNECTED = (
    select(*(_COLUMNS[name] for name in TargetAccount._fields))
    .where(_COLUMNS.workspace_id == bindparam("workspace_id"), _COLUMNS.status.in_(("active", "revoked")))
    .order_by(_COLUMNS.id)
)
# Two posts to the same account wait for each other: the duplicate guard and the choice of a free time must see the
# first one. All of the workspace's, in the order of their ids: bulk requests must not wait for each other in a ring.
_LOCKED = _CONNECTED.with_for_update()


def list_target_accounts(
    session: Session,
    workspace_id: str,
    *,
    platforms: Collection[Platform] = (),
    account_ids: Collection[str] = (),
    lock: bool = True,
) -> list[TargetAccount]:
    """Return the accounts that a post goes to, locked for the caller's transaction unless it only asks.

    A platform means each of its connected accounts, unless `account_ids` picks some of that platform.
    Raises InvalidInputError: an unknown or disconnected account, a platform without a connected one.
    """
    session.flush()
    rows = session.connection().execute(_LOCKED if lock else _CONNECTED, {"workspace_id": workspace_id})
    connected = {row.id: TargetAccount._make(row) for row in rows}
    chosen: dict[str, TargetAccount] = {}
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
