"""Text rewriting of compatible servers: Markdown, double escapes, shortened links, completed mentions.

Deliberately crude, like the small servers that do it: a client that matches posts by text must cope with it.
"""

from __future__ import annotations

import hashlib
import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from connectors.sandbox.settings import SandboxSettings

_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_HEADING: Final = re.compile(r"#{1,6}\s+")
_BULLET: Final = re.compile(r"\s*[-*+]\s+")
_NUMBER: Final = re.compile(r"\s*\d+[.)]\s+")
_QUOTE: Final = re.compile(r"\s*>\s?")
_PIECE: Final = re.compile(
    r"\[(?P<words>[^\[\]\n]+)\]\((?P<target>https?://[^\s()]+)\)"
    r"|(?P<link>https?://[^\s<>*`]+)"
    r"|(?<![\w/@.])@(?P<name>\w+)(?P<host>@[\w.-]+\w)?"
)
_MARKS: Final = (
    (re.compile(r"\*\*(\S(?:[^*\n]*\S)?)\*\*"), "strong"),
    (re.compile(r"\*(\S(?:[^*\n]*\S)?)\*"), "em"),
    (re.compile(r"(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)"), "em"),
    (re.compile(r"~~(\S(?:[^~\n]*\S)?)~~"), "del"),
    (re.compile(r"`([^`\n]+)`"), "code"),
)


def rewrites(settings: SandboxSettings) -> bool:
    """Return whether the instance displays texts differently from Mastodon."""
    return (
        settings.mastodon_markdown
        or settings.mastodon_double_escapes
        or settings.mastodon_short_links
        or settings.mastodon_full_mentions
    )


def rewrite(text: str, base_url: str, settings: SandboxSettings) -> str:
    """Return the HTML that such a server makes of a text."""
    return "".join(_block(line, base_url, settings) for line in text.split("\n"))


def _block(line: str, base_url: str, settings: SandboxSettings) -> str:
    if settings.mastodon_markdown:
        for pattern, tag in ((_HEADING, "h1"), (_BULLET, "li"), (_NUMBER, "li"), (_QUOTE, "blockquote")):
            found = pattern.match(line)
            if found is not None:
                return f"<{tag}>{_inline(line[found.end() :], base_url, settings)}</{tag}>"
    return f"<p>{_inline(line, base_url, settings)}</p>"


def _inline(line: str, base_url: str, settings: SandboxSettings) -> str:
    if settings.mastodon_markdown:
        line = _TAG.sub("", html.unescape(line))  # a renderer reads entities and removes foreign tags
    pieces, position = [], 0
    for match in _PIECE.finditer(line):
        pieces.append(_words(line[position : match.start()], settings))
        pieces.append(_special(match, base_url, settings))
        position = match.end()
    return "".join([*pieces, _words(line[position:], settings)])


def _special(match: re.Match[str], base_url: str, settings: SandboxSettings) -> str:
    if match["name"]:
        host = match["host"] or ""
        if settings.mastodon_full_mentions and not host:
            host = "@" + base_url.partition("://")[2].partition(":")[0]
        address = html.escape(f"{base_url}/@{match['name']}")
        return f'<span class="h-card"><a href="{address}" class="u-url mention">@{match["name"]}{host}</a></span>'
    if match["target"] and not settings.mastodon_markdown:
        return _words(match.group(), settings)
    target = match["target"] or match["link"]
    shown = match["words"] or target
    if settings.mastodon_short_links:
        target = f"https://sho.rt/{hashlib.sha256(target.encode()).hexdigest()[:7]}"
        shown = match["words"] or target
    return f'<a href="{html.escape(target)}" rel="nofollow noopener">{_words(shown, settings)}</a>'


def _words(text: str, settings: SandboxSettings) -> str:
    escaped = html.escape(text)
    if settings.mastodon_double_escapes:
        escaped = html.escape(escaped)
    if settings.mastodon_markdown:
        for pattern, tag in _MARKS:
            escaped = pattern.sub(rf"<{tag}>\1</{tag}>", escaped)
    return escaped
