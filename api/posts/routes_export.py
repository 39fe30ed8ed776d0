"""Export posts with their metrics, or the content calendar, as one file."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.http.dependencies import Analyst, Reader, ServicesDep
from api.http.errors import ApiError
from api.http.periods import FromParameter, ToParameter, read_time
from api.http.schemas import problems
from api.http.services import Services
from connectors.types import Platform
from warehouse.lake.export.posts import PostsFormat, write_posts
from warehouse.platforms import parse_platform
from warehouse.scheduling.calendar import read_planned, resolve_span
from warehouse.scheduling.calendar_file import write_calendar_csv
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.accounts.accounts import get_account
from warehouse.store.audit.log import record

router = APIRouter(tags=["Posts"])

MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "duckdb": "application/octet-stream",
}
_PIECE = 1 << 18
_turns = threading.BoundedSemaphore(1)


@router.get(
    "/posts/export",
    operation_id="export_posts",
    summary="Export posts with their metrics",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file.",
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in MEDIA_TYPES.values()
            },
        },
        **problems(401, 403, 404, 422, 429, 503),
    },
)
def export_posts(
    services: ServicesDep,
    caller: Analyst,
    *,
    file_format: Annotated[
        Literal["csv", "xlsx", "parquet", "json", "duckdb"], Query(alias="format")
    ] = "csv",
    from_: FromParameter = None,
    to: ToParameter = None,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Export one row for each post and account, with its latest metrics and those 1 h, 24 h, 7 d and 30 d old.

    The columns are those that POST /api/v1/imports reads: importing the file gives the same posts. CSV cells that
    begin like a formula get an apostrophe.
    """
    if account_id is not None:
        with services.store.read() as session:
            get_account(session, caller.workspace_id, account_id)
    start = read_time(services, caller, from_, "from") if from_ else None
    end = read_time(services, caller, to, "to") if to else None
    chosen = parse_platform(platform) if platform else None
    return send_posts(
        services,
        caller.workspace_id,
        file_format,
        start=start,
        end=end,
        platform=chosen,
        account_id=account_id,
    )


def send_posts(
    services: Services,
    workspace_id: str,
    file_format: PostsFormat,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    platform: Platform | None = None,
    account_id: str | None = None,
    post_ids: Sequence[str] | None = None,
) -> Response:
    """Return published posts with their metrics as a file, and note it in the audit log; `post_ids` selects some.

    Raises ApiError 503 while another export is written.
    """
    if not _turns.acquire(blocking=False):
        raise ApiError(
            503,
            "exports_busy",
            "an export is running: try again in a moment",
            retryable=True,
            headers={"Retry-After": "5"},
        )
    folder = services.lake.settings.home / "lake" / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"posts-{secrets.token_hex(8)}.{file_format}"
    try:
        write_posts(
            services.lake,
            path,
            file_format,
            workspace_id=workspace_id,
            start=start,
            end=end,
            platform=platform,
            account_id=account_id,
            post_ids=post_ids,
        )
        # Unlinked once it is open, so that it is removed even if this process dies.
        size, file = path.stat().st_size, path.open("rb")
    finally:
        path.unlink(missing_ok=True)
        _turns.release()
    with services.store.write() as session:
        said: dict[str, object] = {"table": "posts", "format": file_format}
        said |= {"platform": platform, "account_id": account_id}
        if post_ids is not None:
            said["posts"] = len(post_ids)
        record(session, "data_exported", workspace_id, services.clock(), None, said)

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_PIECE):
                yield piece

    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="posts.{file_format}"',
    }
    return StreamingResponse(pieces(), headers=headers, media_type=MEDIA_TYPES[file_format])


@router.get(
    "/schedules/export",
    operation_id="export_calendar",
    summary="Export the content calendar as CSV",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string"}}}},
        **problems(401, 403, 404, 422, 429),
    },
)
def export_calendar(
    services: ServicesDep,
    caller: Reader,
    *,
    from_: FromParameter = None,
    to: ToParameter = None,
    timezone: Annotated[
        str | None, Query(max_length=64, description="IANA zone of the times; default: the workspace's.")
    ] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Export planned and published posts of a period, one row for each account; default: the next 30 days."""
    with services.store.read() as session:
        workspace = get_workspace(session, caller.workspace_id)
        zone = parse_timezone(timezone or workspace.timezone)
        since, until = resolve_span(from_, to, zone, services.clock())
        planned = read_planned(session, caller.workspace_id, since, until, account_id)
        body = write_calendar_csv(planned, zone, since, until)
    headers = {"Content-Disposition": 'attachment; filename="calendar.csv"'}
    return Response(body, headers=headers, media_type="text/csv")
