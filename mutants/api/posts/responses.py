"""The answers to a change of a post, and to one that was only tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.http.dependencies import version_etag
from api.http.idempotency import make_answer
from api.posts.requests import count_text
from api.posts.schemas import DryRunOut, DryRunTarget, Scheduling
from api.posts.views import render_placement, render_post, scheduling_details
from connectors.capabilities import get_capabilities
from connectors.types import Platform
from warehouse.store.posts.reads import list_publications

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.posts.plans import Plan
    from warehouse.store.models import Post, Publication
    from warehouse.store.posts.idempotency import StoredAnswer, StoreSession


def answer_post(session: StoreSession, post: Post, status: int, warnings: Sequence[str] = ()) -> StoredAnswer:
    """Return a post as it stands in the caller's transaction, with its ETag."""
    publications = list_publications(session, [post.id])[post.id]
    return render_answer_of(post, publications, status, warnings)


def render_answer_of(
    post: Post,
    publications: Sequence[Publication],
    status: int,
    warnings: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> StoredAnswer:
    """Return a post with its ETag where its publications are known already."""
    all_headers = {"ETag": version_etag(post.version), **(headers or {})}
    return make_answer(status, render_post(post, publications, warnings), all_headers)


def render_dry_run(plan: Plan) -> DryRunOut:
    """Return what would be sent, and to whom."""
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
