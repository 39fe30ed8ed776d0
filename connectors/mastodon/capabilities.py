"""Limits and features of Mastodon as data. Sources are named in `connectors.mastodon.connector`."""

from connectors.content.capabilities import Capabilities, Editing
from connectors.content.links import find_mastodon_urls
from connectors.content.text import count_mastodon
from connectors.mastodon.options import MastodonOptions
from connectors.types import Platform

DEFAULT_ALT_TEXT_LIMIT = 1500

DEFAULT_IMAGE_BYTES = 16_000_000

DEFAULT_IMAGE_PIXELS = 33_177_600  # mastodon/schema.json, configuration.media_attachments.image_matrix_limit

DEFAULT_TEXT_LIMIT = 500

DEFAULT_VIDEO_BYTES = 99_000_000

LABEL = "Mastodon"

CAPABILITIES = Capabilities(
    platform=Platform.MASTODON,
    label=LABEL,
    api_version="v1",
    text_limit=DEFAULT_TEXT_LIMIT,
    text_unit="characters (a link counts 23)",
    count_text=count_mastodon,
    find_links=find_mastodon_urls,
    media_kinds=frozenset({"image", "video"}),
    max_images=4,
    max_videos=1,
    max_image_bytes=DEFAULT_IMAGE_BYTES,
    max_image_pixels=DEFAULT_IMAGE_PIXELS,
    limits_by_instance=True,
    max_video_bytes=DEFAULT_VIDEO_BYTES,
    alt_text_kinds=frozenset({"image", "video"}),
    alt_text_limit=DEFAULT_ALT_TEXT_LIMIT,
    supports_thread=True,
    supports_first_comment=True,
    # mastodon/schema.json, POST /api/v1/statuses: media_ids beside in_reply_to_id.
    thread_media={"image": 4, "video": 1},
    comment_media={"image": 4, "video": 1},
    needs_instance_url=True,
    metrics_batch=20,
    metrics={
        "likes": "favourites",
        "comments": "replies",
        "shares": "boosts and quotes",
    },
    editing=Editing(
        fields=frozenset({"text", "link", "thread", "first_comment"}),
        options=frozenset({"content_warning", "sensitive", "language", "content_type"}),
        cost="The status is marked as edited, and people who boosted it are notified; earlier versions stay readable.",
    ),
    options=MastodonOptions,
    reconciliation="The account's statuses since the first attempt are read; absent if none is unclaimed.",
)
