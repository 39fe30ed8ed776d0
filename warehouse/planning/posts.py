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
from warehouse.scheduling.local_times import ResolvedTime, require_future
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.posts import PostDraft
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from warehouse.planning.context import PlanningContext
    from warehouse.planning.wish import PostChange, PostWish
    from warehouse.planning.wording import Wording
    from warehouse.store.models import Post, Publication


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked request: `draft` can be saved as it is."""

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
    recipients = _present_recipients(list_publications(context.session, [post.id])[post.id])
    resolved = resolve_when(
        context, scheduled_at, timezone, recipients, experiment=experiment, except_post_id=post.id
    ) or resolve_at_once(context)
    return store_posts.reschedule_post(
        context.session,
        context.workspace_id,
        post_id,
        resolved.at,
        context.now,
        details=timing_details(resolved),
        expected_version=expected_version,
    )


def plan_new_post(context: PlanningContext, wish: PostWish, *, preview: bool = False) -> Plan:
    """Return the plan of a new post. A preview takes part in no experiment. Raises InvalidInputError."""
    require_length(wish.content)
    wording = read_wording(wish, wish.content)
    recipients = Recipients(parse_platforms(wish.platforms), wish.account_ids)
    is_draft = wish.status == "draft"
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
        client_ref=wish.client_ref,
        allow_duplicate=wish.allow_duplicate,
    )


def plan_changes(
    context: PlanningContext, post: Post, publications: Sequence[Publication], change: PostChange
) -> Plan:
    """Return the plan of a post after the given fields replace its own. Raises InvalidInputError."""
    given = change.model_fields_set
    content = post.content if change.content is None else change.content
    if "content" in given:
        require_length(content)
    wording = read_wording(change, content, stored_wording(post))
    if given & {"platforms", "account_ids"}:
        recipients = Recipients(parse_platforms(change.platforms), change.account_ids)
    else:
        recipients = _present_recipients(publications)
    was_draft = post.status == "draft"
    is_draft = change.status == "draft" or (was_draft and change.status is None)
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
    client_ref: str | None,
    allow_duplicate: bool,
) -> Plan:
    require_public(wording, allow_private=context.allow_private_media)
    accounts = recipients.find(context)
    due_later = is_due_later(scheduled_at, context.now, is_draft=is_draft)
    wording = resolve_uploads(context.session, context.workspace_id, wording)
    require_reachable(accounts, wording, context.media_public_url)
    require_fitting(context.session, context.workspace_id, accounts, wording)
    targets, warnings = make_targets(accounts, wording, due_later=due_later)
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
