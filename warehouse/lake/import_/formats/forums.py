"""Sets of Reddit's and Hacker News's posts as CSV: epoch seconds, a score and comments."""

from warehouse.lake.import_.formats.base import Format

REDDIT = Format(
    name="reddit",
    title="Reddit set",
    platform=None,
    fields={
        "external_id": ("id", "name"),
        "account": ("subreddit", "author"),
        "text": ("title", "selftext", "body"),
        "permalink": ("permalink", "full_link"),
        "published_at": ("created_utc", "created", "timestamp", "unixtime"),
        "likes": ("score", "ups"),
        "comments": ("num_comments", "number_of_comments", "comms_num"),
    },
    marks=(
        frozenset({"score", "num_comments", "created_utc"}),
        frozenset({"score", "num_comments", "created"}),
        frozenset({"score", "number_of_comments", "unixtime"}),
        frozenset({"ups", "downs", "created_utc"}),
        frozenset({"score", "comms_num", "created"}),
        frozenset({"score", "num_comments", "subreddit", "timestamp"}),
    ),
    zone="UTC",
)

HACKER_NEWS = Format(
    name="hacker_news",
    title="Hacker News set",
    platform=None,
    fields={
        "external_id": ("objectid", "object id", "id"),
        "account": ("author", "by"),
        "text": ("title",),
        "permalink": ("story_url", "url"),
        "published_at": ("created_at_i", "time", "created_at", "time_ts", "timestamp"),
        "likes": ("points", "score", "num_points", "num points"),
        "comments": ("num_comments", "descendants", "num comments"),
    },
    marks=(
        frozenset({"title", "num_points", "num_comments", "created_at"}),
        frozenset({"title", "points", "num_comments", "created_at"}),
        frozenset({"title", "points", "num_comments", "created_at_i"}),
        frozenset({"title", "score", "descendants", "time", "by"}),
    ),
)
