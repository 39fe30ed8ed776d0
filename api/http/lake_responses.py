"""Lake responses: an ETag from the snapshot id, 304 if unchanged, computed once per snapshot."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

from api.http.services import Services

UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The lake has not changed since the ETag in If-None-Match."}
}

IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", max_length=2000, description="ETag of an earlier response."),
]


def lake_etag(snapshot_id: int, name: str, asked: Mapping[str, Any]) -> str:
    """Return the ETag for this request against this snapshot."""
    fingerprint = hashlib.sha256(repr((name, sorted(asked.items()))).encode()).hexdigest()[:16]
    return f'"{snapshot_id}-{fingerprint}"'


def cache_headers(etag: str) -> dict[str, str]:
    """Return the headers of a response that may be stored but must be revalidated."""
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Return whether the caller already has this response."""
    if if_none_match is None:
        return False
    return etag in (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


def answer_cached(
    services: Services,
    name: str,
    asked: Mapping[str, Any],
    if_none_match: str | None,
    make: Callable[[], BaseModel],
    *,
    snapshot_id: int | None = None,
) -> Response:
    """Return 304, the cached response or a new one, for the current (or the given) lake snapshot."""
    # Read the id before the figures: a commit in between makes the response newer than its ETag, never older.
    number = services.lake.snapshot_id() if snapshot_id is None else snapshot_id
    etag = lake_etag(number, name, asked)
    headers = cache_headers(etag)
    if is_known(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    body = services.answers.get_or_make(etag, lambda: make().model_dump_json(by_alias=True).encode())
    return Response(body, headers=headers, media_type="application/json")
