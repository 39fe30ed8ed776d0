"""Find rows by the beginning of their id, for people who type ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.store.access.models import DashboardSession
from warehouse.store.models import AccountRow, ApiKey, Post, Publication
from warehouse.store.posts.media import MediaUpload
from warehouse.store.schedules.calendar_feeds import CalendarFeed
from warehouse.store.schedules.queue_models import QueueSlot
from warehouse.store.schedules.recurrence_models import Recurrence
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_TABLES: tuple[Any, ...] = (
    *(Post, Publication, AccountRow, ApiKey, DashboardSession, MediaUpload, CalendarFeed, QueueSlot),
    *(Recurrence, WebhookEndpoint, WebhookDelivery),
)


def find_ids(session: Session, workspace_id: str, beginning: str, *, limit: int) -> list[str]:
    """Return at most `limit` ids of the workspace that begin like this, in any table that has ids for people."""
    found: list[str] = []
    for table in _TABLES:
        query = select(table.id).where(table.id >= beginning, table.id < f"{beginning}~")
        if hasattr(table, "workspace_id"):
            query = query.where(table.workspace_id == workspace_id)
        found += session.scalars(query.limit(limit))
    return found[:limit]
