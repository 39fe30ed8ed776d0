"""Resolve the platforms and account ids of a post to its target accounts."""

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
    """The columns of an `AccountRow` that planning reads; same names, so either type works."""

    id: str
    workspace_id: str
    platform: str
    handle: str
    text_limit: int | None
    timezone: str | None
    status: str


AnyAccount = AccountRow | TargetAccount

_COLUMNS = AccountRow.__table__.c
# Built once: building a statement and its cache key takes longer than running it.
_CONNECTED = (
    select(*(_COLUMNS[name] for name in TargetAccount._fields))
    .where(_COLUMNS.workspace_id == bindparam("workspace_id"), _COLUMNS.status.in_(("active", "revoked")))
    .order_by(_COLUMNS.id)
)
# Posts to the same account are serialised, because the duplicate check and the choice of a free time must see the
# earlier post. Locks all accounts of the workspace in id order, so that bulk requests cannot deadlock.
_LOCKED = _CONNECTED.with_for_update()


_KEPT = "locked_target_accounts"


def keep_locked_accounts(session: Session, *, kept: bool = True) -> None:
    """Lock and read a workspace's accounts only once from now on, for many posts of one transaction.

    Only while the transaction changes no account. Call it again after a rollback to a savepoint, which may have given
    up the locks; call it with `kept=False` at the end.
    """
    session.info[_KEPT] = {} if kept else None


def list_target_accounts(
    session: Session,
    workspace_id: str,
    *,
    platforms: Collection[Platform] = (),
    account_ids: Collection[str] = (),
    lock: bool = True,
) -> list[TargetAccount]:
    """Return the target accounts of a post, locked for the caller's transaction unless it only reads.

    A platform stands for all its connected accounts, unless `account_ids` selects some of that platform.
    Raises InvalidInputError: an unknown or disconnected account, or a platform without a connected account.
    """
    kept: dict[str, dict[str, TargetAccount]] | None = session.info.get(_KEPT) if lock else None
    connected = None if kept is None else kept.get(workspace_id)
    if connected is None:
        session.flush()
        rows = session.connection().execute(_LOCKED if lock else _CONNECTED, {"workspace_id": workspace_id})
        connected = {row.id: TargetAccount._make(row) for row in rows}
        if kept is not None:
            kept[workspace_id] = connected
    chosen: dict[str, TargetAccount] = {}
    for account_id in account_ids:
        if account_id not in connected:
            raise InvalidInputError(
                f"no account {account_id} is connected in this workspace: take an id from the list of accounts",
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
                f"no {platform} account is connected: connect one first",
                field="platforms",
                code="platform_not_connected",
            )
        chosen |= of_platform
    for row in chosen.values():
        if row.status == "revoked":
            raise InvalidInputError(
                f"{row.platform} refuses the token of @{row.handle}: connect the account again",
                field="account_ids" if row.id in account_ids else "platforms",
                code="account_revoked",
            )
    return list(chosen.values())
