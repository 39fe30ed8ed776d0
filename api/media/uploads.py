"""Save an upload and return it, once per Idempotency-Key."""

from __future__ import annotations

from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from api.http.idempotency import answer_once, identify_content, make_answer
from api.media.schemas import MediaListOut, MediaOut
from warehouse.errors import InvalidInputError
from warehouse.planning.uploads import check_file, keep_file
from warehouse.store.posts.media import describe_upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request, Response
    from starlette.datastructures import UploadFile

    from api.http.callers import Caller
    from api.http.services import Services
    from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
    from warehouse.store.posts.media import MediaUpload


def keep_upload(
    services: Services, caller: Caller, request: Request, file: IO[bytes], *, filename: str, key: str | None
) -> Response:
    """Save a file and return its upload. Raises InvalidInputError, StorageError."""
    checked = check_file(file, filename=filename)
    repeat = identify_content(request, caller, key, f"{checked.sha256} {filename}")
    with keep_file(services.media, checked, file) as kept:

        def work(session: StoreSession) -> StoredAnswer:
            quota = services.settings.max_workspace_uploads
            row = kept.record(session, caller.workspace_id, services.clock(), quota=quota)
            return make_answer(201, render_upload(row), {"Location": f"/api/v1/media/{row.id}"})

        return answer_once(services, repeat, work)


def keep_uploads(
    services: Services, caller: Caller, request: Request, files: Sequence[UploadFile], *, key: str | None
) -> Response:
    """Save several files, all or none, and return their uploads. Raises InvalidInputError, StorageError."""
    checked = []
    for number, one in enumerate(files):
        try:
            checked.append(
                check_file(one.file, filename=one.filename or "file", name=one.filename or "the file")
            )
        except InvalidInputError as error:
            raise InvalidInputError(error.message, field=f"files/{number}", code=error.code) from None
    repeat = identify_content(request, caller, key, repr([(one.sha256, one.filename) for one in checked]))
    with ExitStack() as stack:
        kept = [
            stack.enter_context(keep_file(services.media, one, file.file))
            for one, file in zip(checked, files, strict=True)
        ]

        def work(session: StoreSession) -> StoredAnswer:
            quota = services.settings.max_workspace_uploads
            rows = [one.record(session, caller.workspace_id, services.clock(), quota=quota) for one in kept]
            return make_answer(201, MediaListOut(data=[render_upload(row) for row in rows]))

        return answer_once(services, repeat, work)


def render_upload(row: MediaUpload) -> MediaOut:
    """Return the response model of an upload."""
    return MediaOut.model_validate(describe_upload(row))
