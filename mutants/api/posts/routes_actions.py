"""What is done with a post that is there: move it, send it again, decide about it."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.http.dependencies import IfMatch, ServicesDep, Writer, parse_if_match
from api.http.idempotency import Repeatable, answer_once
from api.http.schemas import problems
from api.posts.plans import resolve_move
from api.posts.responses import answer_post
from api.posts.routes import PostId
from api.posts.schemas import PostOut, RescheduleRequest, ResolveRequest, RetryRequest
from api.posts.views import timing_details
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/posts", tags=["Posts"])


@router.post(
    "/{post_id}/reschedule",
    operation_id="reschedule_post",
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
    """Move all that has not been sent to another time; a draft becomes scheduled."""

    def work(session: StoreSession) -> StoredAnswer:
        resolved = resolve_move(
            services,
            caller,
            session,
            post_id,
            body.scheduled_at,
            body.timezone,
            experiment=body.experiment,
        )
        post = store_posts.reschedule_post(
            session,
            caller.workspace_id,
            post_id,
            resolved.at,
            services.clock(),
            details=timing_details(resolved),
            expected_version=parse_if_match(if_match),
        )
        return answer_post(session, post, 200)

    return answer_once(services, repeat, work)


@router.post(
    "/{post_id}/retry",
    operation_id="retry_post",
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
    """Send failed publications again, at once. What may be out already is never sent again by this."""

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
    """Decide on a publication in `needs_review`: it is out, send it now, or leave it unsent."""

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
