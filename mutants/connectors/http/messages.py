"""A platform's own words, out of whatever it answered: its JSON, a line of text, a proxy's HTML page."""

import html
import re
from typing import Any

from pydantic import SecretStr

_LONGEST = 300
_UNSEEN = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_NAMES = ("detail", "message", "error_description", "error_user_msg", "error", "title", "description")


def platform_message(body: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the sentence in an error body of any of the platforms, "" where there is none.

    X: {title, detail, type} or {errors: [{message}]}. Meta: {error: {message, code}}. Mastodon: {error,
    error_description}. Bluesky: {error, message}. Telegram: {description}.
    """
    if not isinstance(body, dict):
        return ""
    words: list[str] = []
    for name in _NAMES:
        value = body.get(name)
        if isinstance(value, dict):
            value = platform_message(value)
        if isinstance(value, str) and value.strip() and value not in words:
            words.append(value)
    errors = body.get("errors")
    if isinstance(errors, list):
        words += [inner for item in errors[:3] if (inner := platform_message(item)) and inner not in words]
    return shorten("; ".join(words))


def read_secret(value: Any) -> SecretStr:  # noqa: ANN401 - any JSON
    """Return a token out of an answer. Raises TypeError, without the value, where it is no text."""
    if not isinstance(value, str) or not value:
        raise TypeError("a token is missing")
    return SecretStr(value)


def excerpt(content: bytes) -> str:
    """Return the first words of a body as one line of plain text, tags and invisible parts taken out."""
    text = content[:20_000].decode("utf-8", errors="replace")
    if "<" in text:
        text = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
    return shorten(text)


def shorten(text: str) -> str:
    """Return `text` on one line of at most 300 characters, without control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
