"""Limits and features of Instagram as data. Sources are named in `connectors.instagram.connector`."""

from datetime import timedelta

from connectors.content.capabilities import Capabilities, CountLimit, PublishingLimit
from connectors.content.text import count_utf16_units
from connectors.instagram.options import InstagramOptions
from connectors.types import Platform

LABEL = "Instagram"

VERSION = "/v23.0"

CAPABILITIES = Capabilities(
    platform=Platform.INSTAGRAM,
    label=LABEL,
    api_version=VERSION.strip("/"),
    text_limit=2200,
    text_unit="characters",
    count_text=count_utf16_units,
    # developers.facebook.com, IG User Media, `caption`: 2,200 characters, 30 hashtags and 20 @ tags.
    count_limits=(CountLimit("hashtags", 30), CountLimit("mentions", 20)),
    media_kinds=frozenset({"image", "video"}),
    fetches_media=frozenset({"image", "video"}),
    max_images=10,
    max_videos=1,
    image_types=frozenset({"image/jpeg"}),  # the same: JPEG is the only type
    max_image_bytes=8_000_000,  # developers.facebook.com, IG User Media, image specifications
    alt_text_kinds=frozenset({"image"}),
    alt_text_limit=1000,  # developers.facebook.com, IG User Media, alt_text
    media_required=True,
    supports_first_comment=True,
    metrics_batch=1,
    metrics={
        "reach": "accounts",
        "likes": "likes",
        "comments": "comments",
        "shares": "shares",
        "saves": "saves",
    },
    publishing_limit=PublishingLimit(100, timedelta(hours=24)),
    refresh_before=timedelta(days=10),
    supports_unpublish=False,
    why_no_edit="Instagram lets apps change only whether a published post accepts comments: edit it there",
    options=InstagramOptions,
    reconciliation="The status of the stored container is read; the account's media name the post.",
)
