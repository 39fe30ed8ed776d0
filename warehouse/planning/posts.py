"""Plan, create, preview, change and move a post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.errors import InvalidInputError
from warehouse.planning.fitting import require_fitting
from warehouse.planning.media import require_public, require_reachable, resolve_uploads
from warehouse.planning.times import Recipients, resolve_at_once, resolve_when, timing_details
from warehouse.planning.wording import (
    is_due_later,
    make_targets,
    read_wording,
    require_length,
    stored_wording,
)
from warehouse.platforms import parse_platforms
from warehouse.scheduling.local_times import CLOCK_TOLERANCE, ResolvedTime, require_future
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.posts import PostDraft
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from warehouse.planning.context import PlanningContext
    from warehouse.planning.wish import PostChange, PostWish
    from warehouse.planning.wording import Wording
    from warehouse.store.accounts.target_accounts import TargetAccount
    from warehouse.store.models import Post, Publication
    from warehouse.store.posts.duplicates import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked request: `draft` can be saved as it is.

    The post of a draft may break its platforms' limits: it is kept as it is and checked when it is scheduled.
    """

    draft: PostDraft
    resolved: ResolvedTime | None
    """How the time was found; None = no time, or a change did not touch it."""
    warnings: Sequence[str]
    """What must change before the post can be published."""


@dataclass(frozen=True, slots=True)
class SavedPost:
    """A saved post."""

    post: Post
    publications: Sequence[Publication]
    plan: Plan


def create_post(context: PlanningContext, wish: PostWish) -> SavedPost:
    """Check a request and save the post with one publication per account.

    Raises InvalidInputError, and ConflictError (code duplicate, with `existing_id`).
    """
    plan = plan_new_post(context, wish)
    post, publications = store_posts.create_post_and_publications(
        context.session, context.workspace_id, plan.draft, context.now
    )
    return SavedPost(post, publications, plan)


def preview_post(context: PlanningContext, wish: PostWish) -> Plan:
    """Dry run: return what `create_post` would save, or raise what it would raise. Saves nothing."""
    plan = plan_new_post(context, wish, preview=True)
    store_posts.refuse_duplicates_of(context.session, plan.draft)
    return plan


def change_post(
    context: PlanningContext, post_id: str, change: PostChange, *, expected_version: int | None = None
) -> SavedPost:
    """Check a change together with the unchanged fields, and save it.

    Raises InvalidInputError, NotFoundError, and ConflictError: a publication is being sent or is published, the change
    makes a duplicate, or `expected_version` is not the current version (code stale).
    """
    post = get_post(context.session, context.workspace_id, post_id)
    publications = list_publications(context.session, [post.id])[post.id]
    plan = plan_changes(context, post, publications, change)
    post = store_posts.update_post(
        context.session,
        context.workspace_id,
        post_id,
        plan.draft,
        context.now,
        expected_version=expected_version,
    )
    return SavedPost(post, list_publications(context.session, [post.id])[post.id], plan)


def move_post(
    context: PlanningContext,
    post_id: str,
    scheduled_at: str | None,
    *,
    timezone: str | None = None,
    experiment: bool = True,
    expected_version: int | None = None,
) -> Post:
    """Move the unsent publications of a post to another time; None = now. A draft becomes scheduled.

    `scheduled_at`, `timezone` and `experiment` have the same meaning as in a PostWish. Raises like `change_post`.
    """
    post = get_post(context.session, context.workspace_id, post_id)
    publications = list_publications(context.session, [post.id])[post.id]
    recipients = _present_recipients(publications)
    resolved = resolve_when(
        context, scheduled_at, timezone, recipients, experiment=experiment, except_post_id=post.id
    ) or resolve_at_once(context)
    if any(row.status == "draft" for row in publications):
        require_length(post.content)
        wording = stored_wording(post)
        require_public(wording, allow_private=context.allow_private_media)
        due_later = is_due_later(resolved.at, context.now, is_draft=False)
        _check_limits(context, recipients.find(context), wording, due_later=due_later, is_kept=False)
    return store_posts.reschedule_post(
        context.session,
        context.workspace_id,
        post_id,
        resolved.at,
        context.now,
        details=timing_details(resolved),
        expected_version=expected_version,
    )


def find_draft_problems(
    context: PlanningContext, post: Post, publications: Sequence[Publication]
) -> list[str]:
    """Return what must change before a stored draft can be scheduled, in words. Saves and locks nothing."""
    recipients = _present_recipients(publications)
    wording = stored_wording(post)
    try:
        accounts = recipients.find(context, lock=False)
    except InvalidInputError as error:
        return [str(entry["detail"]) for entry in error.entries]
    _targets, problems = _check_limits(context, accounts, wording, due_later=True, is_kept=True)
    return [*_find_long_content(post.content), *problems]


def plan_new_post(context: PlanningContext, wish: PostWish, *, preview: bool = False) -> Plan:
    """Return the plan of a new post. A preview takes part in no experiment. Raises InvalidInputError."""
    is_draft = wish.status == "draft"
    if not is_draft:
        require_length(wish.content)
    wording = read_wording(wish, wish.content)
    recipients = Recipients(parse_platforms(wish.platforms), wish.account_ids)
    if not is_draft and not recipients.platforms and not recipients.account_ids:
        raise InvalidInputError(
            "name at least one platform (or account_ids), or save a draft",
            field="platforms",
            code="no_target",
        )
    resolved = resolve_when(
        context, wish.scheduled_at, wish.timezone, recipients, experiment=wish.experiment and not preview
    )
    if resolved is None and not is_draft:
        resolved = resolve_at_once(context)
    return _plan(
        context,
        wording=wording,
        recipients=recipients,
        resolved=resolved,
        scheduled_at=resolved.at if resolved else None,
        details=timing_details(resolved),
        is_draft=is_draft,
        is_kept=is_draft,
        client_ref=wish.client_ref,
        allow_duplicate=wish.allow_duplicate,
    )


