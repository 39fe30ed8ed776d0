"""Media endpoints: upload, list, read and delete; and the address from which platforms fetch an upload."""

import asyncio
import os
from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from api.http.dependencies import Reader, ServicesDep, Writer
from api.http.errors import ApiError, problem_at
from api.http.idempotency import IdempotencyKeyHeader, answer_once, make_answer
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from api.http.services import Services
from api.media.schemas import MediaListOut, MediaOut
from api.media.uploads import keep_upload, keep_uploads, render_upload
from connectors.content.media_types import SNIFFED_BYTES, sniff_type
from warehouse.store.posts import media as store_media
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.posts.media import MediaUpload

router = APIRouter(prefix="/media", tags=["Media"])
public = APIRouter()
"""Outside the API's prefix: platforms have no access token."""

MediaId = Annotated[str, Path(max_length=40, examples=["med_01jt3s5yqf3w1k6vhdq6mt4x2e"])]
_PIECE = 262_144
MAX_FILES = 20
"""Files of one request; together they may be as long as one file (SOCIALFLOW_API_MAX_UPLOAD_BYTES)."""
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {
                    "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                    "files": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_FILES,
                        "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                    },
                },
            }
        }
    },
}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"image/*": {}, "video/*": {}}}
}


@router.post(
    "",
    operation_id="upload_media",
    summary="Upload pictures, videos or documents",
    status_code=201,
    response_model=MediaOut | MediaListOut,
    responses=problems(400, 401, 403, 409, 413, 422, 429, 503),
    openapi_extra={"requestBody": _BODY},
)
async def upload_media(
    request: Request, services: ServicesDep, caller: Writer, idempotency_key: IdempotencyKeyHeader = None
) -> Response:
    """Upload one picture, video or PDF as the form field `file`. Its `url` goes into the `media` of posts.

    Several are uploaded as repeated fields `files`, at most 20; the response then is a list in their order. If one of
    them is refused, none is saved.

    Uploads that no unsent post uses are deleted after SOCIALFLOW_MEDIA_UNUSED_AFTER.
    """
    async with request.form(max_files=MAX_FILES, max_fields=1) as form:
        unknown = sorted(set(form) - {"file", "files"})
        file, files = form.get("file"), form.getlist("files")
        one = isinstance(file, UploadFile) and not files and len(form.getlist("file")) == 1
        several = [item for item in files if isinstance(item, UploadFile)]
        if unknown or not (one or (several and file is None and len(several) == len(files))):
            name = unknown[0] if unknown else "file"
            raise problem_at(
                f"/{name}",
                "invalid_form",
                "send multipart/form-data with one file, in the field `file`, or several, each in a field `files`",
            )
        if several:
            return await asyncio.to_thread(
                keep_uploads, services, caller, request, several, key=idempotency_key
            )
        assert isinstance(file, UploadFile)  # noqa: S101 (see `one`)
        return await asyncio.to_thread(
            keep_upload,
            services,
            caller,
            request,
            file.file,
            filename=file.filename or "file",
            key=idempotency_key,
        )


@router.get("", operation_id="list_media", summary="List uploads", responses=problems(401, 403, 422, 429))
def list_media(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: Reader,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[MediaOut]:
    """List uploads, newest first."""
    bound_to = {"list": "media", "workspace": caller.workspace_id}
    with services.store.read() as session:
        rows, has_more = store_media.list_uploads(
            session, caller.workspace_id, before_id=decode_cursor(cursor, bound_to), limit=limit
        )
    next_cursor = encode_cursor(rows[-1].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    return Page(data=[render_upload(row) for row in rows], has_more=has_more, next_cursor=next_cursor)


@router.get(
    "/{media_id}",
    operation_id="get_media",
    summary="Get an upload",
    responses=problems(401, 403, 404, 422, 429),
)
def read_media(media_id: MediaId, services: ServicesDep, caller: Reader) -> MediaOut:
    """Get an upload's type, size and checksum."""
    with services.store.read() as session:
        return render_upload(store_media.get_upload(session, caller.workspace_id, media_id))


@router.get(
    "/{media_id}/content",
    operation_id="get_media_content",
    summary="Download the file of an upload",
    response_class=StreamingResponse,
    responses={**problems(401, 403, 404, 422, 429), **_BYTES},
)
def read_media_content(media_id: MediaId, services: ServicesDep, caller: Reader) -> Response:
    """Download an upload's file."""
    with services.store.read() as session:
        row = store_media.get_upload(session, caller.workspace_id, media_id)
    return send_upload(services, row)


@router.delete(
    "/{media_id}",
    operation_id="delete_media",
    summary="Delete an upload",
    response_model=MediaOut,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def delete_media(media_id: MediaId, services: ServicesDep, caller: Writer) -> Response:
    """Delete an upload. Returns 409 while an unsent post or a recurrence refers to it."""

    def work(session: StoreSession) -> StoredAnswer:
        return make_answer(
            200, render_upload(store_media.remove_upload(session, caller.workspace_id, media_id))
        )

    answer = answer_once(services, None, work)
    services.media.remove(media_id)
    return answer


@public.api_route("/media/{media_id}/{signature}", methods=["GET", "HEAD"], include_in_schema=False)
def fetch_media(
    media_id: MediaId, signature: Annotated[str, Path(max_length=64)], request: Request, services: ServicesDep
) -> Response:
    """Serve an upload to a platform, by an address that the publisher signed."""
    upload_id, _, is_fitted = media_id.partition("-")
    with services.store.read() as session:
        row = session.get(MediaUpload, upload_id)
    # A wrong signature and a missing upload get the same response, so that ids cannot be probed.
    if not store_media.is_signed(services.store.cipher, media_id, signature) or row is None:
        raise ApiError(404, "not_found", "there is no such file")
    if is_fitted:
        return _send_fitted(services, media_id, only_head=request.method == "HEAD")
    if request.method == "HEAD":
        return Response(headers=_headers(row), media_type=row.content_type)
    return send_upload(services, row)


def _send_fitted(services: Services, media_id: str, *, only_head: bool) -> Response:
    """Send what a picture was converted into, which has no row: its name says from what."""
    with services.media.open(media_id) as file:
        content_type = sniff_type(file.read(SNIFFED_BYTES))
        size = file.seek(0, os.SEEK_END)
    headers = {"Content-Length": str(size), "Cache-Control": "private, max-age=3600"}
    if only_head:
        return Response(headers=headers, media_type=content_type)
    return _stream(services, media_id, headers, content_type)


def send_upload(services: Services, row: MediaUpload) -> Response:
    """Return the file of an upload as a stream. Raises NotFoundError."""
    return _stream(services, row.id, _headers(row), row.content_type)


def _stream(services: Services, media_id: str, headers: dict[str, str], content_type: str) -> Response:
    opened = services.media.open(media_id)
    # Open the file before the response starts, so that a missing file is a 404.
    file = opened.__enter__()

    def pieces(source: IO[bytes]) -> Iterator[bytes]:
        try:
            while piece := source.read(_PIECE):
                yield piece
        finally:
            opened.__exit__(None, None, None)

    return StreamingResponse(pieces(file), headers=headers, media_type=content_type)


def _headers(row: MediaUpload) -> dict[str, str]:
    return {
        "Content-Length": str(row.size),
        "Cache-Control": "private, max-age=3600",
        "ETag": f'"{row.sha256[:32]}"',
    }
