"""Plan, create, change and preview a recurrence rule, which creates posts ahead of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from warehouse.errors import InvalidInputError
from warehouse.planning.fitting import require_fitting
from warehouse.planning.media import require_public, require_reachable, resolve_uploads
from warehouse.planning.times import Recipients
from warehouse.planning.wording import make_targets, read_wording, require_length, stored_wording
from warehouse.platforms import parse_platforms
from warehouse.scheduling import recurrences as stored_rules
from warehouse.scheduling.local_times import LocalInstant, describe_resolution, resolve_time
from warehouse.scheduling.recurrence_rules import describe_gaps, parse_rule, parse_skipped
from warehouse.scheduling.recurrences import RecurrenceDraft
from warehouse.store.access.workspaces import parse_timezone, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from warehouse.planning.context import PlanningContext
    from warehouse.planning.wish import RecurrenceChange, RecurrenceWish
    from warehouse.planning.wording import Wording
    from warehouse.scheduling.local_times import LocalResolution
    from warehouse.scheduling.recurrence_rules import Occurrence, RecurrenceRule
    from warehouse.store.schedules.recurrence_models import Recurrence

OLDEST_START = timedelta(days=366 * 2)
LATEST_START = timedelta(days=366 * 5)


class SavedRecurrence(NamedTuple):
    """A saved rule, and what must change before its posts can be published."""

    row: Recurrence
    warnings: Sequence[str]


class NamedOccurrence(NamedTuple):
    """One occurrence of a rule, for display."""

    occurrence: str
    """Its local time, which identifies it."""
    scheduled_at: datetime
    resolution: LocalResolution
    note: str | None
    """How a nonexistent or ambiguous local time (clock change) was resolved."""


def create_recurrence(context: PlanningContext, wish: RecurrenceWish) -> SavedRecurrence:
    """Check a rule, save it, and create its posts up to the context's horizon.

    Raises InvalidInputError, and ConflictError (code duplicate) for the same rule with the same content.
    """
    draft, warnings = plan_recurrence(context, wish)
    row = stored_rules.create_recurrence(
        context.session,
        context.workspace_id,
        draft,
        until=context.now + context.recurrence_horizon,
        now=context.now,
    )
    return SavedRecurrence(row, warnings)


def change_recurrence(
    context: PlanningContext,
    recurrence_id: str,
    change: RecurrenceChange,
    *,
    expected_version: int | None = None,
) -> SavedRecurrence:
    """Change a rule and its posts, except those already sent or changed by hand.

    Raises InvalidInputError, NotFoundError, and ConflictError (code stale).
    """
    row = stored_rules.get_recurrence(context.session, context.workspace_id, recurrence_id)
    draft, warnings = plan_recurrence_changes(context, row, change)
    row = stored_rules.update_recurrence(
        context.session,
        context.workspace_id,
        recurrence_id,
        draft,
        context.now,
        until=context.now + context.recurrence_horizon,
        expected_version=expected_version,
    )
    return SavedRecurrence(row, warnings)


def plan_recurrence(context: PlanningContext, wish: RecurrenceWish) -> tuple[RecurrenceDraft, list[str]]:
    """Return the draft of a new rule, and warnings. Raises InvalidInputError."""
    require_length(wish.content)
    rule = read_rule(context, wish.rrule, wish.starts_at, timezone=wish.timezone, exdates=wish.exdates)
    recipients = Recipients(parse_platforms(wish.platforms), wish.account_ids)
    if not recipients.platforms and not recipients.account_ids:
        raise InvalidInputError(
            "name at least one platform (or account_ids)", field="platforms", code="no_target"
        )
    return _draft(
        context,
        rule=rule,
        wording=read_wording(wish, wish.content),
        recipients=recipients,
        client_ref=wish.client_ref,
        allow_duplicate=wish.allow_duplicate,
    )


def plan_recurrence_changes(
    context: PlanningContext, row: Recurrence, change: RecurrenceChange
) -> tuple[RecurrenceDraft, list[str]]:
    """Return the draft of a rule after the given fields replace its own. Raises InvalidInputError."""
    given = change.model_fields_set
    for name in given & {"rrule", "starts_at", "timezone", "content"}:
        if getattr(change, name) is None:
            raise InvalidInputError(f"a rule needs {name}: omit the field, or give another value", field=name)
    content = row.content if change.content is None else change.content
    if "content" in given:
        require_length(content)
    rule = read_rule(
        context,
        row.rrule if change.rrule is None else change.rrule,
        row.starts_at if change.starts_at is None else change.starts_at,
        timezone=change.timezone or row.timezone,
        exdates=change.exdates if "exdates" in given else (),
        kept=() if "exdates" in given else row.skipped,
        is_new="starts_at" in given,
    )
    named = given & {"platforms", "account_ids"}
    if named and not change.platforms and not change.account_ids:
        raise InvalidInputError(
            "a rule needs at least one account: name a platform (or account_ids)",
            field="platforms" if "platforms" in named else "account_ids",
            code="no_target",
        )
    if named:
        recipients = Recipients(parse_platforms(change.platforms), change.account_ids)
    else:
        recipients = Recipients((), list(row.contents))
    return _draft(
        context,
        rule=rule,
        wording=read_wording(change, content, stored_wording(row)),
        recipients=recipients,
        client_ref=change.client_ref if "client_ref" in given else row.client_ref,
        allow_duplicate=True,
    )


def read_rule(
    context: PlanningContext,
    rrule: str,
    starts_at: str,
    *,
    timezone: str | None,
    exdates: Sequence[str],
    kept: Sequence[str] = (),
    is_new: bool = True,
) -> RecurrenceRule:
    """Return a checked rule.

    `kept`: excluded occurrences that were checked before. `is_new`: whether `starts_at` must be near the current time.
    Raises InvalidInputError.
    """
    zone = parse_timezone(timezone or read_settings(context.session, context.workspace_id).timezone)
    start = _wall_clock(starts_at, zone)
    now = context.now.astimezone(zone).replace(tzinfo=None)
    if is_new and not now - OLDEST_START <= start <= now + LATEST_START:
        raise InvalidInputError(
            f"{starts_at} is too far away: start at most {OLDEST_START.days} days ago and {LATEST_START.days} ahead",
            field="starts_at",
            code="start_out_of_range",
        )
    names = [parse_skipped(text, field=f"exdates/{place}") for place, text in enumerate(exdates)]
    rule = parse_rule(rrule, start, zone, frozenset({*names, *kept}))
    for place, name in enumerate(names):
        if not rule.has(name):
            raise InvalidInputError(
                f"{name} is not an occurrence of the rule: remove it from exdates",
                field=f"exdates/{place}",
                code="no_occurrence",
            )
    return rule


def list_upcoming(rule: RecurrenceRule, now: datetime, limit: int) -> tuple[list[NamedOccurrence], bool]:
    """Return the rule's next occurrences, and whether more follow."""
    found = rule.upcoming(now, limit + 1)
    return [_name(one, rule.zone) for one in found[:limit]], len(found) > limit