def plan_changes(
    context: PlanningContext, post: Post, publications: Sequence[Publication], change: PostChange
) -> Plan:
    """Return the plan of a post after the given fields replace its own. Raises InvalidInputError."""
    given = change.model_fields_set
    content = post.content if change.content is None else change.content
    was_draft = post.status == "draft"
    is_draft = change.status == "draft" or (was_draft and change.status is None)
    # What was sent once and failed can be retried as it is: only what was never scheduled is kept unchecked.
    is_kept = is_draft and all(row.status in {"draft", "canceled"} for row in publications)
    if not is_kept and ("content" in given or was_draft):
        require_length(content)
    wording = read_wording(change, content, stored_wording(post))
    if given & {"platforms", "account_ids"}:
        recipients = Recipients(parse_platforms(change.platforms), change.account_ids)
    else:
        recipients = _present_recipients(publications)
    resolved = None
    scheduled_at = post.scheduled_at
    timing = {name: post.details.get(name) for name in ("scheduling", "placement")}
    if "scheduled_at" in given:
        if change.scheduled_at is None and not is_draft:
            raise InvalidInputError(
                "a scheduled post needs a time: give another time, or cancel the post",
                field="scheduled_at",
                code="null_time",
            )
        resolved = resolve_when(
            context,
            change.scheduled_at,
            change.timezone,
            recipients,
            experiment=change.experiment,
            except_post_id=post.id,
            # A draft whose time has passed can still be edited; forms send the time that it has, in minutes.
            unless_passed=post.scheduled_at if is_kept else None,
        )
        scheduled_at = resolved.at if resolved else None
        timing = timing_details(resolved)
    elif "timezone" in given and change.timezone is not None:
        raise InvalidInputError(
            "timezone applies only to scheduled_at: give scheduled_at with it",
            field="timezone",
            code="timezone_without_time",
        )
    elif was_draft and not is_draft:
        if scheduled_at is None:
            resolved = resolve_at_once(context)
            scheduled_at, timing = resolved.at, timing_details(resolved)
        else:
            require_future(ResolvedTime(scheduled_at, "", "UTC", "exact"), context.now)
    return _plan(
        context,
        wording=wording,
        recipients=recipients,
        resolved=resolved,
        scheduled_at=scheduled_at,
        details={**post.details, **timing},
        is_draft=is_draft,
        is_kept=is_kept,
        client_ref=change.client_ref if "client_ref" in given else post.client_ref,
        allow_duplicate=change.allow_duplicate,
    )


def _present_recipients(publications: Sequence[Publication]) -> Recipients:
    return Recipients((), [row.account_id for row in publications if row.status != "canceled"])


def _plan(
    context: PlanningContext,
    *,
    wording: Wording,
    recipients: Recipients,
    resolved: ResolvedTime | None,
    scheduled_at: datetime | None,
    details: dict[str, Any],
    is_draft: bool,
    is_kept: bool,
    client_ref: str | None,
    allow_duplicate: bool,
) -> Plan:
    """Return the checked plan; `is_kept`: a draft, whose problems are warnings."""
    require_public(wording, allow_private=context.allow_private_media)
    accounts = recipients.find(context)
    due_later = is_due_later(scheduled_at, context.now, is_draft=is_draft)
    wording = resolve_uploads(context.session, context.workspace_id, wording)
    targets, warnings = _check_limits(context, accounts, wording, due_later=due_later, is_kept=is_kept)
    if is_kept:
        warnings = [*_find_long_content(wording.content), *warnings]
        if scheduled_at is not None and scheduled_at < context.now - CLOCK_TOLERANCE:
            warnings.append("its time has passed: choose another when you schedule it")
    draft = PostDraft(
        content=wording.content,
        targets=targets,
        scheduled_at=scheduled_at,
        is_draft=is_draft,
        details={**details, **wording.as_details()},
        client_ref=client_ref,
        allow_duplicate=allow_duplicate,
    )
    return Plan(draft, resolved, warnings)


def _check_limits(
    context: PlanningContext,
    accounts: Sequence[TargetAccount],
    wording: Wording,
    *,
    due_later: bool,
    is_kept: bool,
) -> tuple[list[Target], list[str]]:
    """Return each account with its content, and warnings; with `is_kept` the platforms' refusals are among these.

    Raises InvalidInputError otherwise.
    """
    refused: list[str] = []

    def keep(check: Callable[[], None]) -> None:
        try:
            check()
        except InvalidInputError as error:
            if not is_kept:
                raise
            refused.extend(str(entry["detail"]) for entry in error.entries)

    keep(lambda: require_reachable(accounts, wording, context.media_public_url))
    keep(lambda: require_fitting(context.session, context.workspace_id, accounts, wording))
    targets, warnings = make_targets(accounts, wording, due_later=due_later, is_kept=is_kept)
    return targets, [*refused, *warnings]


def _find_long_content(content: str) -> list[str]:
    try:
        require_length(content)
    except InvalidInputError as error:
        return [error.message]
    return []
