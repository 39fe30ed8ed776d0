"""X's rendering of a post's text: every URL shortened to t.co, HTML special characters escaped."""

from __future__ import annotations

import hashlib
import html
import re
from typing import Any, Final

_URL: Final = re.compile(r"https?://[^\s<>\"]+")
_TRAILING: Final = ".,;:!?)]}'\""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def show_text(text: str, *, media_address: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return the text in API responses, and its `entities`.

    Indices count code points of the returned text. A post with media ends with a link to it, as on X.
    """
    parts: list[str] = []
    urls: list[dict[str, Any]] = []
    length = 0

    def put(piece: str) -> int:
        nonlocal length
        parts.append(piece)
        length += len(piece)
        return length

    position = 0
    for match in _URL.finditer(text):
        address = match.group().rstrip(_TRAILING)
        start = put(html.escape(text[position : match.start()], quote=False))
        urls.append(_entity(start, put(short := shorten(address)), short, address))
        position = match.start() + len(address)
    put(html.escape(text[position:], quote=False))
    if media_address is not None:
        start = put(" " if text else "")
        urls.append(_entity(start, put(short := shorten(media_address)), short, media_address))
    shown = "".join(parts)
    entities: dict[str, Any] = {"urls": urls} if urls else {}
    hashtags = [
        {"start": match.start(), "end": match.end(), "tag": match.group()[1:]}
        for match in re.finditer(r"(?<![\w&/])#\w*[^\W\d]\w*", shown)
    ]
    if hashtags:
        entities["hashtags"] = hashtags
    return shown, entities


def shorten(address: str) -> str:
    """Return the t.co URL of this URL: always 23 characters."""
    digest = hashlib.blake2b(address.encode(), digest_size=10).digest()
    return "https://t.co/" + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)


def _entity(start: int, end: int, short: str, address: str) -> dict[str, Any]:
    display = address.partition("://")[2]
    return {
        "start": start,
        "end": end,
        "url": short,
        "expanded_url": address,
        "display_url": display if len(display) <= 26 else display[:26] + "…",
    }
