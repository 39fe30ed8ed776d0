"""Character counting per platform, and comparison of a text with the text that a platform shows."""

import hashlib
import unicodedata
from functools import cache
from html.parser import HTMLParser
from typing import Any

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from connectors.content.links import find_mastodon_urls, find_urls, find_whole
from connectors.types import PostContent

_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3")
# X's counting rules: values of twitter-text's configuration v3 (weights there are these times 100).
_X_URL_WEIGHT = 23
_X_EMOJI_WEIGHT = 2
_X_LIGHT = regex.compile(r"[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
"""Code points of weight 1; all others have weight 2."""
_X_EMOJI_VERSION = 12.0
"""Latest Unicode emoji version whose sequences count as one emoji."""
_X_SPECIAL = regex.compile(r"\.[A-Za-z]|\r")
"""ASCII text that may not weigh 1 per character: a possible top-level domain, or a two-character line end."""
# Mastodon's own rule (app/models/account.rb, lib/mastodon): a local part, optionally followed by @domain.
_MASTODON_MENTION = regex.compile(r"(?<![=/\w])@(\w+(?:[\w.-]+\w+)?)(?:@[\w.-]+[\w]+)?", regex.IGNORECASE)
_MASTODON_URL_LENGTH = 23


def has_broken_unicode(text: str) -> bool:
    """Return whether `text` contains an unpaired surrogate, which cannot be sent to any platform."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def count_weighted(text: str) -> int:
    """Count as X does: URLs 23, emoji and CJK 2, most others 1, after NFC.

    Source: docs.x.com, "Counting characters"; twitter-text, configuration v3 and conformance suite. X does
    not publish which emoji it knows. Sequences newer than emoji version 12 are counted part by part: a count
    that is too high is better than a post that is rejected at publish time.
    """
    if text.isascii() and not _X_SPECIAL.search(text):
        return len(text)  # fast path: the full count takes a twentieth of the time of creating a post
    text = unicodedata.normalize("NFC", _mend(text)).replace("\r\n", "\n")
    total, end = 0, 0
    for start, stop, _url in find_urls(text):
        total += _weigh_without_urls(text[end:start]) + _X_URL_WEIGHT
        end = stop
    return total + _weigh_without_urls(text[end:])


def _weigh_without_urls(text: str) -> int:
    total = 0
    if _EMOJI.search(text):
        text, emoji = load_emoji().subn("", text)
        total = emoji * _X_EMOJI_WEIGHT
    return total + len(text) + len(_X_LIGHT.sub("", text))


@cache
def load_emoji() -> Any:  # noqa: ANN401 - regex has no types
    """Return the pattern of an emoji that X counts as one. Compiled on first use: it takes 10 MB."""
    from emoji import EMOJI_DATA  # noqa: PLC0415 (loaded on first use, see above)

    known = [emoji for emoji, data in EMOJI_DATA.items() if data["E"] <= _X_EMOJI_VERSION]
    return regex.compile(r"\L<known>", known=known)


def count_graphemes(text: str) -> int:
    """Count extended grapheme clusters, as Bluesky does."""
    return len(_GRAPHEME.findall(text))


def count_utf8_bytes(text: str) -> int:
    """Count UTF-8 bytes."""
    return len(_mend(text).encode())


def count_utf16_units(text: str) -> int:
    """Count UTF-16 code units, as JavaScript and Instagram's composer do."""
    return len(_mend(text).encode("utf-16-le")) // 2


def count_mastodon(text: str, *, url_length: int = _MASTODON_URL_LENGTH) -> int:
    """Count as Mastodon does: graphemes; a URL with a scheme counts 23, a mention only its local part.

    A link counts 23 whatever its path holds. Source: app/validators/status_length_validator.rb;
    `characters_reserved_per_url` of /api/v2/instance.
    """
    total, rest, end = 0, [], 0
    for start, stop, _url in find_mastodon_urls(text):
        rest.append(text[end:start])
        total += url_length
        end = stop
    rest.append(text[end:])
    return total + sum(count_graphemes(_MASTODON_MENTION.sub(r"@\1", piece)) for piece in rest)


def count_threads(text: str) -> int:
    """Count as Threads does: an emoji counts its UTF-8 bytes, every other character 1.

    Source: developers.facebook.com, "Threads: Publishing", `text`. Modifiers and joiners count with their
    emoji.
    """
    clusters = _GRAPHEME.findall(_mend(text))
    return sum(len(item.encode()) if _EMOJI.search(item) else len(item) for item in clusters)


def compose_text(content: PostContent) -> str:
    """Return the text of the first post: the author's text, then the link unless the text has it.

    A longer link that only begins with it is another page, so the link is added then as well.
    """
    if not content.link or find_whole(content.text, content.link):
        return content.text
    return f"{content.text}\n\n{content.link}" if content.text else content.link


def normalise_mentions(text: str) -> str:
    """Return `text` with each @user@domain as @user, as Mastodon shows it."""
    return str(_MASTODON_MENTION.sub(r"@\1", text))


def strip_html(markup: str) -> str:
    """Return the plain text of a status's HTML: <br> and </p> become line breaks, other tags are removed.

    A shortened link keeps its full URL in invisible spans, so concatenating the text restores it.
    """
    reader = _PlainText()
    reader.feed(markup)
    reader.close()
    return "".join(reader.pieces).strip()


def fingerprint(content: PostContent) -> str:
    """Return a hash of the whole content, to check whether saved progress still belongs to it."""
    return hashlib.sha256(content.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _mend(text: str) -> str:
    # An unpaired surrogate would make the encoders raise, so it is counted as the replacement character.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _PlainText(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - base class's
        if tag == "br":
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self.pieces.append("\n\n")

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
