"""Responses to a created or changed post, and to a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.http.dependencies import version_etag
from api.http.idempotency import make_answer
from api.posts.schemas import DryRunOut, DryRunTarget, PostOut, Scheduling
from api.posts.views import render_placement, render_post
from connectors.capabilities import get_capabilities
from connectors.types import Platform
from warehouse.planning.times import scheduling_details
from warehouse.planning.wording import count_text
from warehouse.store.posts.reads import list_publications

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.planning.posts import Plan, SavedPost
    from warehouse.store.models import Post, Publication
    from warehouse.store.posts.idempotency import StoredAnswer, StoreSession


def answer_post(session: StoreSession, post: Post, status: int) -> StoredAnswer:
    """Return a post as it is in the caller's transaction, with its ETag."""
    return _answer(render_post(post, list_publications(session, [post.id])[post.id]), status)


def answer_saved(saved: SavedPost, status: int, headers: Mapping[str, str] | None = None) -> StoredAnswer:
    """Return a post that was created or changed, with its ETag and warnings."""
    return _answer(render_post(saved.post, saved.publications, saved.plan.warnings), status, headers)


def answer_changed(post: Post, publications: Sequence[Publication], warnings: Sequence[str]) -> StoredAnswer:
    """Return a changed post, with its ETag and what became of its edits."""
    return _answer(render_post(post, publications, warnings), 200)


def _answer(shown: PostOut, status: int, headers: Mapping[str, str] | None = None) -> StoredAnswer:
    return make_answer(status, shown, {"ETag": version_etag(shown.version), **(headers or {})})


def render_dry_run(plan: Plan) -> DryRunOut:
    """Return what would be sent, and to which accounts."""
    scheduling = scheduling_details(plan.resolved)
    targets = []
    for target in plan.draft.targets:
        platform = Platform(target.account.platform)
        capabilities = get_capabilities(platform, text_limit=target.account.text_limit)
        targets.append(
            DryRunTarget(
                account_id=target.account.id,
                platform=platform,
                handle=target.account.handle,
                content=target.content.model_dump(mode="json"),
                length=count_text(platform, target.content),
                limit=capabilities.limit_of(target.content),
                unit=capabilities.text_unit,
            )
        )
    return DryRunOut(
        scheduled_at=plan.draft.scheduled_at,
        scheduling=Scheduling(**scheduling) if scheduling else None,
        placement=render_placement(plan.draft.details),
        publications=targets,
        warnings=list(plan.warnings),
    )
