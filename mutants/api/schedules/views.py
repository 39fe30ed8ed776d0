"""What is planned, as the calendar tells it: a span of time, local days, conflicts; and as iCalendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from api.http.errors import problem_at
from api.http.times import resolve_time
from api.schedules.schemas import CalendarDay, CalendarEntry
from warehouse.scheduling.placement import HARD_GAP
from warehouse.store.accounts.accounts import get_account
from warehouse.store.posts.reads import list_calendar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from warehouse.store.models import Post, Publication
    from warehouse.store.posts.idempotency import StoreSession

DEFAULT_SPAN = timedelta(days=30)
LONGEST_SPAN = timedelta(days=366)
MOST_ENTRIES = 5000


def read_planned(
    session: StoreSession, workspace_id: str, start: datetime, end: datetime, account_id: str | None
) -> list[tuple[Publication, Post]]:
    """Return what is planned in and a little around [start, end). Raises NotFoundError, and a 422 for too much."""
    if account_id is not None:
        get_account(session, workspace_id, account_id)
    planned = list_calendar(
        session,
        workspace_id,
        # A little beyond both ends, so that conflicts across them show.
        start=start - HARD_GAP,
        end=end + HARD_GAP,
        account_id=account_id,
        limit=MOST_ENTRIES + 1,
    )
    if len(planned) > MOST_ENTRIES:
        raise problem_at("to", "span_too_long", f"more than {MOST_ENTRIES} entries: ask for a shorter span")
    return planned


def resolve_span(
    from_: str | None, to: str | None, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """Return the asked span as [start, end) in UTC; default: 30 days from the local midnight on."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    start = resolve_time(from_, zone, field="from").at if from_ else midnight.astimezone(UTC)
    end = resolve_time(to, zone, field="to").at if to else start + DEFAULT_SPAN
    if end <= start:
        raise problem_at("to", "empty_span", "'to' must be after 'from'")
    if end - start > LONGEST_SPAN:
        raise problem_at("to", "span_too_long", f"ask for at most {LONGEST_SPAN.days} days")
    return start, end


def group_by_day(
    planned: Sequence[tuple[Publication, Post]], zone: ZoneInfo, start: datetime, end: datetime
) -> list[CalendarDay]:
    """Return what is planned within [start, end) by local day, with conflicts."""
    conflicts = _find_conflicts(planned)
    days: dict[str, CalendarDay] = {}
    for publication, post in planned:
        at = post.scheduled_at
        if at is None or not start <= at < end:
            continue
        local = at.astimezone(zone)
        day = days.setdefault(
            local.date().isoformat(), CalendarDay(date=local.date(), weekday=local.weekday(), entries=[])
        )
        day.entries.append(
            CalendarEntry(
                post_id=post.id,
                publication_id=publication.id,
                account_id=publication.account_id,
                platform=publication.platform,
                status=publication.status,
                reason=publication.reason,
                content=str(publication.content.get("text", "")),
                scheduled_at=at,
                local_time=local,
                published_at=publication.published_at,
                permalink=publication.permalink,
                conflicts=conflicts.get(publication.id, []),
            )
        )
    return list(days.values())


def _find_conflicts(planned: Sequence[tuple[Publication, Post]]) -> dict[str, list[str]]:
    """Return, by publication, the neighbours on the same account that are too close. `planned` is in order."""
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
