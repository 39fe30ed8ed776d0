"""LinkedIn: the page's export (XLS, sheet "All posts") and the creator's (XLSX, sheet TOP POSTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.types import Platform
from warehouse.lake.import_.formats.base import LINKEDIN_ID_TIME, Format, normalize
from warehouse.lake.import_.tables import Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

_URN = (
    "coalesce(nullif(regexp_extract({permalink}, '(urn:li:(?:activity|share|ugcPost):\\d+)', 1), ''), "
    "'urn:li:activity:' || nullif(regexp_extract({permalink}, '-activity-(\\d{{15,20}})', 1), ''))"
)

PAGE = Format(
    name="linkedin_page",
    title="LinkedIn page export",
    platform=Platform.LINKEDIN,
    fields={
        "text": ("post title",),
        "permalink": ("post link",),
        "kind": ("content type", "post type"),
        "published_at": ("created date",),
        "impressions": ("impressions",),
        "video_views": ("views",),
        "clicks": ("clicks",),
        "likes": ("likes",),
        "comments": ("comments",),
        "shares": ("reposts", "shares"),
        "follows": ("follows",),
        "engagement_rate": ("engagement rate",),
    },
    marks=(frozenset({"post link", "created date", "impressions", "clicks"}),),
    expressions={"external_id": _URN},
    date_order="mdy",
    decimal_mark=".",
    days=True,
    id_time=LINKEDIN_ID_TIME,
)

CREATOR = Format(
    name="linkedin_creator",
    title="LinkedIn creator export",
    platform=Platform.LINKEDIN,
    fields={
        "permalink": ("post url",),
        "published_at": ("post publish date",),
        "impressions": ("impressions",),
        "what": ("engagements",),
    },
    marks=(frozenset({"post url", "post publish date", "impressions"}),),
    expressions={"external_id": _URN},
    date_order="mdy",
    days=True,
    id_time=LINKEDIN_ID_TIME,
    notes=(
        "this export lists the best posts by engagements and by impressions, with these two numbers only",
    ),
)


def join_top_posts(table: Table) -> Table | None:
    """Return the two tables that stand side by side in TOP POSTS as one; None for any other table."""
    for index, record in enumerate(table.head):
        names = [normalize(cell) for cell in record.cells]
        if names.count("post url") == 2 and {"engagements", "impressions"} <= set(names):
            return _joined(table, index, names)
    return None


def _joined(table: Table, header: int, names: list[str]) -> Table:
    halves = [place for place, name in enumerate(names) if name == "post url"]

    def read() -> Iterator[Record]:
        yield Record(table.head[header].line, ["Post URL", "Post publish date", "Engagements", "Impressions"])
        found: dict[str, list[str]] = {}
        lines: dict[str, int] = {}
        for place, record in enumerate(table.read()):
            if place <= header:
                continue
            for start, end in zip(halves, [halves[1], len(names)], strict=True):
                cells = dict(zip(names[start:end], record.cells[start:end], strict=False))
                url = cells.get("post url", "").strip()
                if not url:
                    continue
                joined = found.setdefault(url, [url, "", "", ""])
                lines.setdefault(url, record.line)
                for column, name in enumerate(("post publish date", "engagements", "impressions"), 1):
                    joined[column] = joined[column] or cells.get(name, "")
        for url, joined in found.items():
            yield Record(lines[url], joined)

    return Table(name=table.name, source=table.source, head=list(read())[:60], read=read)
