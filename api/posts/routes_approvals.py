"""Approve or reject a post in a workspace that requires approval (PATCH /workspace, `approval_required`)."""

import asyncio

from fastapi import APIRouter, Response

from api.http.dependencies import Approver, IfMatch, ServicesDep, parse_if_match
from api.http.idempotency import Repeatable, answer_once
from api.http.schemas import problems
from api.posts.media_hashes import read_media_to_approve
from api.posts.responses import answer_post
from api.posts.routes import PostId
from api.posts.schemas import PostOut
from api.posts.schemas_approvals import RejectRequest
from warehouse.store.posts import approvals as store_approvals
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/posts", tags=["Posts"])


@router.post(
    "/{post_id}/approve",
    operation_id="approve_post",
    summary="Approve a post",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 412, 422, 429),
)
async def approve_post(
    post_id: PostId, services: ServicesDep, caller: Approver, repeat: Repeatable, *, if_match: IfMatch = None
) -> Response:
    """Approve a post to be sent at its time; send If-Match to approve exactly the version you read.

    A post whose time has passed is sent at once, or waits for a decision if it is too late by now. Media given by
    URL are downloaded now, and only the same bytes are sent later (422 `media_not_read` if they cannot be).
    """
    hashes = await read_media_to_approve(services, caller.workspace_id, post_id)

    def work(session: StoreSession) -> StoredAnswer:
        post = store_approvals.approve_post(
            session,
            caller.workspace_id,
            post_id,
            caller.key_id,
            services.clock(),
            max_lateness=services.max_lateness,
            media_hashes=hashes,
            expected_version=parse_if_match(if_match),
        )
        return answer_post(session, post, 200)

    return await asyncio.to_thread(answer_once, services, repeat, work)


@router.post(
    "/{post_id}/reject",
    operation_id="reject_post",
    summary="Reject a post",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 412, 413, 422, 429),
)
def reject_post(
    post_id: PostId,
    body: RejectRequest,
    services: ServicesDep,
    caller: Approver,
    repeat: Repeatable,
    *,
    if_match: IfMatch = None,
) -> Response:
    """Reject a post: it goes back to its author as a draft.

    PATCH with status `scheduled` requests approval again.
    """

    def work(session: StoreSession) -> StoredAnswer:
        post = store_approvals.reject_post(
            session,
            caller.workspace_id,
            post_id,
            caller.key_id,
            body.reason,
            services.clock(),
            expected_version=parse_if_match(if_match),
        )
        return answer_post(session, post, 200)

    return answer_once(services, repeat, work)
