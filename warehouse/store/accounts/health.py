"""Health of a connected account: whether it can be used, since or until when, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.models import AccountRow

HealthStatus = Literal["ok", "limited", "expiring", "expired", "revoked", "disconnected", "imported"]

EXPIRING_WITHIN = timedelta(days=7)
"""A long-lived token (60 days) counts as expiring this long before its expiry."""
EXPIRING_SHARE = 0.1
"""A short-lived token (2 h) counts as expiring in the last tenth of its lifetime: a refresh is overdue then."""


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """Whether the account can be used, since or until when, and why."""

    status: HealthStatus
    reason: str | None = None
    at: datetime | None = None
    """When the health changed, or (expiring) when it will change."""


def account_health(row: AccountRow, now: datetime) -> AccountHealth:
    """Return the health of the account."""
    match row.status:
        case "revoked":
            return AccountHealth("revoked", row.status_reason, row.status_changed_at)
        case "disconnected":
            return AccountHealth("disconnected", row.status_reason, row.status_changed_at)
        case "imported":
            return AccountHealth(
                "imported", "its history was imported; it is not connected", row.connected_at
            )
        case _:
            return _token_health(row, now)


def _token_health(row: AccountRow, now: datetime) -> AccountHealth:
    end = row.token_expires_at
    if row.status_reason is not None and (end is None or end > now):
        return AccountHealth("limited", row.status_reason, row.status_changed_at)
    if end is None:
        return AccountHealth("ok")
    if end <= now:
        return AccountHealth("expired", "the access token has expired and was not refreshed", end)
    issued = row.last_verified_at or row.connected_at
    if end - now <= min(EXPIRING_WITHIN, (end - issued) * EXPIRING_SHARE):
        return AccountHealth("expiring", "the access token expires soon and has not been refreshed yet", end)
    return AccountHealth("ok", None, end)
