"""Limits and features of LinkedIn as data. Sources are named in `connectors.linkedin.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities, Editing
from connectors.content.text import count_utf16_units
from connectors.linkedin.options import LinkedInOptions
from connectors.types import Platform

LABEL = "LinkedIn"

MAX_IMAGE_BYTES = 10_000_000  # ours: LinkedIn documents pixels (36,152,320), not bytes

MAX_VIDEO_BYTES = 500_000_000

MAX_DOCUMENT_BYTES = 100_000_000  # learn.microsoft.com/linkedin, "Documents API": 100 MB and 300 pages

REFRESH_BEFORE = timedelta(days=10)

CAPABILITIES = Capabilities(
    platform=Platform.LINKEDIN,
    label=LABEL,
    text_limit=3000,
    text_unit="characters",
    count_text=count_utf16_units,
    media_kinds=frozenset({"image", "video", "document"}),
    max_images=20,
    max_videos=1,
    max_documents=1,
    max_document_bytes=MAX_DOCUMENT_BYTES,
    max_document_pages=300,
    max_image_bytes=MAX_IMAGE_BYTES,
    max_image_pixels=36_152_320,
    image_types=frozenset({"image/jpeg", "image/png", "image/gif"}),  # "Images API"
    max_video_bytes=MAX_VIDEO_BYTES,
    alt_text_kinds=frozenset({"image", "video"}),
    supports_first_comment=True,
    comment_media={"image": 1},  # learn.microsoft.com/linkedin, "Comments API": content/entity/image
    metrics_batch=20,
    metrics={
        "impressions": "displays",
        "reach": "members",
        "likes": "reactions",
        "comments": "comments",
        "shares": "reshares",
        "saves": "saves, of a member's posts alone",
        "clicks": "clicks, of a page's posts alone",
    },
    refresh_before=REFRESH_BEFORE,
    editing=Editing(
        fields=frozenset({"text", "link"}),
        cost="The post is marked as edited; what it carries (media, poll, article) stays.",
    ),
    options=LinkedInOptions,
    reconciliation="The author's posts since the first attempt are read; a duplicate names the post.",
)
