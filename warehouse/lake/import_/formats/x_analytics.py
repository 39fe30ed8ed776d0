"""X analytics: posts as CSV, in the form until 2023 ("Tweet id") and since ("Post id")."""

from connectors.types import Platform
from warehouse.lake.import_.formats.base import X_ID_TIME, Format

FORMAT = Format(
    name="x_analytics",
    title="X analytics export",
    platform=Platform.TWITTER,
    fields={
        "external_id": ("tweet id", "post id"),
        "permalink": ("tweet permalink", "post link"),
        "text": ("tweet text", "post text"),
        "published_at": ("time", "date"),
        "impressions": ("impressions",),
        "likes": ("likes",),
        "comments": ("replies",),
        "shares": ("retweets", "reposts"),
        "saves": ("bookmarks",),
        "clicks": ("url clicks",),
        "follows": ("new follows", "follows"),
        "engagement_rate": ("engagement rate",),
    },
    marks=(
        frozenset({"tweet id", "tweet text", "time", "impressions"}),
        frozenset({"post id", "post text", "date", "impressions"}),
    ),
    expressions={
        "account": "nullif(regexp_extract({permalink}, '(?:twitter|x)\\.com/([A-Za-z0-9_]{{1,20}})/status', 1), 'i')"
    },
    decimal_mark=".",
    days=True,
    id_time=X_ID_TIME,
    notes=("replies to other people are posts of their own in this export, and are loaded",),
)
