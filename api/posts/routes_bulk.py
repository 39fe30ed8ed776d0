"""Create many posts in one request, with a report per row."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.http.dependencies import ServicesDep, Writer
from api.http.errors import ApiError
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.schemas import problems
from api.posts.schemas_bulk import EXAMPLE, BulkOut
from api.posts.views import refuse_rows, render_bulk
from warehouse.planning.bulk import BulkMode, create_posts
from warehouse.planning.files import CSV_COLUMNS, MAX_ROWS, FileFormat, read_post_rows
from warehouse.planning.templates import BlankDate, DateOrder, FileOptions
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/posts", tags=["Posts"])

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
CSV = "text/csv"
_FORMATS: dict[str, FileFormat] = {
    JSON: "json",
    JSON_LINES: "json_lines",
    "application/jsonl": "json_lines",
    "application/ndjson": "json_lines",
    CSV: "csv",
}

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
        JSON_LINES: {
            "schema": {"type": "string", "description": "One post per line.", "example": _LINES_EXAMPLE}
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
    summary="Create many posts from one file",
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
        Query(description="`all`: save only if every row is valid. `each`: save the valid rows."),
    ] = "all",
    blank_date: Annotated[
        BlankDate,
        Query(description="CSV: what a row with an empty date becomes. `now` publishes it at once."),
    ] = "draft",
    date_order: Annotated[
        DateOrder | None,
        Query(description="CSV of other tools: order of day and month where 03/04/2026 reads both ways."),
    ] = None,
    timezone: Annotated[
        str | None,
        Query(max_length=64, description="CSV: time zone of rows that name none; default: the workspace's."),
    ] = None,
    platforms: Annotated[
        list[str] | None,
        Query(max_length=50, description="CSV: platforms of rows that name neither platforms nor accounts."),
    ] = None,
    account_ids: Annotated[
        list[str] | None,
        Query(max_length=100, description="CSV: accounts of rows that name neither platforms nor accounts."),
    ] = None,
) -> Response:
    """Create up to 200 posts from JSON lines, a JSON array or CSV, in one transaction.

    CSV has our own columns, or those of a template of Buffer, Publer, Hootsuite, HighLevel, Ayrshare, SocialPilot,
    Metricool or Postiz, recognised by its header. A row with an empty date becomes a draft (`blank_date`).
    The report has each row's line, and the id of its post or its errors. With `mode=all`, one invalid row
    makes the response a 422 whose `report` holds all rows.
    """
    file_format = _read_format(request.headers.get("content-type", ""))
    options = FileOptions(
        blank_date=blank_date,
        date_order=date_order,
        timezone=timezone,
        platforms=platforms or (),
        account_ids=account_ids or (),
    )
    rows = read_post_rows(await request.body(), file_format, options)

    def create(session: StoreSession) -> BulkOut:
        context = services.planning(session, caller.workspace_id)
        return render_bulk(create_posts(context, rows, mode=mode, dry_run=dry_run))

    def work(session: StoreSession) -> StoredAnswer:
        report = create(session)
        if mode == "all" and report.failed:
            # Raised inside the transaction, so that the error is not stored under the request's
            # Idempotency-Key.
            raise refuse_rows(report)
        return make_answer(200, report)

    def answer() -> Response:
        if not dry_run:
            return answer_once(services, repeat, work)
        with services.store.write() as session:
            report = create(session)
        return Response(report.model_dump_json(), media_type="application/json")

    return await asyncio.to_thread(answer)


def _read_format(content_type: str) -> FileFormat:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _FORMATS:
        raise ApiError(
            415,
            "unsupported_media_type",
            f"send posts as {JSON_LINES} (one per line), {JSON} (an array) or {CSV}, not as {kind or 'nothing'}",
        )
    return _FORMATS[kind]
