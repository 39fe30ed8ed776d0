"""Content calendar: publications of a period by local day, with conflicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import resolve_time
from warehouse.scheduling.occurrences import rule_of
from warehouse.scheduling.placement import HARD_GAP
from warehouse.scheduling.queue_slots import zone_of
from warehouse.scheduling.queue_times import WeeklySlot, slot_instants
from warehouse.store.accounts.accounts import get_account
from warehouse.store.posts.reads import list_calendar
from warehouse.store.schedules.queue_models import QueueSlot
from warehouse.store.schedules.recurrence_models import Recurrence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from warehouse.store.models import AccountRow, Post, Publication

DEFAULT_SPAN = timedelta(days=30)
LONGEST_SPAN = timedelta(days=366)
MOST_ENTRIES = 5000
MOST_RULES = 200
FEED_PAST = timedelta(days=30)
"""How far back a calendar feed reaches."""


def read_planned(
    session: Session, workspace_id: str, start: datetime, end: datetime, account_id: str | None
) -> list[tuple[Publication, Post]]:
    """Return the publications in and slightly around [start, end). Raises NotFoundError, InvalidInputError."""
    if account_id is not None:
        get_account(session, workspace_id, account_id)
    planned = list_calendar(
        session,
        workspace_id,
        # Slightly beyond both ends, to show conflicts across them.
        start=start - HARD_GAP,
        end=end + HARD_GAP,
        account_id=account_id,
        limit=MOST_ENTRIES + 1,
    )
    if len(planned) > MOST_ENTRIES:
        raise _refuse("to", "span_too_long", f"more than {MOST_ENTRIES} entries: ask for a shorter span")
    return planned


def read_feed_span(
    session: Session, workspace_id: str, now: datetime, account_id: str | None
) -> list[tuple[Publication, Post]]:
    """Return the content of a feed: from a month ago to eleven months ahead. Raises like `read_planned`."""
    start = now - FEED_PAST
    return read_planned(session, workspace_id, start, start + LONGEST_SPAN, account_id)


def resolve_span(
    from_: str | None, to: str | None, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """Return the requested span as [start, end) in UTC; default: 30 days from local midnight.

    Raises InvalidInputError with the name of the parameter.
    """
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    start = resolve_time(from_, zone, field="from").at if from_ else midnight.astimezone(UTC)
    end = resolve_time(to, zone, field="to").at if to else start + DEFAULT_SPAN
    if end <= start:
        raise _refuse("to", "empty_span", "'to' must be after 'from'")
    if end - start > LONGEST_SPAN:
        raise _refuse("to", "span_too_long", f"ask for at most {LONGEST_SPAN.days} days")
    return start, end


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A time that no post has yet: a free queue slot, or an occurrence of a rule that is not made yet."""

    at: datetime
    """UTC."""
    platforms: Sequence[str]
    content: str | None
    """The rule's text; None = a free slot."""


def list_open_places(  # noqa: PLR0917 (the accounts, their plan, and the span)
    session: Session,
    workspace_id: str,
    accounts: Sequence[AccountRow],
    planned: Sequence[tuple[Publication, Post]],
    start: datetime,
    end: datetime,
) -> list[OpenPlace]:
    """Return the free slots of these accounts and the occurrences to come between start and end, earliest first."""
    taken = {(row.account_id, post.scheduled_at) for row, post in planned}
    slots: dict[str, list[WeeklySlot]] = {}
    chosen = select(QueueSlot).where(QueueSlot.account_id.in_([row.id for row in accounts]))
    for slot in session.scalars(chosen):
        known = WeeklySlot(slot.weekday, time.fromisoformat(slot.local_time))
        slots.setdefault(slot.account_id, []).append(known)
    free: dict[datetime, list[str]] = {}
    for account in accounts:
        weekly = slots.get(account.id, [])
        for at in slot_instants(weekly, zone_of(session, account), start, end) if weekly else ():
            if (account.id, at) not in taken and start < at < end:
                free.setdefault(at, []).append(account.platform)
    places = [OpenPlace(at, names, None) for at, names in free.items()]
    by_id = {row.id: row.platform for row in accounts}
    query = select(Recurrence).where(
        Recurrence.workspace_id == workspace_id,
        Recurrence.deleted_at.is_(None),
        Recurrence.made_until.is_not(None),
        Recurrence.made_until < end,
    )
    for row in session.scalars(query.limit(MOST_RULES)):
        platforms = list(dict.fromkeys(by_id[one] for one in row.contents if one in by_id))
        if platforms:
            found = rule_of(row).between(max(start, row.made_until or start), end).found
            places += [OpenPlace(one.at, platforms, row.content) for one in found]
    return sorted(places, key=lambda place: place.at)


def describe_calendar(
    planned: Sequence[tuple[Publication, Post]], zone: ZoneInfo, start: datetime, end: datetime
) -> dict[str, Any]:
    """Return the publications within [start, end) by local day, with conflicts, as plain values for the API."""
    conflicts = _find_conflicts(planned)
    days: dict[str, dict[str, Any]] = {}
    for publication, post in planned:
        at = post.scheduled_at
        if at is None or not start <= at < end:
            continue
        local = at.astimezone(zone)
        day = days.setdefault(
            local.date().isoformat(), {"date": local.date(), "weekday": local.weekday(), "entries": []}
        )
        day["entries"].append(
            {
                "post_id": post.id,
                "publication_id": publication.id,
                "account_id": publication.account_id,
                "platform": publication.platform,
                "status": publication.status,
                "reason": publication.reason,
                "content": str(publication.content.get("text", "")),
                "scheduled_at": at,
                "local_time": local,
                "published_at": publication.published_at,
                "permalink": publication.permalink,
                "conflicts": conflicts.get(publication.id, []),
            }
        )
    return {"timezone": zone.key, "from": start, "to": end, "data": list(days.values())}


def _find_conflicts(planned: Sequence[tuple[Publication, Post]]) -> dict[str, list[str]]:
    """Return, by publication, the publications of the same account that are too close. `planned` is sorted."""
    conflicts: dict[str, list[str]] = {}
    by_account: dict[str, list[tuple[datetime, str]]] = {}
    for publication, post in planned:
        if post.scheduled_at is not None:
            by_account.setdefault(publication.account_id, []).append((post.scheduled_at, publication.id))
    for entries in by_account.values():
        for position, (at, publication_id) in enumerate(entries):
            for later_at, later_id in entries[position + 1 :]:
                if later_at - at >= HARD_GAP:
                    break
                conflicts.setdefault(publication_id, []).append(later_id)
                conflicts.setdefault(later_id, []).append(publication_id)
    return conflicts


def _refuse(field: str, code: str, words: str) -> InvalidInputError:
    # The pointer of a query parameter is its plain name.
    return InvalidInputError.from_entries([{"pointer": field, "code": code, "detail": words}])
