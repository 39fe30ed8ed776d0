"""TikTok Studio: the sheet "Content" as CSV or XLSX; its dates often have no year."""

from connectors.types import Platform
from warehouse.lake.import_.formats.base import TIKTOK_ID_TIME, Format

_ID = "nullif(regexp_extract({permalink}, '/(?:video|photo)/(\\d{{10,20}})', 1), '')"
_ID_DATE = f"(epoch_ms(({_ID}::HUGEINT // 4294967296 * 1000)::BIGINT))"

FORMAT = Format(
    name="tiktok_studio",
    title="TikTok Studio export",
    platform=Platform.TIKTOK,
    fields={
        "text": ("video title", "title"),
        "permalink": ("video link", "link"),
        "published_at": ("post time", "posted time"),
        "likes": ("total likes", "likes"),
        "comments": ("total comments", "comments"),
        "shares": ("total shares", "shares"),
        "saves": ("total saves", "saves", "favorites"),
        "video_views": ("total views", "video views", "views"),
    },
    marks=(frozenset({"video link", "post time"}), frozenset({"video title", "post time", "total views"})),
    expressions={
        "external_id": _ID,
        "account": "nullif(regexp_extract({permalink}, 'tiktok\\.com/@([\\w.]+)/', 1), '')",
        "kind": "CASE WHEN contains({permalink}, '/photo/') THEN 'photo' ELSE 'video' END",
        # A date without a year gets the year of the post's id, next to New Year that of the nearer day.
        "published_at": (
            "CASE WHEN regexp_full_match({published_at}, '[A-Za-z]+\\.? \\d{{1,2}}') "
            f"AND {_ID} IS NOT NULL THEN {{published_at}} || ', ' || (year({_ID_DATE}) + CASE "
            f"WHEN month({_ID_DATE}) = 1 AND starts_with(lower({{published_at}}), 'dec') THEN -1 "
            f"WHEN month({_ID_DATE}) = 12 AND starts_with(lower({{published_at}}), 'jan') THEN 1 ELSE 0 END)::VARCHAR "
            "ELSE {published_at} END"
        ),
    },
    days=True,
    id_time=TIKTOK_ID_TIME,
    decimal_mark=".",
    notes=("dates without a year take the year from the video's id",),
)
