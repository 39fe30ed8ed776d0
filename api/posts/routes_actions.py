"""Actions on an existing post: reschedule, retry, resolve, mark as promoted."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.http.dependencies import IfMatch, ServicesDep, Writer, parse_if_match
from api.http.idempotency import Repeatable, answer_once
from api.http.schemas import problems
from api.posts.responses import answer_post
from api.posts.routes import PostId
from api.posts.schemas import MarkPaidRequest, PostOut, RescheduleRequest, ResolveRequest, RetryRequest
from warehouse.planning.posts import move_post
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.posts.promotion import mark_paid

router = APIRouter(prefix="/posts", tags=["Posts"])


@router.post(
    "/{post_id}/reschedule",
    operation_id="reschedule_post",
    summary="Reschedule a post",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 412, 413, 422, 429),
)
def reschedule_post(
    post_id: PostId,
    body: RescheduleRequest,
    services: ServicesDep,
    caller: Writer,
    repeat: Repeatable,
    *,
    if_match: IfMatch = None,
) -> Response:
    """Move the unsent publications to another time; a draft becomes scheduled."""

    def work(session: StoreSession) -> StoredAnswer:
        post = move_post(
            services.planning(session, caller.workspace_id),
            post_id,
            body.scheduled_at,
            timezone=body.timezone,
            experiment=body.experiment,
            expected_version=parse_if_match(if_match),
        )
        return answer_post(session, post, 200)

    return answer_once(services, repeat, work)


@router.post(
    "/{post_id}/retry",
    operation_id="retry_post",
    summary="Retry the failed publications of a post",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
def retry_post(
    post_id: PostId,
    services: ServicesDep,
    caller: Writer,
    repeat: Repeatable,
    body: RetryRequest | None = None,
) -> Response:
    """Retry failed publications at once.

    A publication that may already be published is never sent again by this.
    """

    def work(session: StoreSession) -> StoredAnswer:
        publication_ids = body.publication_ids if body else ()
        post = store_posts.retry_post(
            session, caller.workspace_id, post_id, services.clock(), publication_ids=publication_ids
        )
        return answer_post(session, post, 200)

    return answer_once(services, repeat, work)


@router.post(
    "/{post_id}/publications/{publication_id}/resolve",
    operation_id="resolve_publication",
    summary="Resolve a publication that needs review",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
def resolve_publication(  # noqa: PLR0917 (dependencies)
    post_id: PostId,
    publication_id: Annotated[str, Path(max_length=40)],
    body: ResolveRequest,
    services: ServicesDep,
    caller: Writer,
    repeat: Repeatable,
) -> Response:
    """Resolve a publication in `needs_review`: mark it as published, send it now, or discard it."""

    def work(session: StoreSession) -> StoredAnswer:
        post = store_posts.resolve_publication(
            session,
            caller.workspace_id,
            post_id,
            publication_id,
            body.decision,
            services.clock(),
            external_id=body.external_id,
        )
        return answer_post(session, post, 200)

    return answer_once(services, repeat, work)


@router.post(
    "/{post_id}/mark-paid",
    operation_id="mark_post_paid",
    summary="Mark a published post as promoted for money, or not",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
def mark_post_paid(
    post_id: PostId, body: MarkPaidRequest, services: ServicesDep, caller: Writer, repeat: Repeatable
) -> Response:
    """Optimal times leave promoted posts out. A mark counts before what the platform or a file says.

    It has its effect when times are computed next, by default at night. `"paid": null` takes the mark back.
    """

    def work(session: StoreSession) -> StoredAnswer:
        post = mark_paid(
            session,
            caller.workspace_id,
            post_id,
            body.paid,
            services.clock(),
            publication_ids=body.publication_ids,
        )
        return answer_post(session, post, 200)

    return answer_once(services, repeat, work)
