"""State of the publishing queue over all workspaces: counts for monitoring, no content."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, literal_column, select, union_all

from warehouse.store.models import AccountRow, Publication, Workspace, is_in_progress, is_planned
from warehouse.store.publishing.later_parts import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.database import Store

LATE_AFTER = timedelta(minutes=1)
STALE_UNKNOWN_AFTER = timedelta(minutes=10)
UNREAD_AFTER = timedelta(hours=1)
"""How long a due snapshot may wait for the ingest, which runs every five minutes."""


QUEUE = ("draft", "scheduled", "claimed", "sending", "unknown", "needs_review")
HISTORY = ("published", "failed", "canceled")
"""Statuses in which publications stay: their number grows for as long as the installation lives."""
HISTORY_COUNTED_EVERY = timedelta(minutes=10)
HISTORY_REMEMBERED_FROM = 20_000
"""A shorter history is counted each time, in milliseconds."""


FIRST_COUNT_AWAITED = timedelta(seconds=1)
"""How long the first reading of a process waits for the count of a long history."""
_BY_STATUS = select(Publication.status, func.count()).group_by(Publication.status)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueState:
    """One reading of the queue."""

    late: int
    """Publications more than LATE_AFTER past their time, for any reason but a manual pause."""
    oldest_late_seconds: float
    revoked: int
    """Accounts whose token the platform rejects."""
    stale_unknown: int
    """Publications whose outcome has been unknown for STALE_UNKNOWN_AFTER."""
    unknown: int
    """Publications whose outcome is unknown."""
    needs_review: int
    """Publications that wait for a person's decision."""
    failed_parts: int
    """Published posts of which a later part was refused and can be retried."""
    retrying: int
    """Scheduled publications whose last attempt did not reach the platform, or was refused for the time being."""


def get_queue_state(session: Session, now: datetime) -> QueueState:
    """Return the queue's state at `now`. Its cost grows with the queue, not with what is published."""
    by_status = (
        select(Publication.status, func.count())
        .where(Publication.status.in_(("unknown", "needs_review")))
        .group_by(Publication.status)
    )
    planned = func.coalesce(Publication.rest_at, Publication.scheduled_at)
    # Not joined: PostgreSQL was seen to read the history of each account, or everything late once for each account.
    unpaused = (
        Publication.account_id.not_in(select(AccountRow.id).where(AccountRow.paused_at.is_not(None))),
        Publication.workspace_id.not_in(
            select(Workspace.id).where(Workspace.publishing_paused_at.is_not(None))
        ),
        Publication.due_at.is_not(None),  # otherwise it waits for approval, which is a manual pause too
        planned < now - LATE_AFTER,
    )
    parts = union_all(
        *(
            select(func.count().label("number"), func.min(planned).label("oldest")).where(is_one, *unpaused)
            # Two parts, each with an index of its own; what waits for a later part is in progress from its time on.
            for is_one in (
                and_(is_in_progress(), Publication.scheduled_at < now - LATE_AFTER),
                and_(is_planned(), Publication.status == "published"),
            )
        )
    ).subquery()
    late, oldest = session.execute(select(func.sum(parts.c.number), func.min(parts.c.oldest))).one()
    stale_unknown = select(func.count()).where(
        Publication.status == "unknown", Publication.unknown_since < now - STALE_UNKNOWN_AFTER
    )
    failed_parts = select(func.count()).where(
        Publication.status == "published", Publication.rest == literal_column(f"'{FAILED}'")
    )
    revoked = select(func.count()).where(AccountRow.status == "revoked")
    # Only what has fallen due can have been tried: the index of what is in progress finds it.
    retrying = select(func.count()).where(
        is_in_progress(),
        Publication.status == "scheduled",
        Publication.scheduled_at <= now,
        Publication.attempts > 0,
    )
    counts: dict[str, int] = dict(session.execute(by_status).all())
    return QueueState(
        late=int(late or 0),
        oldest_late_seconds=(now - oldest).total_seconds() if oldest is not None else 0.0,
        revoked=session.scalar(revoked) or 0,
        stale_unknown=session.scalar(stale_unknown) or 0,
        unknown=counts.get("unknown", 0),
        needs_review=counts.get("needs_review", 0),
        failed_parts=session.scalar(failed_parts) or 0,
        retrying=session.scalar(retrying) or 0,
    )


class StatusCounter:
    """Counts publications by status, for a process that is asked again and again.

    A long history is counted in a thread of its own, at most every HISTORY_COUNTED_EVERY and so seldom that counting
    takes at most a thousandth of the time: ten million rows take a second, and monitoring asks every 15 seconds. In
    between, the last count is told.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """For tests: a clock, and what runs the count of a long history."""
        self._monotonic = monotonic
        self._start = start or _start_thread
        self._lock = threading.Lock()
        self._counting = False
        self._counted = threading.Event()
        self._history: dict[str, int] | None = None
        """The last count of a long history; None = the history is short, or not counted yet."""
        self._next_count = 0.0

    def read(self, session: Session, store: Store) -> dict[str, int]:
        """Return the number of publications by status; statuses without any are left out.

        `store`: where `session` reads. Published, failed and canceled ones are left out until a long history has been
        counted for the first time.
        """
        queue = dict(session.execute(_BY_STATUS.where(Publication.status.in_(QUEUE))).all())
        if self._history is None:
            few = select(Publication.status).where(Publication.status.in_(HISTORY))
            few_rows = few.limit(HISTORY_REMEMBERED_FROM + 1).subquery()
            short: dict[str, int] = dict(
                session.execute(select(few_rows.c.status, func.count()).group_by(few_rows.c.status)).all()
            )
            if sum(short.values()) <= HISTORY_REMEMBERED_FROM:
                return queue | short
        with self._lock:
            is_due = not self._counting and self._monotonic() >= self._next_count
            self._counting |= is_due
        if is_due:
            self._start(lambda: self._count(store))
        if self._history is None:
            self._counted.wait(FIRST_COUNT_AWAITED.total_seconds())
        return queue | (self._history or {})

    def _count(self, store: Store) -> None:
        began, took = self._monotonic(), 0.0
        try:
            with store.read() as session:
                history = dict(session.execute(_BY_STATUS.where(Publication.status.in_(HISTORY))).all())
            took = self._monotonic() - began
            self._history = history
            self._counted.set()
        except Exception:  # any driver error: the store is away; the next reading tries again
            logger.warning("the history could not be counted", exc_info=True)
        finally:
            wait = max(HISTORY_COUNTED_EVERY.total_seconds(), took * 1000)
            with self._lock:
                self._next_count = began + (wait if self._counted.is_set() else 0)
                self._counting = False


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="history-count", daemon=True).start()


def get_oldest_unread(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """Return how many snapshots of connected accounts are due for over UNREAD_AFTER, and since when."""
    count, oldest = session.execute(
        select(func.count(), func.min(Publication.next_snapshot_at))
        .select_from(Publication)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(Publication.next_snapshot_at < now - UNREAD_AFTER, AccountRow.status == "active")
    ).one()
    return count, oldest
