"""Extract the platform's error message from a response: JSON, a line of text, or a proxy's HTML page."""

import html
import re
from typing import Any

from pydantic import SecretStr

_LONGEST = 300
_UNSEEN = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>")
_TAG = re.compile(r"<[^<>]{0,2000}>")
# How servers word an invalid token if they do not answer 401 (Takahe: 400 "Invalid Bearer token").
_NAMED = r"(?:(?:oauth2?|bearer|access|auth|authentication|session|api)[ -])*token"
_BAD = r"(?:invalid(?:ated)?|expired|revoked|unknown|bad|missing|not valid|no longer valid|not recogni[sz]ed|malformed)"
_BAD_TOKEN = re.compile(
    rf"(?i)answered 4\d\d: (?:(?:the|your|an?|this) )?(?:{_BAD} {_NAMED}|{_NAMED} (?:is |was |has )?(?:been )?{_BAD})\b"
)
_NAMES = ("detail", "message", "error_description", "error_user_msg", "error", "title", "description")


def platform_message(body: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the message in an error body of any of the platforms, or "".

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


def says_bad_token(message: str) -> bool:
    """Return whether a refusal's message says, in whatever words, that the access token is not accepted."""
    return _BAD_TOKEN.search(message) is not None


def read_secret(value: Any) -> SecretStr:  # noqa: ANN401 - any JSON
    """Return a token from a response. Raises TypeError, without the value, if it is not a string."""
    if not isinstance(value, str) or not value:
        raise TypeError("a token is missing")
    return SecretStr(value)


def excerpt(content: bytes) -> str:
    """Return the start of a body as one line of plain text, without tags and invisible parts."""
    text = content[:20_000].decode("utf-8", errors="replace")
    if "<" in text:
        text = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
    return shorten(text)


def shorten(text: str) -> str:
    """Return `text` on one line of at most 300 characters, without control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
