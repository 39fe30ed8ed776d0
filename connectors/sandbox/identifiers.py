"""Post ids in each platform's own format. All of them sort by time, as on the platforms."""

from __future__ import annotations

import base64
from typing import Final

from connectors.types import Platform

_TWITTER_EPOCH_MS: Final = 1_288_834_974_657
_INSTAGRAM_EPOCH_MS: Final = 1_262_304_000_000
_TID_LETTERS: Final = "234567abcdefghijklmnopqrstuvwxyz"
# The low bits of a number: history uses the account's index, live posts the upper half.
_LOW_PARTS: Final = {
    Platform.TWITTER: 1 << 22,
    Platform.MASTODON: 1 << 16,
    Platform.INSTAGRAM: 2000,
    Platform.BLUESKY: 1 << 10,
    Platform.LINKEDIN: 1 << 22,
    Platform.TIKTOK: 1 << 22,
    Platform.PINTEREST: 100_000,
    Platform.TELEGRAM: 1000,
    Platform.YOUTUBE: 1 << 16,
    Platform.FACEBOOK: 100_000,
    Platform.THREADS: 10_000,
}


def build_number(platform: Platform, millis: int, low: int) -> int:
    """Return the number of a post created at this Unix millisecond.

    `low` makes it unique within the millisecond.
    """
    low %= _LOW_PARTS[platform]
    if platform is Platform.TWITTER:
        return ((millis - _TWITTER_EPOCH_MS) << 22) | low
    if platform is Platform.MASTODON:
        return (millis << 16) | low
    if platform is Platform.INSTAGRAM:
        return 17_000_000_000_000_000 + (millis - _INSTAGRAM_EPOCH_MS) * 2000 + low
    if platform is Platform.BLUESKY:
        return (millis * 1000 << 10) | low
    return millis * _LOW_PARTS[platform] + low


def build_post_id(platform: Platform, owner_id: str, number: int) -> str:
    """Return the platform's id of the post with this number, unless the client chose its name."""
    if platform is Platform.BLUESKY:
        return f"at://{owner_id}/app.bsky.feed.post/{build_tid(number)}"
    if platform is Platform.LINKEDIN:
        return f"urn:li:share:{number}"
    if platform is Platform.YOUTUBE:
        return base64.urlsafe_b64encode(number.to_bytes(8, "big")).decode().rstrip("=")
    return f"{owner_id}_{number}" if platform is Platform.FACEBOOK else str(number)


def build_tid(number: int) -> str:
    """Write a Bluesky number (microseconds << 10 | clock id) as a TID, 13 letters that sort by time."""
    letters = []
    for _ in range(13):
        letters.append(_TID_LETTERS[number & 31])
        number >>= 5
    return "".join(reversed(letters))


class IdSequence:
    """Numbers for posts created live on one platform: increasing, even if the clock stands still."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._half = _LOW_PARTS[platform] // 2
        self._last = 0

    def next(self, at: float) -> int:
        """Return the next number for a post created at this time (Unix seconds)."""
        self._last = max(build_number(self._platform, int(at * 1000), self._half), self._last + 1)
        return self._last

    def skip(self, number: int) -> None:
        """Issue only numbers above this one from now on."""
        self._last = max(self._last, number)
