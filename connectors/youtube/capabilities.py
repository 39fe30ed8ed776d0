"""Limits and features of YouTube as data. Sources are named in `connectors.youtube.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities, Editing
from connectors.types import Platform
from connectors.youtube.options import YouTubeOptions

LABEL = "YouTube"

MAX_VIDEO_BYTES = 256 * 1024**3

CAPABILITIES = Capabilities(
    platform=Platform.YOUTUBE,
    label=LABEL,
    api_version="v3",
    text_limit=5000,
    text_unit="characters",
    count_text=len,
    text_byte_limit=5000,
    text_required=True,
    refused_characters="<>",
    media_kinds=frozenset({"video"}),
    max_images=0,
    max_videos=1,
    max_video_bytes=MAX_VIDEO_BYTES,
    media_required=True,
    metrics_batch=50,
    metrics={
        "likes": "likes",
        "comments": "comments",
        "video_views": "plays",
    },
    refresh_before=timedelta(minutes=15),
    editing=Editing(
        fields=frozenset({"text", "link"}),
        options=frozenset(
            {
                "title",
                "privacy",
                "tags",
                "category",
                "made_for_kids",
                "embeddable",
                "licence",
                "language",
                "ai_generated",
            }
        ),
        cost="51 units of the app's daily quota: reading the video 1, updating it 50.",
    ),
    options=YouTubeOptions,
    reconciliation="The stored upload session is queried; it answers with the video's id once it is complete.",
)
