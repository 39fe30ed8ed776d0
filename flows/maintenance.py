"""The nightly housekeeping, as plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.webhook_settings import WebhookSettings
from flows.account_runs import utc_now
from warehouse.store.webhook_state import forget_old_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flows.resources import Resources


def maintain_stores(resources: Resources, *, clock: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """Maintain both stores and return what was done. Raises ConflictError, SetupError."""
    from warehouse.lake.maintenance import maintain_lake  # noqa: PLC0415 (see flows.resources)

    forgotten = forget_events(resources, clock() - WebhookSettings().kept_for)
    return {**maintain_lake(resources.lake, clock()), "webhook_events_forgotten": forgotten}


def forget_events(resources: Resources, before: datetime) -> int:
    """Remove webhook events from before then, and their log; return how many. Many short transactions."""
    total = 0
    while True:
        with resources.store.write() as session:
            forgotten = forget_old_events(session, before)
        if not forgotten:
            return total
        total += forgotten
