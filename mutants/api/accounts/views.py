"""From the store's rows of an account to the shapes of the API. No credential passes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.accounts.schemas import AccountOut, DisconnectOut, Health
from warehouse.store.accounts.accounts import account_health

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from warehouse.store.models import AccountRow


def render_account(row: AccountRow, now: datetime) -> AccountOut:
    """Return the view of an account."""
    return AccountOut(**_common(row, now))


def render_disconnected(row: AccountRow, canceled: Sequence[str], now: datetime) -> DisconnectOut:
    """Return the view of an account that was just disconnected."""
    return DisconnectOut(**_common(row, now), canceled_publication_ids=list(canceled))


def _common(row: AccountRow, now: datetime) -> dict[str, Any]:
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
        "health": Health(status=health.status, reason=health.reason, at=health.at),
        "timezone": row.timezone,
        "connected_at": row.connected_at,
        "paused_at": row.paused_at,
        "rate_limited_until": row.rate_limited_until if waits else None,
        "rate_limit_reason": row.rate_limit_reason if waits else None,
        "last_error": row.last_error,
    }
