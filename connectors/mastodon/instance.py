"""Limits of an instance, from its own configuration, with a clear error for a post that exceeds them.

Source: mastodon/schema.json 4.7.0, GET /api/v2/instance (no token needed). Text limits differ: 500 is
Mastodon's default, many instances and compatible servers allow more, few allow less. The configuration is
read only if a post may reach a limit (a text over the default, or media), so that a plain post is sent on
time. Whatever the instance still rejects is reported in its own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.content.text import count_mastodon
from connectors.errors import ConnectorError, ContentRejectedError, GiveUpError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.mastodon.capabilities import (
    DEFAULT_ALT_TEXT_LIMIT,
    DEFAULT_IMAGE_BYTES,
    DEFAULT_TEXT_LIMIT,
    DEFAULT_VIDEO_BYTES,
)
from connectors.parts import Part
from connectors.types import Media

_MAX_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class InstanceLimits:
    """Limits of one instance; Mastodon's defaults where it does not report them."""

    text: int = DEFAULT_TEXT_LIMIT
    url_length: int = 23
    media: int = 4
    image_bytes: int = DEFAULT_IMAGE_BYTES
    video_bytes: int = DEFAULT_VIDEO_BYTES
    alt_text: int = DEFAULT_ALT_TEXT_LIMIT
    known: bool = False
    """Whether the instance reported them: assumed limits reject nothing."""


@dataclass(frozen=True, slots=True)
class _Kept:
    limits: InstanceLimits
    read_at: datetime


def parse_limits(body: Any) -> InstanceLimits:  # noqa: ANN401 - JSON
    """Read {configuration: {statuses, media_attachments}}; each number may be missing."""
    configuration = body["configuration"]
    statuses = configuration.get("statuses") or {}
    media = configuration.get("media_attachments") or {}
    assumed = InstanceLimits()
    return InstanceLimits(
        text=_number(statuses, "max_characters", assumed.text),
        url_length=_number(statuses, "characters_reserved_per_url", assumed.url_length),
        media=_number(statuses, "max_media_attachments", assumed.media),
        image_bytes=_number(media, "image_size_limit", assumed.image_bytes),
        video_bytes=_number(media, "video_size_limit", assumed.video_bytes),
        alt_text=_number(media, "description_limit", assumed.alt_text),
        known=True,
    )


def may_be_over(part: Part, media: tuple[Media, ...]) -> bool:
    """Return whether the limits need to be checked for this part."""
    return bool(media) or count_mastodon(part.text) > DEFAULT_TEXT_LIMIT


async def read_limits(
    api: PlatformApi, context: ConnectorContext, base_url: str, *, anew: bool = False
) -> InstanceLimits:
    """Return the instance's limits, at most a day old, or read now (`anew`); the defaults if it reports none."""
    kept, now = context.cache.get(base_url), context.clock()
    if not anew and isinstance(kept, _Kept) and now - kept.read_at < _MAX_AGE:
        return kept.limits
    try:
        limits = await api.read("/api/v2/instance", parse_limits, attempts=1)
    except GiveUpError:
        limits = InstanceLimits()  # a compatible server without this endpoint: do not call it again
    except ConnectorError:
        return InstanceLimits()  # not essential: the response to the post itself decides
    context.cache[base_url] = _Kept(limits, now)
    return limits


def check_limits(limits: InstanceLimits, part: Part, media: tuple[Media, ...], *, host: str) -> None:
    """Raise ContentRejectedError, with the remedy, for everything over the instance's limits."""
    if not limits.known:
        return
    length = count_mastodon(part.text, url_length=limits.url_length)
    if length > limits.text:
        raise ContentRejectedError(
            f"the text is {length} characters long, {host} takes {limits.text}: shorten it by "
            f"{length - limits.text}"
        )
    if len(media) > limits.media:
        over = len(media) - limits.media
        raise ContentRejectedError(f"{len(media)} media, {host} takes {limits.media}: leave out {over}")
    for item in media:
        if len(item.alt_text or "") > limits.alt_text:
            raise ContentRejectedError(
                f"an alt text is {len(item.alt_text or '')} characters long, {host} takes {limits.alt_text}: shorten it"
            )


def _number(configuration: Mapping[str, Any], name: str, assumed: int) -> int:
    value = configuration.get(name)
    return value if isinstance(value, int) and value > 0 else assumed
