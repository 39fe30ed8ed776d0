"""Weekly slots of an account, and the next one that is free. Two posts never take the same slot.

Choosing and taking are one transaction, under the lock on the accounts that `list_target_accounts` takes.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.scheduling.queue_times import WeeklySlot, slot_instants
from warehouse.store.access.workspaces import get_workspace
from warehouse.store.accounts.accounts import get_account
from warehouse.store.database import new_id
from warehouse.store.models import AccountRow, Base, Post, Publication

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

    from warehouse.store.accounts.target_accounts import AnyAccount

MOST_SLOTS = 200
"""On one account: more than one an hour, every day."""
REACH = timedelta(days=366)
"""How far a queue may fill up."""
_STEP = timedelta(days=35)


class QueueSlot(Base):
    """A local time of every week at which an account's queue sends one post."""

    __tablename__ = "queue_slots"
    __table_args__ = (UniqueConstraint("account_id", "weekday", "local_time"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    weekday: Mapped[int] = mapped_column(Integer)
    """0 = Monday."""
    local_time: Mapped[str] = mapped_column(String(5))
    """HH:MM in the account's zone."""
    created_at: Mapped[datetime]

    @property
    def weekly(self) -> WeeklySlot:
        """The slot as `warehouse.scheduling.queue_times` takes it."""
        return WeeklySlot(self.weekday, time.fromisoformat(self.local_time))


def zone_of(session: Session, account: AnyAccount) -> ZoneInfo:
    """Return the zone in which an account's slots are read: its own, or the workspace's."""
    return ZoneInfo(account.timezone or get_workspace(session, account.workspace_id).timezone)


def list_slots(session: Session, workspace_id: str, account_id: str) -> list[QueueSlot]:
    """Return an account's slots in the order of the week. Raises NotFoundError."""
    get_account(session, workspace_id, account_id)
    query = select(QueueSlot).where(QueueSlot.account_id == account_id)
    return list(session.scalars(query.order_by(QueueSlot.weekday, QueueSlot.local_time)))


def add_slot(  # noqa: PLR0917 (a place in the week)
    session: Session, workspace_id: str, account_id: str, weekday: int, local_time: str, now: datetime
) -> QueueSlot:
    """Add a slot. Raises InvalidInputError, NotFoundError, ConflictError (code duplicate) for one that is there."""
    _lock_account(session, workspace_id, account_id)
    slots = list_slots(session, workspace_id, account_id)
    if len(slots) >= MOST_SLOTS:
        raise ConflictError(f"the account has {MOST_SLOTS} slots: remove some first", code="too_many_slots")
    row = QueueSlot(
        id=new_id("slot"),
        workspace_id=workspace_id,
        account_id=account_id,
        weekday=weekday,
        local_time=_parse_time(local_time),
        created_at=now,
    )
    _refuse_duplicate(slots, row)
    session.add(row)
    session.flush()
    return row


def change_slot(  # noqa: PLR0917 (an address and a place in the week)
    session: Session,
    workspace_id: str,
    account_id: str,
    slot_id: str,
    weekday: int | None = None,
    local_time: str | None = None,
) -> QueueSlot:
    """Move a slot; posts that took it stay where they are. Raises as `add_slot`."""
    _lock_account(session, workspace_id, account_id)
    row = get_slot(session, workspace_id, account_id, slot_id)
    others = [one for one in list_slots(session, workspace_id, account_id) if one.id != row.id]
    row.weekday = row.weekday if weekday is None else weekday
    row.local_time = row.local_time if local_time is None else _parse_time(local_time)
    _refuse_duplicate(others, row)
    return row


def remove_slot(session: Session, workspace_id: str, account_id: str, slot_id: str) -> QueueSlot:
    """Remove a slot; posts that took it stay where they are. Raises NotFoundError."""
    row = get_slot(session, workspace_id, account_id, slot_id)
    session.delete(row)
    return row


def get_slot(session: Session, workspace_id: str, account_id: str, slot_id: str) -> QueueSlot:
    """Return a slot of the account. Raises NotFoundError, also for another account's or workspace's."""
    get_account(session, workspace_id, account_id)
    row = session.get(QueueSlot, slot_id)
    if row is None or row.account_id != account_id or row.workspace_id != workspace_id:
        raise NotFoundError(f"there is no queue slot {slot_id} on this account")
    return row


def next_free_slot(
    session: Session,
    accounts: Sequence[AnyAccount],
    now: datetime,
    *,
    except_post_id: str | None = None,
) -> datetime:
    """Return the first instant (UTC) that is a slot of each of these accounts and taken on none of them.

    `except_post_id`: the post that is moved. Raises InvalidInputError: an account without slots, no common slot, or
    a queue that is full for a year.
    """
    weekly = {}
    for account in accounts:
        slots = [slot.weekly for slot in list_slots(session, account.workspace_id, account.id)]
        if not slots:
            raise InvalidInputError(
                f"{account.platform} @{account.handle} has no queue slots: "
                f"POST /api/v1/accounts/{account.id}/queue-slots adds one",
                field="scheduled_at",
                code="no_queue_slots",
            )
        weekly[account.id] = (slots, zone_of(session, account))
    shared_any = False
    start = now
    while start < now + REACH:
        end = min(start + _STEP, now + REACH)
        shared = set.intersection(
            *(slot_instants(slots, zone, start, end) for slots, zone in weekly.values())
        )
        shared_any = shared_any or bool(shared)
        free = shared - _taken(session, list(weekly), start, end, except_post_id)
        if free:
            return min(free)
        start = end
    raise InvalidInputError(
        "every common slot of these accounts is taken for a year: add slots, or give a time"
        if shared_any
        else "these accounts have no queue slot at the same time: give them one, or make a post for each",
        field="scheduled_at",
        code="no_free_slot" if shared_any else "no_common_slot",
    )


def _taken(
    session: Session,
    account_ids: Collection[str],
    after: datetime,
    until: datetime,
    except_post_id: str | None,
) -> set[datetime]:
    query = (
        # The post's own time: a draft's publication has none, and keeps its slot all the same.
        select(Post.scheduled_at)
        .join(Publication, Publication.post_id == Post.id)
        .where(
            Publication.account_id.in_(account_ids),
            Publication.status.not_in(("canceled", "failed")),
            Post.scheduled_at > after,
            Post.scheduled_at <= until,
            Post.id != (except_post_id or ""),
        )
    )
    return {at for at in session.scalars(query) if at is not None}


def _lock_account(session: Session, workspace_id: str, account_id: str) -> None:
    get_account(session, workspace_id, account_id)
    session.scalars(select(AccountRow).where(AccountRow.id == account_id).with_for_update()).one()


def _refuse_duplicate(others: Sequence[QueueSlot], row: QueueSlot) -> None:
    for known in others:
        if known.weekly == row.weekly:
            raise ConflictError(
                f"the account has this slot already ({known.id})", code="duplicate", existing_id=known.id
            )


def _parse_time(text: str) -> str:
    try:
        at = time.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.second or at.microsecond:
        raise InvalidInputError(
            f"{text!r} is no time of day: write HH:MM such as 09:30", field="time", code="invalid_time"
        )
    return at.strftime("%H:%M")
