"""Limits and features of Bluesky as data. Sources are named in `connectors.bluesky.connector`."""

from datetime import timedelta

from connectors.bluesky.options import BlueskyOptions
from connectors.content.capabilities import Capabilities, Editing
from connectors.content.text import count_graphemes
from connectors.types import Platform

LABEL = "Bluesky"

MAX_IMAGE_BYTES = 2_000_000  # lexicon app.bsky.embed.images, maxSize

CAPABILITIES = Capabilities(
    platform=Platform.BLUESKY,
    label=LABEL,
    text_limit=300,
    text_unit="characters",
    count_text=count_graphemes,
    text_byte_limit=3000,
    media_kinds=frozenset({"image"}),
    max_images=4,
    max_videos=0,
    max_image_bytes=MAX_IMAGE_BYTES,
    alt_text_kinds=frozenset({"image"}),
    supports_thread=True,
    supports_first_comment=True,
    thread_media={"image": 4},  # lexicon app.bsky.feed.post: embed beside reply
    comment_media={"image": 4},
    needs_handle=True,
    metrics_batch=25,
    metrics={
        "likes": "likes",
        "comments": "replies",
        "shares": "reposts and quotes",
        "saves": "bookmarks",
    },
    refresh_before=timedelta(minutes=30),
    editing=Editing(
        fields=frozenset({"text", "link", "thread", "first_comment"}),
        options=frozenset({"languages", "labels", "reply_gate", "quote_gate"}),
        cost="The record is replaced under the same address; apps take a while to show the new one.",
    ),
    options=BlueskyOptions,
    reconciliation="The record is read by the key that was chosen before sending.",
)
