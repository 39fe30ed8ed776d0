"""Endpoint that deletes a published post on its platforms."""

from fastapi import APIRouter, Response

from api.http.dependencies import ServicesDep, Writer
from api.http.idempotency import Repeatable, answer_once_across, make_answer
from api.http.schemas import problems
from api.posts.routes import PostId
from api.posts.schemas_unpublish import UnpublishOut, UnpublishRequest, UnpublishResult
from warehouse.planning.unpublishing import unpublish_post
from warehouse.store.posts.idempotency import StoredAnswer

router = APIRouter(prefix="/posts", tags=["Posts"])


@router.post(
    "/{post_id}/unpublish",
    operation_id="unpublish_post",
    summary="Delete a published post on its platforms",
    response_model=UnpublishOut,
    responses=problems(401, 403, 404, 409, 413, 422, 429),
)
async def unpublish(
    post_id: PostId,
    services: ServicesDep,
    caller: Writer,
    repeat: Repeatable,
    body: UnpublishRequest | None = None,
) -> Response:
    """Delete the published publications of a post, with all parts of their threads; their metrics are kept.

    Every deletion is in the publication's history. The request is safe to repeat: that is also the remedy for the
    outcomes `failed` and `unknown`.
    """

    async def work() -> StoredAnswer:
        results = await unpublish_post(
            services.store,
            services.connectors.delete_post,
            caller.workspace_id,
            post_id,
            publication_ids=body.publication_ids if body else (),
            clock=services.clock,
        )
        shown = UnpublishOut(
            post_id=post_id, results=[UnpublishResult.model_validate(one) for one in results]
        )
        return make_answer(200, shown)

    return await answer_once_across(services, repeat, work)
