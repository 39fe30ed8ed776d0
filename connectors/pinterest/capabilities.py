"""Limits and features of Pinterest as data. Sources are named in `connectors.pinterest.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities, Editing
from connectors.pinterest.options import PinterestOptions
from connectors.types import Platform

LABEL = "Pinterest"

MAX_VIDEO_BYTES = 2_000_000_000

CAPABILITIES = Capabilities(
    platform=Platform.PINTEREST,
    label=LABEL,
    api_version="v5",
    text_limit=800,
    text_unit="characters",
    count_text=len,
    media_kinds=frozenset({"image", "video"}),
    fetches_media=frozenset({"image"}),
    max_images=5,
    max_videos=1,
    max_video_bytes=MAX_VIDEO_BYTES,
    alt_text_kinds=frozenset({"image", "video"}),
    alt_text_limit=500,
    media_required=True,
    link_in_text=False,
    metrics_batch=1,
    metrics={
        "impressions": "displays",
        "likes": "reactions",
        "comments": "comments",
        "saves": "saves",
        "clicks": "clicks that lead to the link",
    },
    refresh_before=timedelta(days=5),
    editing=Editing(
        fields=frozenset({"text", "link", "alt_text"}),
        options=frozenset({"board", "section", "title", "link", "alt_text"}),
        cost="Pinterest gives this function to approved apps only (beta): others get its refusal.",
    ),
    options=PinterestOptions,
    reconciliation="The account's pins since the first attempt are read; it is absent if no unclaimed one is there.",
)
