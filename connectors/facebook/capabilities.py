"""Limits and features of Facebook as data. Sources are named in `connectors.facebook.connector`."""

from connectors.content.capabilities import Capabilities, Editing
from connectors.content.text import count_utf16_units
from connectors.facebook.options import FacebookOptions
from connectors.types import Platform

LABEL = "Facebook"

VERSION = "/v25.0"

CAPABILITIES = Capabilities(
    platform=Platform.FACEBOOK,
    label=LABEL,
    api_version=VERSION.strip("/"),
    text_limit=63_206,
    text_unit="characters",
    count_text=count_utf16_units,
    media_kinds=frozenset({"image", "video"}),
    fetches_media=frozenset({"image", "video"}),
    max_images=10,
    max_videos=1,
    alt_text_kinds=frozenset({"image"}),
    supports_first_comment=True,
    comment_media={"image": 1},  # meta/PagePost.json, POST comments: attachment_url
    metrics_batch=50,
    metrics={
        "likes": "reactions",
        "comments": "comments and replies",
        "shares": "shares",
        "reach": "accounts",
        "clicks": "clicks anywhere on the post",
    },
    editing=Editing(
        fields=frozenset({"text"}),
        cost="Only posts that the same app published; the card of a link stays that of the published link.",
    ),
    options=FacebookOptions,
    reconciliation="The Page's posts and videos since the first attempt are read; absent if none is unclaimed.",
)