def list_warnings(rule: RecurrenceRule) -> list[str]:
    """Return what the author of a rule may not expect of it, each with the remedy; [] = nothing."""
    gaps = describe_gaps(rule)
    return [] if gaps is None else [gaps]


def _name(occurrence: Occurrence, zone: ZoneInfo) -> NamedOccurrence:
    instant = LocalInstant(occurrence.at, occurrence.resolution)
    note = describe_resolution(occurrence.key, instant, zone)
    return NamedOccurrence(occurrence.key, occurrence.at, occurrence.resolution, note)


def _draft(
    context: PlanningContext,
    *,
    rule: RecurrenceRule,
    wording: Wording,
    recipients: Recipients,
    client_ref: str | None,
    allow_duplicate: bool,
) -> tuple[RecurrenceDraft, list[str]]:
    if not rule.upcoming(context.now, 1):
        raise InvalidInputError(
            "the rule has no occurrence in the future: correct COUNT, UNTIL or exdates",
            field="rrule",
            code="rule_over",
        )
    require_public(wording, allow_private=context.allow_private_media)
    accounts = recipients.find(context)
    wording = resolve_uploads(context.session, context.workspace_id, wording)
    require_reachable(accounts, wording, context.media_public_url)
    require_fitting(context.session, context.workspace_id, accounts, wording)
    targets, warnings = make_targets(accounts, wording, due_later=True)
    warnings = [*warnings, *list_warnings(rule)]
    draft = RecurrenceDraft(
        rule=rule,
        content=wording.content,
        targets=targets,
        details=wording.as_details(),
        client_ref=client_ref,
        allow_duplicate=allow_duplicate,
    )
    return draft, warnings


def _wall_clock(text: str, zone: ZoneInfo) -> datetime:
    resolved = resolve_time(text, zone, field="starts_at")
    written = datetime.fromisoformat(text.strip().upper())
    # A local time that does not exist on the first day stays as written: it exists on the rule's other days.
    local = written if written.tzinfo is None else resolved.at.astimezone(zone).replace(tzinfo=None)
    return local.replace(microsecond=0)
