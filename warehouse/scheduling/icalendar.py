"""Write the calendar as iCalendar (RFC 5545): one event per publication, byte-identical while nothing changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.models import Post, Publication

LENGTH = timedelta(minutes=15)
"""Displayed length of an event, because a post has no duration."""
REFRESH = timedelta(minutes=15)
_SUMMARY = 80
_TENTATIVE = frozenset({"draft", "needs_review", "failed"})


def write_calendar(planned: Sequence[tuple[Publication, Post]], name: str) -> bytes:
    """Return an iCalendar with one event per publication. Times are UTC; programs convert them to the user's zone."""
    from icalendar import Calendar, Event  # noqa: PLC0415 (0.2 s that most starts do not need)

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
        # Time of the last change, not of this response, so that the same state gives the same bytes.
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
