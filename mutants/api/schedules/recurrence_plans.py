"""From a request about recurring posts to what the store keeps, and back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from api.http.errors import problem_at
from api.http.times import resolve_time
from api.posts.media_requests import require_reachable, resolve_uploads
from api.posts.plans import wording_from
from api.posts.requests import make_targets, parse_platforms, require_length, wording_of
from api.schedules.schemas_recurrences import OccurrenceOut, RecurrenceOut, UpcomingOccurrence
from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import LocalInstant, describe_resolution
from warehouse.scheduling.occurrences import posts_of, rule_of
from warehouse.scheduling.recurrence_rules import parse_rule, parse_skipped
from warehouse.scheduling.recurrences import RecurrenceDraft
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.accounts.target_accounts import list_target_accounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from api.http.callers import Caller
    from api.http.services import Services
    from api.posts.requests import Wording
    from api.schedules.schemas_recurrences import RecurrenceCreate, RecurrencePatch
    from connectors.types import Platform
    from warehouse.scheduling.recurrence_rules import Occurrence, RecurrenceRule
    from warehouse.store.posts.idempotency import StoreSession
    from warehouse.store.schedules.recurrence_models import Recurrence

SHOWN = 5
OLDEST_START = timedelta(days=366 * 2)
LATEST_START = timedelta(days=366 * 5)


def plan_recurrence(
    services: Services, caller: Caller, body: RecurrenceCreate, session: StoreSession
) -> tuple[RecurrenceDraft, list[str]]:
    """Return what a new rule will be, and warnings. Raises InvalidInputError or an ApiError."""
    require_length(body.content)
    rule = read_rule(
        services, caller, session, body.rrule, body.starts_at, timezone=body.timezone, exdates=body.exdates
    )
    platforms = parse_platforms(body.platforms)
    if not platforms and not body.account_ids:
        raise InvalidInputError(
            "name at least one platform (or account_ids)", field="platforms", code="no_target"
        )
    return _draft(
        services,
        caller,
        session,
        rule=rule,
        wording=wording_from(body, body.content),
        platforms=platforms,
        account_ids=body.account_ids,
        client_ref=body.client_ref,
        allow_duplicate=body.allow_duplicate,
    )


def plan_recurrence_changes(
    services: Services, caller: Caller, patch: RecurrencePatch, session: StoreSession, row: Recurrence
) -> tuple[RecurrenceDraft, list[str]]:
    """Return what a rule will be once the fields given in `patch` have replaced its own."""
    given = patch.model_fields_set
    for name in given & {"rrule", "starts_at", "timezone", "content"}:
        if getattr(patch, name) is None:
            raise InvalidInputError(f"a rule keeps its {name}: leave it out, or give another", field=name)
    content = row.content if patch.content is None else patch.content
    if "content" in given:
        require_length(content)
    rule = read_rule(
        services,
        caller,
        session,
        patch.rrule or row.rrule,
        patch.starts_at or row.starts_at,
        timezone=patch.timezone or row.timezone,
        exdates=patch.exdates if "exdates" in given else (),
        kept=() if "exdates" in given else row.skipped,
        is_new="starts_at" in given,
    )
    named = given & {"platforms", "account_ids"}
    return _draft(
        services,
        caller,
        session,
        rule=rule,
        wording=wording_from(patch, content, wording_of(row)),
        platforms=parse_platforms(patch.platforms) if named else (),
        account_ids=patch.account_ids if named else list(row.contents),
        client_ref=patch.client_ref if "client_ref" in given else row.client_ref,
        allow_duplicate=True,
    )


def read_rule(
    services: Services,
    caller: Caller,
    session: StoreSession,
    rrule: str,
    starts_at: str,
    *,
    timezone: str | None,
    exdates: Sequence[str],
    kept: Sequence[str] = (),
    is_new: bool = True,
) -> RecurrenceRule:
    """Return a checked rule. `kept`: names left out that were checked before. Raises InvalidInputError."""
    zone = parse_timezone(timezone or get_workspace(session, caller.workspace_id).timezone)
    start = _wall_clock(starts_at, zone)
    now = services.clock().astimezone(zone).replace(tzinfo=None)
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
                f"{name} is no occurrence of the rule: there is nothing to leave out",
                field=f"exdates/{place}",
                code="no_occurrence",
            )
    return rule


def show_occurrence(occurrence: Occurrence, zone: ZoneInfo) -> dict[str, Any]:
    """Return an occurrence as OccurrenceOut takes it."""
    instant = LocalInstant(occurrence.at, occurrence.resolution)
    return {
        "occurrence": occurrence.key,
        "scheduled_at": occurrence.at,
        "resolution": occurrence.resolution,
        "note": describe_resolution(occurrence.key, instant, zone),
    }


def preview(rule: RecurrenceRule, now: datetime, limit: int) -> tuple[list[OccurrenceOut], bool]:
    """Return the rule's next occurrences, and whether more follow."""
    found = rule.upcoming(now, limit + 1)
    return [OccurrenceOut(**show_occurrence(one, rule.zone)) for one in found[:limit]], len(found) > limit


def render_recurrence(
    session: StoreSession, row: Recurrence, now: datetime, warnings: Sequence[str] = ()
) -> RecurrenceOut:
    """Return the view of a rule."""
    rule = rule_of(row)
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
        upcoming=[
            UpcomingOccurrence(**show_occurrence(one, rule.zone), post_id=posts.get(one.key))
            for one in rule.upcoming(now, SHOWN)
        ],
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        warnings=list(warnings),
    )


def _draft(
    services: Services,
    caller: Caller,
    session: StoreSession,
    *,
    rule: RecurrenceRule,
    wording: Wording,
    platforms: Sequence[Platform],
    account_ids: Sequence[str],
    client_ref: str | None,
    allow_duplicate: bool,
) -> tuple[RecurrenceDraft, list[str]]:
    if not rule.upcoming(services.clock(), 1):
        raise problem_at(
            "/rrule", "rule_over", "the rule has no occurrence in the future: mend COUNT, UNTIL or exdates"
        )
    accounts = list_target_accounts(
        session, caller.workspace_id, platforms=platforms, account_ids=account_ids
    )
    wording = resolve_uploads(session, caller.workspace_id, wording)
    require_reachable(accounts, wording, services.media_public_url)
    targets, warnings = make_targets(accounts, wording, due_later=True)
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
    # A local time stays as written also where it does not exist: the rule's other days have it.
    local = written if written.tzinfo is None else resolved.at.astimezone(zone).replace(tzinfo=None)
    return local.replace(microsecond=0)
