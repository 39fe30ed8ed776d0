"""Plan a post: bring a request, its accounts, its time and the platforms' limits together into a PostDraft."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from api.http.times import ResolvedTime, require_future, resolve_time
from api.posts.media_requests import require_reachable, resolve_uploads
from api.posts.requests import (
    Wording,
    has_time,
    make_targets,
    parse_platforms,
    parse_variants,
    require_length,
    wording_of,
)
from api.posts.views import timing_details
from warehouse.errors import InvalidInputError
from warehouse.scheduling.optimal_placement import place_post
from warehouse.scheduling.queue_slots import next_free_slot
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.posts.posts import PostDraft
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.http.callers import Caller
    from api.http.services import Services
    from api.posts.schemas import PostCreate, PostPatch, PostTemplate
    from connectors.types import Platform
    from warehouse.store.models import Post, Publication
    from warehouse.store.posts.idempotency import StoreSession


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked request. `warnings` tell what has to change before the post can go out."""

    draft: PostDraft
    resolved: ResolvedTime | None
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom a request names."""

    platforms: Sequence[Platform] = field(default_factory=tuple)
    account_ids: Sequence[str] = field(default_factory=tuple)


def plan_new_post(
    services: Services, caller: Caller, body: PostCreate, session: StoreSession, *, preview: bool = False
) -> Plan:
    """Return what a new post will be; a preview takes part in no experiment.

    Raises InvalidInputError or an ApiError that names what is wrong.
    """
    require_length(body.content)
    wording = wording_from(body, body.content)
    recipients = Recipients(parse_platforms(body.platforms), body.account_ids)
    is_draft = body.status == "draft"
    if not is_draft and not recipients.platforms and not recipients.account_ids:
        raise InvalidInputError(
            "name at least one platform (or account_ids), or save a draft",
            field="platforms",
            code="no_target",
        )
    resolved = resolve_when(
        services,
        caller,
        session,
        body.scheduled_at,
        body.timezone,
        recipients,
        experiment=body.experiment and not preview,
    )
    if resolved is None and not is_draft:
        resolved = _at_once(services, caller, session)
    return _plan(
        services,
        caller,
        session,
        wording=wording,
        recipients=recipients,
        resolved=resolved,
        scheduled_at=resolved.at if resolved else None,
        details=timing_details(resolved),
        is_draft=is_draft,
        client_ref=body.client_ref,
        allow_duplicate=body.allow_duplicate,
    )


def plan_changes(  # noqa: PLR0917 (what a change is made of)
    services: Services,
    caller: Caller,
    session: StoreSession,
    post: Post,
    publications: Sequence[Publication],
    patch: PostPatch,
) -> Plan:
    """Return what a post will be once the fields given in `patch` have replaced its own."""
    given = patch.model_fields_set
    content = post.content if patch.content is None else patch.content
    if "content" in given:
        require_length(content)
    wording = wording_from(patch, content, wording_of(post))
    alive = [row for row in publications if row.status != "canceled"]
    if given & {"platforms", "account_ids"}:
        recipients = Recipients(parse_platforms(patch.platforms), patch.account_ids)
    else:
        recipients = Recipients((), [row.account_id for row in alive])
    was_draft = post.status == "draft"
    is_draft = patch.status == "draft" or (was_draft and patch.status is None)
    resolved = None
    scheduled_at = post.scheduled_at
    timing = {name: post.details.get(name) for name in ("scheduling", "placement")}
    if "scheduled_at" in given:
        if patch.scheduled_at is None and not is_draft:
            raise InvalidInputError(
                "a post that is no draft keeps a time: give another one, or cancel it with DELETE",
                field="scheduled_at",
                code="null_time",
            )
        resolved = resolve_when(
            services,
            caller,
            session,
            patch.scheduled_at,
            patch.timezone,
            recipients,
            experiment=patch.experiment,
            except_post_id=post.id,
        )
        scheduled_at = resolved.at if resolved else None
        timing = timing_details(resolved)
    elif "timezone" in given and patch.timezone is not None:
        raise InvalidInputError(
            "timezone only says how scheduled_at is read: give scheduled_at with it",
            field="timezone",
            code="timezone_without_time",
        )
    elif was_draft and not is_draft:
        if scheduled_at is None:
            resolved = _at_once(services, caller, session)
            scheduled_at, timing = resolved.at, timing_details(resolved)
        else:
            require_future(ResolvedTime(scheduled_at, "", "UTC", "exact"), services.clock())
    return _plan(
        services,
        caller,
        session,
        wording=wording,
        recipients=recipients,
        resolved=resolved,
        scheduled_at=scheduled_at,
        details={**post.details, **timing},
        is_draft=is_draft,
        client_ref=patch.client_ref if "client_ref" in given else post.client_ref,
        allow_duplicate=patch.allow_duplicate,
    )


def resolve_move(  # noqa: PLR0917 (what a time may depend on)
    services: Services,
    caller: Caller,
    session: StoreSession,
    post_id: str,
    value: str | None,
    timezone: str | None = None,
    *,
    experiment: bool = True,
) -> ResolvedTime:
    """Return the time to which a post is moved, for the accounts that it goes to; None = at once.

    Raises InvalidInputError.
    """
    post = get_post(session, caller.workspace_id, post_id)
    alive = [row for row in list_publications(session, [post.id])[post.id] if row.status != "canceled"]
    recipients = Recipients((), [row.account_id for row in alive])
    resolved = resolve_when(
        services,
        caller,
        session,
        value,
        timezone,
        recipients,
        experiment=experiment,
        except_post_id=post.id,
    )
    return resolved or _at_once(services, caller, session)


def resolve_when(  # noqa: PLR0917 (what a time may depend on)
    services: Services,
    caller: Caller,
    session: StoreSession,
    value: str | None,
    timezone: str | None,
    recipients: Recipients,
    *,
    experiment: bool = True,
    except_post_id: str | None = None,
) -> ResolvedTime | None:
    """Return the instant that `scheduled_at` names, or None where there is none.

    With "queue" it is the next slot that is free on all the accounts. With "optimal", `experiment` lets the
    workspace's experiment decide too. `except_post_id` is the post that is moved. Raises InvalidInputError.
    """
    zone = parse_timezone(timezone or read_settings(session, caller.workspace_id).timezone)
    if value is None:
        return None
    now = services.clock()
    asked = value.strip().lower()
    if asked not in {"optimal", "queue"}:
        resolved = resolve_time(value, zone)
        require_future(resolved, now)
        return resolved
    accounts = list_target_accounts(
        session,
        caller.workspace_id,
        platforms=recipients.platforms,
        account_ids=recipients.account_ids,
    )
    if asked == "queue":
        if not accounts:
            raise InvalidInputError(
                "a queue belongs to accounts: name at least one", field="platforms", code="no_target"
            )
        at = next_free_slot(session, accounts, now, except_post_id=except_post_id)
        return ResolvedTime(at, value, zone.key, "queue", "the next free slot of the queue")
    placement = place_post(
        session,
        services.lake,
        caller.workspace_id,
        accounts,
        now,
        seed=secrets.randbits(32) if experiment else None,
        except_post_id=except_post_id,
    )
    return ResolvedTime(
        placement.candidate.at, value, zone.key, "optimal", placement.reason, placement.as_details()
    )


def _plan(
    services: Services,
    caller: Caller,
    session: StoreSession,
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
    accounts = list_target_accounts(
        session, caller.workspace_id, platforms=recipients.platforms, account_ids=recipients.account_ids
    )
    due_later = has_time(scheduled_at, services.clock(), is_draft=is_draft)
    wording = resolve_uploads(session, caller.workspace_id, wording)
    require_reachable(accounts, wording, services.media_public_url)
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


def wording_from(body: PostTemplate, content: str, known: Wording | None = None) -> Wording:
    """Return the wording of a request; with `known`, a field that is not given stays as it was."""
    fresh = Wording(
        content=content,
        media=body.media,
        link=body.link,
        thread=body.thread,
        first_comment=body.first_comment,
        variants=parse_variants(body.variants),
    )
    if known is None:
        return fresh
    given = body.model_fields_set & {"media", "link", "thread", "first_comment", "variants"}
    return replace(known, content=content, **{name: getattr(fresh, name) for name in given})


def _at_once(services: Services, caller: Caller, session: StoreSession) -> ResolvedTime:
    zone = read_settings(session, caller.workspace_id).timezone
    return ResolvedTime(services.clock(), "", zone, "now")
