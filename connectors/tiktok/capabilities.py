"""Limits and features of TikTok as data. Sources are named in `connectors.tiktok.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities
from connectors.content.text import count_utf16_units
from connectors.tiktok.options import TikTokOptions
from connectors.types import Platform

LABEL = "TikTok"

MAX_VIDEO_BYTES = 4_000_000_000

CAPABILITIES = Capabilities(
    platform=Platform.TIKTOK,
    label=LABEL,
    api_version="v2",
    text_limit=2200,
    text_unit="characters",
    count_text=count_utf16_units,
    media_kinds=frozenset({"image", "video"}),
    fetches_media=frozenset({"image"}),
    max_images=35,
    max_videos=1,
    max_video_bytes=MAX_VIDEO_BYTES,
    media_required=True,
    metrics_batch=20,
    metrics={
        "likes": "likes",
        "comments": "comments",
        "shares": "shares",
        "video_views": "plays",
    },
    refresh_before=timedelta(minutes=30),
    supports_unpublish=False,
    why_no_edit="TikTok lets no app change a published post: edit it there",
    options=TikTokOptions,
    reconciliation="The status of the saved publish_id is read; without one, nothing of a video was sent.",
)
