"""Recurring rules as the API tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.schedules.schemas_recurrences import OccurrenceOut, RecurrenceOut, UpcomingOccurrence
from warehouse.planning.recurrences import list_upcoming
from warehouse.scheduling.occurrences import posts_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from warehouse.scheduling.recurrence_rules import RecurrenceRule
    from warehouse.store.posts.idempotency import StoreSession
    from warehouse.store.schedules.recurrence_models import Recurrence

SHOWN = 5


def render_preview(rule: RecurrenceRule, now: datetime, limit: int) -> tuple[list[OccurrenceOut], bool]:
    """Return the rule's next occurrences, and whether more follow."""
    found, has_more = list_upcoming(rule, now, limit)
    return [OccurrenceOut(**one._asdict()) for one in found], has_more


def render_recurrence(
    session: StoreSession, row: Recurrence, now: datetime, warnings: Sequence[str] = ()
) -> RecurrenceOut:
    """Return the view of a rule."""
    upcoming, _ = list_upcoming(rule_of(row), now, SHOWN)
    posts = posts_of(session, row.id, after=now)
    details = row.details
    return RecurrenceOut(
        id=row.id,
        rrule=row.rrule,
        starts_at=row.starts_at,
        timezone=row.timezone,
        exdates=row.skipped,
        content=row.content,
        account_ids=sorted(row.contents),
        media=details.get("media", []),
        link=details.get("link"),
        thread=details.get("thread", []),
        first_comment=details.get("first_comment"),
        variants=details.get("variants", {}),
        client_ref=row.client_ref,
        made_until=row.made_until,
        upcoming=[UpcomingOccurrence(**one._asdict(), post_id=posts.get(one.occurrence)) for one in upcoming],
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        warnings=list(warnings),
    )
