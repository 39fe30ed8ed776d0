"""Weekly queue slots of an account and the next free slot. Two posts never take the same slot.

A slot is chosen and taken in one transaction, under the lock on the accounts from `list_target_accounts`.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.scheduling.queue_times import WeeklySlot, slot_instants
from warehouse.store.access.workspaces import get_workspace
from warehouse.store.accounts.accounts import get_account
from warehouse.store.database import new_id
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.schedules.queue_models import QueueSlot

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

    from warehouse.store.accounts.target_accounts import AnyAccount

MOST_SLOTS = 200
"""Per account: more than one per hour, every day."""
REACH = timedelta(days=366)
"""How far ahead a queue can fill up."""
_STEP = timedelta(days=35)


def _weekly(slot: QueueSlot) -> WeeklySlot:
    return WeeklySlot(slot.weekday, time.fromisoformat(slot.local_time))


def zone_of(session: Session, account: AnyAccount) -> ZoneInfo:
    """Return the zone of an account's slots: its own, or the workspace's."""
    return ZoneInfo(account.timezone or get_workspace(session, account.workspace_id).timezone)


def list_slots(session: Session, workspace_id: str, account_id: str) -> list[QueueSlot]:
    """Return an account's slots in the order of the week. Raises NotFoundError."""
    get_account(session, workspace_id, account_id)
    query = select(QueueSlot).where(QueueSlot.account_id == account_id)
    return list(session.scalars(query.order_by(QueueSlot.weekday, QueueSlot.local_time)))


def add_slot(  # noqa: PLR0917 (the fields of a slot)
    session: Session, workspace_id: str, account_id: str, weekday: int, local_time: str, now: datetime
) -> QueueSlot:
    """Add a slot. Raises InvalidInputError, NotFoundError, ConflictError (code duplicate) if the slot exists."""
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


def change_slot(  # noqa: PLR0917 (the address and the fields of a slot)
    session: Session,
    workspace_id: str,
    account_id: str,
    slot_id: str,
    weekday: int | None = None,
    local_time: str | None = None,
) -> QueueSlot:
    """Move a slot; posts that took it keep their time. Raises like `add_slot`."""
    _lock_account(session, workspace_id, account_id)
    row = get_slot(session, workspace_id, account_id, slot_id)
    others = [one for one in list_slots(session, workspace_id, account_id) if one.id != row.id]
    row.weekday = row.weekday if weekday is None else weekday
    row.local_time = row.local_time if local_time is None else _parse_time(local_time)
    _refuse_duplicate(others, row)
    return row


def remove_slot(session: Session, workspace_id: str, account_id: str, slot_id: str) -> QueueSlot:
    """Remove a slot; posts that took it keep their time. Raises NotFoundError."""
    row = get_slot(session, workspace_id, account_id, slot_id)
    session.delete(row)
    return row


def get_slot(session: Session, workspace_id: str, account_id: str, slot_id: str) -> QueueSlot:
    """Return a slot of the account. Raises NotFoundError, also for a slot of another account or workspace."""
    get_account(session, workspace_id, account_id)
    row = session.get(QueueSlot, slot_id)
    if row is None or row.account_id != account_id or row.workspace_id != workspace_id:
        raise NotFoundError(f"there is no queue slot {slot_id} on this account")
    return row


def replace_slots(
    session: Session,
    workspace_id: str,
    account_id: str,
    wanted: Collection[tuple[int, str]],
    now: datetime,
) -> list[QueueSlot]:
    """Replace an account's slots with these (weekday, HH:MM); unchanged slots keep their ids.

    Raises like `add_slot`.
    """
    _lock_account(session, workspace_id, account_id)
    places = {(weekday, _parse_time(local_time)) for weekday, local_time in wanted}
    known = {(row.weekday, row.local_time): row for row in list_slots(session, workspace_id, account_id)}
    for place in known.keys() - places:
        session.delete(known[place])
    session.flush()
    for weekday, local_time in sorted(places - known.keys()):
        add_slot(session, workspace_id, account_id, weekday, local_time, now)
    return list_slots(session, workspace_id, account_id)


def describe_slot(session: Session, row: QueueSlot, now: datetime) -> dict[str, Any]:
    """Return a slot as all interfaces show it, with its next time, taken or not."""
    zone = zone_of(session, get_account(session, row.workspace_id, row.account_id))
    return {
        "id": row.id,
        "account_id": row.account_id,
        "weekday": row.weekday,
        "time": row.local_time,
        "timezone": zone.key,
        # Two weeks, because a zone may skip a whole day.
        "next_at": min(slot_instants([_weekly(row)], zone, now, now + timedelta(days=15))),
    }


def next_free_slot(
    session: Session,
    accounts: Sequence[AnyAccount],
    now: datetime,
    *,
    except_post_id: str | None = None,
) -> datetime:
    """Return the first instant (UTC) that is a free slot on each of these accounts.

    `except_post_id`: the post being moved. Raises InvalidInputError: an account without slots, no common slot, or a
    queue that is full for a year.
    """
    weekly = {}
    for account in accounts:
        slots = [_weekly(slot) for slot in list_slots(session, account.workspace_id, account.id)]
        if not slots:
            raise InvalidInputError(
                f"{account.platform} @{account.handle} has no queue slots: add one to "
                f"account {account.id} first",
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
        else "these accounts have no common queue slot: add one, or create a post for each account",
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
        # Use the post's time: a draft's publication has no time, but keeps its slot.
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
        if _weekly(known) == _weekly(row):
            raise ConflictError(
                f"the account already has this slot ({known.id})", code="duplicate", existing_id=known.id
            )


def _parse_time(text: str) -> str:
    try:
        at = time.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.second or at.microsecond:
        raise InvalidInputError(
            f"{text!r} is not a valid time of day: write HH:MM such as 09:30",
            field="time",
            code="invalid_time",
        )
    return at.strftime("%H:%M")
