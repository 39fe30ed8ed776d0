"""Many posts at once, with a report on each."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.http.dependencies import ServicesDep, Writer
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.schemas import problems
from api.posts.bulk import NothingSaved, create_posts, refuse_all
from api.posts.files import CSV, CSV_COLUMNS, JSON, JSON_LINES, MAX_ROWS, read_post_rows
from api.posts.schemas_bulk import EXAMPLE, BulkMode, BulkOut
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/posts", tags=["Posts"])

_CSV_EXAMPLE = "content,platforms,scheduled_at\nMonday's news,mastodon twitter,2030-04-15T09:00:00Z\n"
_LINES_EXAMPLE = '{"content": "Monday\'s news", "platforms": ["mastodon"]}\n'
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_ROWS,
                "items": {"$ref": "#/components/schemas/PostCreate"},
                "example": EXAMPLE,
            }
        },
        JSON_LINES[0]: {
            "schema": {"type": "string", "description": "One post a line.", "example": _LINES_EXAMPLE}
        },
        CSV: {
            "schema": {
                "type": "string",
                "description": f"Columns: {', '.join(CSV_COLUMNS)}, content.<platform>.",
                "example": _CSV_EXAMPLE,
            }
        },
    },
}


@router.post(
    "/bulk",
    operation_id="create_posts",
    response_model=BulkOut,
    responses=problems(401, 403, 409, 413, 415, 422, 429),
    openapi_extra={"requestBody": _BODY},
)
async def create_many_posts(
    request: Request,
    services: ServicesDep,
    caller: Writer,
    repeat: Repeatable,
    *,
    dry_run: Annotated[bool, Query(description="Check every row, save nothing.")] = False,
    mode: Annotated[
        BulkMode,
        Query(description="`all`: nothing is saved unless every row is right. `each`: what is right."),
    ] = "all",
) -> Response:
    """Create up to 200 posts from JSON lines, a JSON array or CSV, in one transaction.

    The report tells for each row its line, its post's id or what is wrong with it. With `mode=all` a wrong row
    makes the answer a 422 whose `report` holds all rows.
    """
    rows = read_post_rows(await request.body(), request.headers.get("content-type", ""))

    def work(session: StoreSession) -> StoredAnswer:
        return make_answer(200, create_posts(services, caller, session, rows, mode=mode, dry_run=dry_run))

    try:
        return await asyncio.to_thread(answer_once, services, repeat, work)
    except NothingSaved as outcome:
        if not dry_run:
            raise refuse_all(outcome.report) from None
        return Response(outcome.report.model_dump_json(), media_type="application/json")
