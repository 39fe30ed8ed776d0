"""The calendar as an iCalendar response, with 304 if the client already has it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header, Response

from warehouse.scheduling.icalendar import write_calendar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.models import Post, Publication

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="ETag of an earlier response.")]
CALENDAR_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}},
    304: {"description": "Nothing has changed."},
}


def answer_calendar(
    planned: Sequence[tuple[Publication, Post]], name: str, if_none_match: str | None
) -> Response:
    """Return the planned posts as a calendar named `name`, or a 304 if the client has it."""
    body = write_calendar(planned, name)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if if_none_match is not None and etag in {
        one.strip().removeprefix("W/") for one in if_none_match.split(",")
    }:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="text/calendar; charset=utf-8")
