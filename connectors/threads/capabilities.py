"""Limits and features of Threads as data. Sources are named in `connectors.threads.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities, CountLimit, PublishingLimit
from connectors.content.text import count_threads
from connectors.threads.options import ThreadsOptions
from connectors.types import Platform

LABEL = "Threads"

VERSION = "/v1.0"

CAPABILITIES = Capabilities(
    platform=Platform.THREADS,
    label=LABEL,
    api_version=VERSION.strip("/"),
    text_limit=500,
    text_unit="characters (an emoji counts its bytes)",
    count_text=count_threads,
    # developers.facebook.com, "Threads: Text Attachments": since 22 December 2025, each link counted once.
    count_limits=(CountLimit("links", 5),),
    media_kinds=frozenset({"image", "video"}),
    fetches_media=frozenset({"image", "video"}),
    max_images=20,
    max_image_bytes=8_000_000,  # developers.facebook.com, "Threads: Media specifications": 8 MB, JPEG and PNG
    image_types=frozenset({"image/jpeg", "image/png"}),
    max_videos=1,
    alt_text_kinds=frozenset({"image", "video"}),
    supports_thread=True,
    supports_first_comment=True,
    thread_media={
        "image": 20,
        "video": 1,
    },  # threads/*.json: reply_to_id of image, video and carousel containers
    comment_media={"image": 20, "video": 1},
    metrics_batch=1,
    metrics={
        "likes": "likes",
        "comments": "replies",
        "shares": "reposts, quotes and shares",
    },
    publishing_limit=PublishingLimit(250, timedelta(hours=24)),
    refresh_before=timedelta(days=10),
    why_no_edit="Threads lets no app change a published post:"
    " edit it there within 15 minutes, or unpublish it and publish it again",
    options=ThreadsOptions,
    reconciliation=(
        "The status of the stored container is read; the account's posts and replies since the "
        "first attempt name the post."
    ),
)
