"""Endpoint that validates a post without creating it."""

from dataclasses import asdict

from fastapi import APIRouter

from api.http.dependencies import ServicesDep, Writer
from api.http.schemas import problems
from api.posts.schemas import PostCreate
from api.posts.schemas_check import PostCheckOut
from warehouse.planning.check import check_post

router = APIRouter(prefix="/posts", tags=["Posts"])


@router.post(
    "/validate",
    operation_id="validate_post",
    summary="Validate a post without creating it",
    responses=problems(401, 403, 413, 422, 429),
)
def validate_post(body: PostCreate, services: ServicesDep, caller: Writer) -> PostCheckOut:
    """Return, per account, the exact texts and links, their counts and limits, and every problem.

    The response is 200 also if the post is not valid. Nothing is saved.
    """
    with services.store.read() as session:
        check = check_post(services.planning(session, caller.workspace_id), body)
    return PostCheckOut.model_validate(asdict(check))
