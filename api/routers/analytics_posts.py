"""How single posts did: over time, and against each other at equal age."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.dependencies import Analyst, ServicesDep
from api.lake_answers import UNCHANGED, IfNoneMatch, answer_cached
from api.schemas_analytics import PostMetricsOut
from api.schemas_common import problems
from warehouse.lake.post_metrics import get_post_metrics
from warehouse.store.post_reads import get_post

router = APIRouter(prefix="/analytics/posts", tags=["Analytics"])


@router.get(
    "/{post_id}",
    operation_id="get_post_metrics",
    response_model=PostMetricsOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_post_metrics(
    post_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    caller: Analyst,
    *,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Show how a post did over time: every snapshot of each of its publications."""
    with services.store.read() as session:
        get_post(session, caller.workspace_id, post_id)
    asked = {"workspace_id": caller.workspace_id, "post_id": post_id}
    return answer_cached(
        services,
        "post_metrics",
        asked,
        if_none_match,
        lambda: PostMetricsOut.model_validate(get_post_metrics(services.lake, **asked)),
    )
