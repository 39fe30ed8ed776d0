"""Pinterest analytics: the table of pins, below some lines about the account and the time range."""

from connectors.types import Platform
from warehouse.lake.import_.formats.base import Format

FORMAT = Format(
    name="pinterest",
    title="Pinterest analytics export",
    platform=Platform.PINTEREST,
    fields={
        "external_id": ("pin id",),
        "text": ("title", "pin title", "description"),
        "permalink": ("pin link", "pin url"),
        "published_at": (
            "created at",
            "created date",
            "publish date",
            "date published",
            "date created",
            "date",
        ),
        "kind": ("type", "format", "content type"),
        "impressions": ("impressions",),
        "saves": ("saves",),
        "clicks": ("outbound clicks",),
        "comments": ("comments", "pin comments"),
        "likes": ("reactions", "pin reactions"),
        "engagement_rate": ("engagement rate",),
        "video_views": ("video views",),
    },
    marks=(frozenset({"pin id", "impressions", "saves"}),),
    expressions={
        "permalink": "coalesce({permalink}, 'https://www.pinterest.com/pin/' || {external_id} || '/')"
    },
    days=True,
    decimal_mark=".",
    notes=("impressions, saves and clicks are those of the time range of the export",),
)
