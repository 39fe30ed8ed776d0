"""SocialFlow's own columns: the form to bring any other source into."""

from warehouse.lake.import_.formats.base import Format

REQUIRED = ("published_at", "likes", "comments", "shares")

FORMAT = Format(
    name="own",
    title="History file",
    platform=None,
    fields={
        "external_id": ("post_id", "external_id"),
        "account": ("account",),
        "platform": ("platform",),
        "permalink": ("permalink", "url", "link"),
        "text": ("text", "message"),
        "kind": ("kind",),
        "published_at": ("published_at",),
        "measured_at": ("captured_at", "measured_at"),
        "impressions": ("impressions",),
        "reach": ("reach",),
        "views": ("views",),
        "likes": ("likes",),
        "comments": ("comments",),
        "shares": ("shares",),
        "saves": ("saves",),
        "clicks": ("clicks",),
        "follows": ("follows",),
        "video_views": ("video_views",),
        "watch_seconds": ("watch_seconds",),
        "engagement_rate": ("engagement_rate",),
    },
    marks=(frozenset({"published_at"}),),
)
