"""The content calendar as CSV, with the columns that `posts bulk` reads where it has them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from warehouse.lake.export.formulas import guard_text

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row, post in planned:
        at = row.published_at or row.scheduled_at or post.scheduled_at
        if at is None or not start <= at < end:
            continue
        local = at.astimezone(zone)
        content = row.content
        media = " ".join(str(item.get("url", "")) for item in content.get("media", ()))
        cells = (
            *(f"{local:%Y-%m-%d}", f"{local:%H:%M}", zone.key, row.platform, row.account_id, row.status),
            *(str(content.get("text") or ""), str(content.get("link") or ""), media, post.id),
        )
        writer.writerow([guard_text(cell) for cell in cells])
    return text.getvalue().encode("utf-8-sig")
