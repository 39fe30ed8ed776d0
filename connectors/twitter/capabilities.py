"""Limits and features of X (Twitter) as data. Sources are named in `connectors.twitter.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities, PublishingLimit
from connectors.content.links import INVALID_CHARACTERS, find_urls
from connectors.twitter.links import count_sent, encode_links
from connectors.twitter.options import TwitterOptions
from connectors.types import Platform

LABEL = "X (Twitter)"

MAX_IMAGE_BYTES = 5_000_000

MAX_VIDEO_BYTES = 512_000_000

CAPABILITIES = Capabilities(
    platform=Platform.TWITTER,
    label=LABEL,
    api_version="2",
    text_limit=280,
    text_unit="weighted characters",
    count_text=count_sent,
    find_links=find_urls,
    rewrite_text=encode_links,
    media_kinds=frozenset({"image", "video"}),
    max_images=4,
    max_videos=1,
    max_image_bytes=MAX_IMAGE_BYTES,
    max_video_bytes=MAX_VIDEO_BYTES,
    alt_text_kinds=frozenset({"image", "video"}),
    alt_text_limit=1000,  # x/openapi.json, CreateMediaMetadata
    supports_thread=True,
    supports_first_comment=True,
    thread_media={"image": 4, "video": 1},  # x/openapi.json, TweetCreateRequest: media beside reply
    comment_media={"image": 4, "video": 1},
    refused_characters=INVALID_CHARACTERS,
    metrics_batch=100,
    metrics={
        "impressions": "displays",
        "likes": "likes",
        "comments": "replies",
        "shares": "reposts and quotes",
        "saves": "bookmarks",
        "clicks": "clicks on links",
    },
    publishing_limit=PublishingLimit(100, timedelta(minutes=15)),
    refresh_before=timedelta(minutes=30),
    why_no_edit="X gives an edited post a new id, and lets only paying accounts edit within an hour (edit_options):"
    " edit it there, or unpublish it and publish it again",
    options=TwitterOptions,
    reconciliation="The account's posts since the first attempt are read; it is absent if no unclaimed one is there.",
)
