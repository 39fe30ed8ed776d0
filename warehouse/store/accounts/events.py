"""Webhook events of accounts: a refused or expiring token, written in the transaction of the change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.store.accounts.health import account_health
from warehouse.store.webhooks.outbox import Happening, write_events

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import AccountRow


def announce_revoked(session: Session, account: AccountRow, now: datetime) -> None:
    """Write the event that a platform refuses an account's token."""
    write_events(
        session, [Happening(account.workspace_id, "account.revoked", _account_data(account, now))], now
    )


def announce_expiring(session: Session, accounts: Iterable[AccountRow], now: datetime) -> int:
    """Write one event per token that expires soon or has expired without a refresh; return the number of events."""
    happenings = [
        Happening(
            row.workspace_id,
            "account.expiring",
            _account_data(row, now),
            once_key=f"account.expiring/{row.id}/{row.token_expires_at.isoformat()}",
        )
        for row in accounts
        if row.token_expires_at is not None and account_health(row, now).status in {"expiring", "expired"}
    ]
    return write_events(session, happenings, now)


def _account_data(row: AccountRow, now: datetime) -> dict[str, Any]:
    health = account_health(row, now)
    return {
        "account": {
            "id": row.id,
            "platform": row.platform,
            "handle": row.handle,
            "display_name": row.display_name,
            "external_id": row.external_id,
            "instance_url": row.instance_url or None,
            "status": row.status,
            "health": {"status": health.status, "reason": health.reason, "at": health.at},
        }
    }
