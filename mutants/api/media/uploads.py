"""Take in one upload: its type by its first bytes, its file kept before its row, neither without the other."""

from __future__ import annotations

import hashlib
import os
from typing import IO, TYPE_CHECKING

from api.http.errors import ApiError, problem_at
from api.http.idempotency import answer_once, identify_content, make_answer
from api.media.schemas import MediaOut
from connectors.http.media import sniff_type
from connectors.types import UPLOAD_PREFIX, UPLOAD_TYPES
from warehouse.store.posts.media import MediaUpload, add_upload, new_media_id

if TYPE_CHECKING:
    from fastapi import Request, Response

    from api.http.callers import Caller
    from api.http.services import Services
    from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

_HEAD = 16
_PIECE = 1_048_576
_NAME = 200


def keep_upload(
    services: Services, caller: Caller, request: Request, file: IO[bytes], *, filename: str, key: str | None
) -> Response:
    """Keep a file and answer its upload; with an Idempotency-Key once. Raises an ApiError."""
    file.seek(0)
    content_type = sniff_type(file.read(_HEAD))
    if content_type not in UPLOAD_TYPES:
        raise problem_at(
            "/file",
            "unsupported_media",
            f"the file is none of {', '.join(UPLOAD_TYPES)}, by its first bytes: convert it",
        )
    size, sha256 = _measure(file)
    repeat = identify_content(request, caller, key, f"{sha256} {filename}")
    media_id = new_media_id()
    made: list[str] = []

    def work(session: StoreSession) -> StoredAnswer:
        row = add_upload(
            session,
            caller.workspace_id,
            media_id,
            content_type=content_type,
            size=size,
            sha256=sha256,
            filename=filename[:_NAME],
            now=services.clock(),
        )
        made.append(row.id)
        return make_answer(201, render_upload(row), {"Location": f"/api/v1/media/{row.id}"})

    committed = False
    try:
        file.seek(0)
        # Before the transaction, which must be short; a file without a row is removed again below.
        services.media.save(media_id, file)
        answer = answer_once(services, repeat, work)
        committed = bool(made)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ApiError(
            503,
            "storage_unavailable",
            f"the file cannot be kept now ({reason}): try again later",
            retryable=True,
        ) from error
    finally:
        if not committed:
            services.media.remove(media_id)
    return answer


def render_upload(row: MediaUpload) -> MediaOut:
    """Return the view of an upload."""
    return MediaOut(
        id=row.id,
        url=f"{UPLOAD_PREFIX}{row.id}",
        kind="video" if row.kind == "video" else "image",
        content_type=row.content_type,
        size=row.size,
        sha256=row.sha256,
        filename=row.filename,
        created_at=row.created_at,
    )


def _measure(file: IO[bytes]) -> tuple[int, str]:
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return file.seek(0, os.SEEK_END), digest.hexdigest()
