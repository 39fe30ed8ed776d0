"""Save an upload and return it, once per Idempotency-Key."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from api.http.idempotency import answer_once, identify_content, make_answer
from api.media.schemas import MediaOut
from warehouse.planning.uploads import check_file, keep_file
from warehouse.store.posts.media import describe_upload

if TYPE_CHECKING:
    from fastapi import Request, Response

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


def render_upload(row: MediaUpload) -> MediaOut:
    """Return the response model of an upload."""
    return MediaOut.model_validate(describe_upload(row))
