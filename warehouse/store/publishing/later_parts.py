"""Parts of a thread, or a first comment, that are published some time after the part before them.

    published, rest NULL      all parts are out (or the publication has only one)
    published, rest waiting   the next part is due at `rest_at`; claimed, sent and looked up like any publication
    published, rest failed    the platform refused the next part; `reason` says why, a retry continues with it
    published, rest canceled  the parts that are left will not be sent

The publication is `published` from its first part on: it has its receipt, and its metrics are read. Only while a
later part is claimed, sent, looked up or waits for a decision does it have the status of that step. `send_state`
holds the parts that are out, and in STEP the first part of the current step: none of them is ever sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case

from connectors.types import STEP
from warehouse.store.models import Publication
from warehouse.store.publishing.ledger import append_event

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

WAITING: Final = "waiting"
FAILED: Final = "failed"
CANCELED: Final = "canceled"


def is_resting() -> ColumnElement[bool]:
    """Return the condition of a publication that waits for the time of its next part."""
    return and_(Publication.status == "published", Publication.rest == WAITING)


def unless_resting(status: str) -> ColumnElement[str]:
    """Return the status of a publication whose claim is given back: published, if only a later part was claimed."""
    return case((Publication.rest == WAITING, "published"), else_=status)


def begin_rest(row: Publication, *, sent: int, at: datetime) -> None:
    """Let a publication, of which `sent` parts are out, wait for its next part until `at`."""
    row.rest, row.rest_at, row.due_at = WAITING, at, at
    row.first_attempt_at = None  # the next part has its own attempts, and its own window in a look-up
    row.send_state = {**row.send_state, STEP: sent}


def end_rest(row: Publication, state: str | None) -> None:
    """Let a publication rest for good: None = all parts are out."""
    row.status, row.rest = "published", state
    row.rest_at = row.due_at = row.unknown_since = None


def cancel_rest(session: Session, row: Publication, now: datetime, message: str) -> None:
    """Leave out the parts that are not out yet."""
    end_rest(row, CANCELED)
    row.reason_code, row.reason = "later_parts_canceled", message
    row.updated_at = now
    append_event(session, row.id, "parts_canceled", now=now, message=message)


def count_parts(row: Publication) -> tuple[int, int]:
    """Return how many parts of a publication are known to be out, and how many it has."""
    content: dict[str, Any] = row.content
    total = 1 + len(content.get("thread") or ()) + bool(content.get("first_comment"))
    return len(row.send_state.get("sent_parts") or ()), total
