"""The content calendar as CSV, with the columns that `posts bulk` reads where it has them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from warehouse.lake.export.formulas import guard_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from warehouse.store.models import Post, Publication

COLUMNS = (
    "date",
    "time",
    "timezone",
    "platform",
    "account_id",
    "status",
    "content",
    "link",
    "media",
    "post_id",
)


def write_calendar_csv(
    planned: Sequence[tuple[Publication, Post]], zone: ZoneInfo, start: datetime, end: datetime
) -> bytes:
    """Return planned and published posts of [start, end) by local time, one row for each account (UTF-8 with BOM).

    Cells that begin like a formula get an apostrophe.
    """
    rows = [
        _list_cells(row, post, at, zone)
        for row, post in planned
        if (at := _time_of(row, post)) is not None and start <= at < end
    ]
    return _write(rows)


def write_posts_csv(posts: Sequence[tuple[Post, Sequence[Publication]]], zone: ZoneInfo) -> bytes:
    """Return these posts in the same columns, drafts without time or account too."""
    return _write(
        _list_cells(row, post, _time_of(row, post), zone)
        for post, publications in posts
        for row in (publications or (None,))
    )


def _time_of(row: Publication | None, post: Post) -> datetime | None:
    return (row.published_at or row.scheduled_at if row is not None else None) or post.scheduled_at


def _list_cells(row: Publication | None, post: Post, at: datetime | None, zone: ZoneInfo) -> list[str]:
    local = None if at is None else at.astimezone(zone)
    content = {"text": post.content, **post.details} if row is None else row.content
    return [
        "" if local is None else f"{local:%Y-%m-%d}",
        "" if local is None else f"{local:%H:%M}",
        zone.key,
        "" if row is None else row.platform,
        "" if row is None else row.account_id,
        post.status if row is None else row.status,
        str(content.get("text") or ""),
        str(content.get("link") or ""),
        " ".join(str(item.get("url", "")) for item in content.get("media") or ()),
        post.id,
    ]


def _write(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([guard_text(cell) for cell in cells] for cells in rows)
    return text.getvalue().encode("utf-8-sig")
