"""Export a table of the lake as a file, limited to the workspace's rows."""

import threading
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.http.dependencies import Analyst, ServicesDep
from api.http.errors import ApiError
from api.http.lake_responses import UNCHANGED, IfNoneMatch, cache_headers, is_known, lake_etag
from api.http.periods import FromParameter, ToParameter, read_time
from api.http.schemas import problems
from warehouse.lake.export.workspace_files import write_table
from warehouse.platforms import parse_platform
from warehouse.store.accounts.accounts import get_account
from warehouse.store.audit.log import record
from warehouse.store.measuring.export_cursors import note_cursor

router = APIRouter(prefix="/analytics", tags=["Analytics"])

MEDIA_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CHUNK_BYTES = 1 << 18
AT_ONCE = 2
"""Maximum number of concurrent exports in one process: each uses the disk and one CPU core."""
_turns = threading.BoundedSemaphore(AT_ONCE)

Table = Literal[
    "publications",
    "accounts",
    "publication_latest",
    "publication_at_age",
    "post_performance",
    "engagement_daily",
    "account_daily",
    "suspicious_counts",
    "growth_curves",
    "slot_engagement",
    "optimal_times",
    "timing_accounts",
    "posting_habits",
    "account_baselines",
    "posts_wide",
    "dates",
    "post_snapshots",
    "account_snapshots",
    "findings",
]


@router.get(
    "/export",
    operation_id="export_table",
    summary="Export a table as a file",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file.",
            "headers": {
                "X-Next-Cursor": {
                    "description": "The lake's snapshot that the file is from; the next `changed_since`.",
                    "schema": {"type": "integer"},
                }
            },
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in MEDIA_TYPES.values()
            },
        },
        **UNCHANGED,
        **problems(401, 403, 404, 422, 429, 503),
    },
)
def export_table(
    services: ServicesDep,
    caller: Analyst,
    *,
    table: Annotated[Table, Query(description="As in docs/warehouse.md.")] = "publication_latest",
    file_format: Annotated[Literal["parquet", "csv", "xlsx"], Query(alias="format")] = "parquet",
    from_: FromParameter = None,
    to: ToParameter = None,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    changed_since: Annotated[
        int | None,
        Query(
            ge=1,
            le=2**62,
            description="Only what changed since this snapshot of the lake, the X-Next-Cursor of an earlier answer: "
            "a column `change` says inserted, changed or removed.",
        ),
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Export the workspace's rows of a table as one file.

    `from` and `to` filter by the table's own time column. `X-Next-Cursor` is the snapshot of the lake that the file
    is from: give it as `changed_since` next time, within 7 days, to get only what changed.

    The file is complete before its first byte is sent, so a response of full Content-Length is a complete
    file.
    """
    if account_id is not None:
        with services.store.read() as session:
            get_account(session, caller.workspace_id, account_id)
    asked: dict[str, Any] = {
        "workspace_id": caller.workspace_id,
        "start": read_time(services, caller, from_, "from") if from_ else None,
        "end": read_time(services, caller, to, "to") if to else None,
        "platform": parse_platform(platform) if platform else None,
        "account_id": account_id,
        "changed_since": changed_since,
    }
    snapshot_id = services.lake.snapshot_id()
    etag = lake_etag(snapshot_id, f"export {table} {file_format}", asked)
    headers = cache_headers(etag) | {"X-Next-Cursor": str(snapshot_id)}
    if is_known(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    if not _turns.acquire(blocking=False):
        raise ApiError(
            503,
            "exports_busy",
            f"{AT_ONCE} exports are running: try again in a moment",
            retryable=True,
            headers={"Retry-After": "5"},
        )
    try:
        # Unlink the file once it is open, so that it is removed even if this process dies.
        with write_table(services.lake, table, file_format, snapshot_id=snapshot_id, **asked) as path:
            size, file = path.stat().st_size, path.open("rb")
    finally:
        _turns.release()
    now = services.clock()
    with services.store.write() as session:
        said: dict[str, Any] = {
            "table": table,
            "format": file_format,
            "platform": platform,
            "account_id": account_id,
        }
        said |= {"from": from_, "to": to, "changed_since": changed_since}
        record(session, "data_exported", caller.workspace_id, now, None, said)
        note_cursor(session, snapshot_id, now)
    headers |= {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{table}.{file_format}"',
    }

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    return StreamingResponse(chunks(), headers=headers, media_type=MEDIA_TYPES[file_format])
