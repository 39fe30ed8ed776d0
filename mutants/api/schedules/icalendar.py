"""The calendar as iCalendar (RFC 5545): one event a publication, the same bytes while nothing changes."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.models import Post, Publication

LENGTH = timedelta(minutes=15)
"""How long an event looks in a calendar: a post has no length of its own."""
REFRESH = timedelta(minutes=15)
_SUMMARY = 80
_TENTATIVE = frozenset({"draft", "needs_review", "failed"})

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="ETag of an answer at hand.")]
CALENDAR_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}},
    304: {"description": "Nothing has changed."},
}


def answer_calendar(
    planned: Sequence[tuple[Publication, Post]], name: str, if_none_match: str | None
) -> Response:
    """Return what is planned as a calendar called `name`, or a 304 where the client has it."""
    body = write_calendar(planned, name)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if if_none_match is not None and etag in {
        one.strip().removeprefix("W/") for one in if_none_match.split(",")
    }:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="text/calendar; charset=utf-8")


def write_calendar(planned: Sequence[tuple[Publication, Post]], name: str) -> bytes:
    """Return an iCalendar of one event a publication. Times are UTC: each program shows its owner's zone."""
    from icalendar import Calendar, Event  # noqa: PLC0415 (0.2 s that most starts need not wait)

    calendar = Calendar()
    calendar.add("PRODID", "-//SocialFlow//Content calendar//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("METHOD", "PUBLISH")
    calendar.add("X-WR-CALNAME", f"SocialFlow: {name}")
    calendar.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    for publication, post in planned:
        if post.scheduled_at is None:
            continue
        text = str(publication.content.get("text", ""))
        event = Event()
        event.add("UID", f"{publication.id}@socialflow")
        # Of the last change, not of this answer: the same state is the same bytes.
        event.add("DTSTAMP", post.updated_at.replace(microsecond=0))
        event.add("LAST-MODIFIED", post.updated_at.replace(microsecond=0))
        event.add("SEQUENCE", post.version)
        event.add("DTSTART", post.scheduled_at.replace(microsecond=0))
        event.add("DURATION", LENGTH)
        event.add("TRANSP", "TRANSPARENT")
        event.add("SUMMARY", f"{publication.platform}: {_shorten(text)}")
        reason = f"\n({publication.reason})" if publication.reason else ""
        event.add("DESCRIPTION", f"{text}\n\n{publication.status}{reason}")
        is_open = publication.status in _TENTATIVE or publication.reason_code == "pending_approval"
        event.add("STATUS", "TENTATIVE" if is_open else "CONFIRMED")
        if publication.permalink:
            event.add("URL", publication.permalink)
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SUMMARY else line[: _SUMMARY - 1] + "…"
