"""Exports of other publishing tools: Buffer, Hootsuite, Sprout Social, Metricool, Postiz; a sheet kept by hand.

They hold posts of several platforms, named in a column. Their headers change with the plan and the language of the
account: those here were seen in public files, the rest comes in by `--map`.
"""

from connectors.types import Platform
from warehouse.lake.import_.formats.base import ID_FROM_LINK, Format

_COUNTS = {
    "impressions": ("impressions", "organic impressions", "post impressions"),
    "reach": ("reach", "organic reach", "post reach"),
    "views": ("views",),
    "likes": ("reactions", "likes", "favorites", "favourites", "likes & reactions"),
    "comments": ("comments", "replies", "comments & replies"),
    "shares": ("shares", "reposts", "retweets", "shares & reposts"),
    "saves": ("saves", "saved", "bookmarks"),
    "clicks": ("post link clicks", "link clicks", "clicks", "url clicks", "post clicks (all)"),
    "follows": ("follows", "new followers"),
    "video_views": ("video views", "plays"),
    "engagement_rate": ("engagement rate", "engagement rate (per impression)"),
}

BUFFER = Format(
    name="buffer",
    title="Buffer export",
    platform=None,
    fields=_COUNTS
    | {
        "platform": ("service", "channel", "network", "channel type"),
        "account": ("profile", "channel name", "account"),
        "external_id": ("service id", "post id"),
        "permalink": ("service link", "post link", "permalink", "link to post"),
        "text": ("update", "text", "post", "content", "caption"),
        "kind": ("type", "post type", "media type"),
        "published_at": ("date", "sent at", "posted at", "date (utc)", "sent date"),
    },
    marks=(
        frozenset({"update", "service", "service link", "date"}),
        frozenset({"text", "channel", "sent at"}),
        frozenset({"text", "service", "sent at"}),
        frozenset({"post", "channel", "sent at"}),
    ),
    expressions={"external_id": ID_FROM_LINK},
)

HOOTSUITE = Format(
    name="hootsuite",
    title="Hootsuite export",
    platform=None,
    fields=_COUNTS
    | {
        "platform": ("social network", "network", "platform"),
        "account": ("social profile", "profile", "profile name", "account"),
        "external_id": ("post id", "message id"),
        "permalink": ("post permalink", "permalink", "post link"),
        "text": ("post message", "message", "post text"),
        "kind": ("post type", "type"),
        "published_at": ("date (gmt)", "date (utc)", "post date", "date", "published date (gmt)"),
    },
    marks=(
        frozenset({"post message", "post permalink", "social network"}),
        frozenset({"post message", "post id", "date (gmt)"}),
        frozenset({"message", "post permalink", "social network"}),
    ),
    expressions={"external_id": ID_FROM_LINK},
    zone_hint="Hootsuite writes GMT where the header says so",
)

SPROUT = Format(
    name="sprout_social",
    title="Sprout Social export",
    platform=None,
    fields=_COUNTS
    | {
        "platform": ("network",),
        "account": ("profile",),
        "external_id": ("post id",),
        "permalink": ("link", "post link", "permalink"),
        "text": ("post", "text"),
        "kind": ("content type", "post type"),
        "published_at": ("date",),
    },
    marks=(
        frozenset({"network", "post type", "profile", "post", "date"}),
        frozenset({"network", "profile", "post id", "date", "link"}),
    ),
    expressions={"external_id": ID_FROM_LINK},
    zone_hint="Sprout writes the zone of the group",
)

METRICOOL = Format(
    name="metricool",
    title="Metricool export",
    platform=None,
    fields=_COUNTS
    | {
        "platform": ("network", "social network", "red social", "platform"),
        "account": ("account", "brand", "cuenta", "marca", "profile"),
        "external_id": ("post id", "id"),
        "permalink": ("url", "link", "enlace", "post url"),
        "text": ("content", "text", "contenido", "texto", "caption"),
        "kind": ("type", "tipo", "post type"),
        "published_at": ("date", "published", "published at", "fecha", "publication date"),
        "impressions": ("impressions", "impresiones"),
        "reach": ("reach", "alcance"),
        "likes": ("likes", "me gusta", "reactions", "reacciones"),
        "comments": ("comments", "comentarios"),
        "shares": ("shares", "compartidos"),
        "saves": ("saved", "saves", "guardados"),
        "clicks": ("clicks", "clics", "link clicks"),
        "video_views": ("video views", "visualizaciones"),
    },
    marks=(
        frozenset({"content", "url", "type", "date", "interactions"}),
        frozenset({"content", "type", "date", "engagement", "reach"}),
        frozenset({"contenido", "tipo", "fecha"}),
    ),
    expressions={"external_id": ID_FROM_LINK},
    days=True,
    zone_hint="Metricool writes the zone of the brand",
)

POSTIZ = Format(
    name="postiz",
    title="Postiz export",
    platform=None,
    fields=_COUNTS
    | {
        "platform": ("provider", "platform", "provideridentifier", "integration"),
        "account": ("channel", "integration name", "name", "account"),
        "external_id": ("releaseid", "release id"),
        "permalink": ("releaseurl", "release url", "url"),
        "text": ("content",),
        "published_at": ("publishdate", "publish date", "date"),
        "what": ("state", "status"),
    },
    marks=(
        frozenset({"content", "publishdate", "state"}),
        frozenset({"content", "publish date", "state"}),
        frozenset({"content", "publishdate", "releaseurl"}),
    ),
    expressions={"external_id": ID_FROM_LINK},
    left_out={"posts that were not published": "upper(coalesce({what}, 'PUBLISHED')) <> 'PUBLISHED'"},
)

BY_HAND = Format(
    name="instagram_by_hand",
    title="Instagram sheet kept by hand",
    platform=Platform.INSTAGRAM,
    fields=_COUNTS
    | {
        "account": ("account", "profile"),
        "text": ("caption",),
        "published_at": ("date", "posted at", "publish time"),
        "kind": ("type", "post type"),
        "permalink": ("link", "permalink", "url"),
    },
    marks=(
        frozenset({"date", "impressions", "from hashtags", "likes"}),
        frozenset({"date", "impressions", "from home", "likes", "caption"}),
    ),
    days=True,
)
