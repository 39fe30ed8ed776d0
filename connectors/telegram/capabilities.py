"""Limits and features of Telegram as data. Sources are named in `connectors.telegram.connector`."""

from connectors.content.capabilities import Capabilities, Editing
from connectors.content.text import count_utf16_units
from connectors.telegram.options import TelegramOptions
from connectors.types import Platform

LABEL = "Telegram"

CAPABILITIES = Capabilities(
    platform=Platform.TELEGRAM,
    label=LABEL,
    text_limit=4096,
    text_limit_with_media=1024,
    text_unit="characters",
    count_text=count_utf16_units,
    media_kinds=frozenset({"image", "video"}),
    fetches_media=frozenset({"image", "video"}),
    max_images=10,
    max_videos=1,
    max_image_bytes=5_000_000,  # maximum size that Telegram fetches from a URL
    max_video_bytes=20_000_000,
    needs_handle=True,
    metrics_batch=100,
    lists_posts=False,
    finds_out=False,
    editing=Editing(
        fields=frozenset({"text", "link"}),
        options=frozenset({"buttons", "link_preview"}),
        cost="The message is marked as edited; an earlier edit of unknown outcome is simply repeated.",
    ),
    options=TelegramOptions,
    reconciliation="The Bot API cannot list the posts of a channel: an ambiguous post waits for a person.",
)
