"""Cursors of incremental exports: snapshots of the lake that maintenance must not thin out yet.

An export compares the lake with its state at the cursor, so that state must still be readable.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from warehouse.store.measuring.export_cursor_models import ExportCursor

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

KEEP_CURSORS = timedelta(days=7)
"""How long an incremental export can continue from a cursor."""
MOST_CURSORS = 100
"""The newest cursors that are kept: every kept snapshot keeps its files."""


def note_cursor(session: Session, snapshot_id: int, now: datetime) -> None:
    """Record that an answer named this snapshot as its cursor, and forget the oldest ones."""
    session.merge(ExportCursor(snapshot_id=snapshot_id, handed_at=now))
    session.flush()
    session.execute(delete(ExportCursor).where(ExportCursor.handed_at < now - KEEP_CURSORS))


def list_cursors(session: Session, now: datetime) -> list[int]:
    """Return the snapshots that exports may continue from, newest first."""
    query = select(ExportCursor.snapshot_id).where(ExportCursor.handed_at >= now - KEEP_CURSORS)
    return list(session.scalars(query.order_by(ExportCursor.handed_at.desc()).limit(MOST_CURSORS)))
