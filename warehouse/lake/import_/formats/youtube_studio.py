"""YouTube Studio: "Table data.csv", alone or in the zip beside "Chart data.csv" and "Totals.csv"."""

from connectors.types import Platform
from warehouse.lake.import_.formats.base import Format

FORMAT = Format(
    name="youtube_studio",
    title="YouTube Studio export",
    platform=Platform.YOUTUBE,
    fields={
        "external_id": ("content", "video"),
        "text": ("video title",),
        "published_at": ("video publish time",),
        "video_views": ("views",),
        "watch_seconds": ("watch time (hours)",),
        "likes": ("likes", "likes added"),
        "comments": ("comments added", "comments"),
        "shares": ("shares",),
        "follows": ("subscribers gained",),
    },
    marks=(
        frozenset({"content", "video title", "video publish time"}),
        frozenset({"video", "video title", "video publish time"}),
    ),
    forbidden=frozenset({"date"}),
    expressions={
        "permalink": "'https://www.youtube.com/watch?v=' || {external_id}",
        "kind": "'video'",
    },
    left_out={
        "totals": "lower({external_id}) IN ('total', 'gesamt', 'totale', 'totaal', 'total general')",
        "videos without a time of publishing": "{published_at} IS NULL AND lower({external_id}) <> 'total'",
    },
    member=r"table data\.csv$",
    decimal_mark=".",
    days=True,
    scale={"watch_seconds": 3600.0},
    notes=(
        "impressions of this export are those of thumbnails: they stay in the raw payload",
        "subscribers are net of those who left, and may be negative: they stay in the raw payload",
    ),
)
