"""Convert recurring rules to API schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.schedules.schemas_recurrences import OccurrenceOut, RecurrenceOut
from warehouse.planning.recurrences import list_upcoming
from warehouse.planning.views import describe_recurrence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from warehouse.scheduling.recurrence_rules import RecurrenceRule
    from warehouse.store.posts.idempotency import StoreSession
    from warehouse.store.schedules.recurrence_models import Recurrence


def render_preview(rule: RecurrenceRule, now: datetime, limit: int) -> tuple[list[OccurrenceOut], bool]:
    """Return the rule's next occurrences, and whether more follow."""
    found, has_more = list_upcoming(rule, now, limit)
    return [OccurrenceOut(**one._asdict()) for one in found], has_more


def render_recurrence(
    session: StoreSession, row: Recurrence, now: datetime, warnings: Sequence[str] = ()
) -> RecurrenceOut:
    """Return the response model of a rule."""
    return RecurrenceOut.model_validate(describe_recurrence(session, row, now, warnings))
