"""How each platform counts characters, and how a text is compared with what a platform shows of it."""

import hashlib
import html
import unicodedata
import warnings
from functools import cache
from html.parser import HTMLParser
from types import ModuleType
from typing import Any

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from connectors.types import PostContent

_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3")
_SPACE = regex.compile(r"\s+")
_WEIGHED = regex.compile(r"\.[A-Za-z]|\r")
"""What in ASCII may not weigh 1 on X: a URL, by where its top-level domain begins; and two characters of a line end."""
# Mastodon's own rule (app/models/account.rb, lib/mastodon): a local part, then perhaps @domain.
_MASTODON_MENTION = regex.compile(r"(?<![=/\w])@(\w+(?:[\w.-]+\w+)?)(?:@[\w.-]+[\w]+)?", regex.IGNORECASE)
_MASTODON_URL_LENGTH = 23


@cache
def load_twitter_text() -> ModuleType:
    """Return X's text rules, loaded on first use: 12 MB and a third of a second that an idle process spares."""
    with warnings.catch_warnings():
        # It reads its list of emoji through pkg_resources, which warns of its own end; pyproject.toml pins the
        # last line of setuptools that has it. Not something the user of a command should read.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import twitter_text  # noqa: PLC0415 (that is the point)

    module: ModuleType = twitter_text
    return module


def has_broken_unicode(text: str) -> bool:
    """Tell whether `text` holds half of a surrogate pair, which no platform can be sent."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def count_weighted(text: str) -> int:
    """Count as X does: URLs 23, emoji and CJK 2, most else 1, after NFC.

    Source: docs.x.com, "Counting characters"; twitter-text configuration v3. An emoji sequence younger than
    twitter-text's own list weighs what its parts do: rather too much here than a post refused at its second.
    """
    if text.isascii() and not _WEIGHED.search(text):
        return len(text)  # reading it as X does would be a twentieth of the work of a new post
    return int(load_twitter_text().parse_tweet(_mend(text)).weightedLength)


def count_graphemes(text: str) -> int:
    """Count what a reader sees as one character (extended grapheme clusters), as Bluesky does."""
    return len(_GRAPHEME.findall(text))


def count_utf8_bytes(text: str) -> int:
    """Count the bytes of the UTF-8 form."""
    return len(_mend(text).encode())


def count_utf16_units(text: str) -> int:
    """Count UTF-16 code units, as JavaScript and Instagram's composer do."""
    return len(_mend(text).encode("utf-16-le")) // 2


def count_mastodon(text: str, *, url_length: int = _MASTODON_URL_LENGTH) -> int:
    """Count as Mastodon does: graphemes, a URL with its scheme is 23, of a mention only the local part.

    Source: app/validators/status_length_validator.rb; `characters_reserved_per_url` of /api/v2/instance.
    """
    total, rest, end = 0, [], 0
    for start, stop, _url in find_urls(text, with_scheme_only=True):
        rest.append(text[end:start])
        total += url_length
        end = stop
    rest.append(text[end:])
    return total + sum(count_graphemes(_MASTODON_MENTION.sub(r"@\1", piece)) for piece in rest)


def count_threads(text: str) -> int:
    """Count as Threads does: an emoji its UTF-8 bytes, every other character one.

    Source: developers.facebook.com, "Threads: Publishing", `text`. What belongs to an emoji counts with it.
    """
    clusters = _GRAPHEME.findall(_mend(text))
    return sum(len(item.encode()) if _EMOJI.search(item) else len(item) for item in clusters)


def find_urls(text: str, *, with_scheme_only: bool) -> list[tuple[int, int, str]]:
    """Return (start, end, url) of each web address, in code points, by the rules of twitter-text."""
    found: list[dict[str, Any]] = load_twitter_text().extract_urls_with_indices(
        _mend(text), not with_scheme_only
    )
    return [(item["indices"][0], item["indices"][1], item["url"]) for item in found]


def compose_text(content: PostContent) -> str:
    """Return the text of the first post: the author's, with the link below it unless it is there already."""
    if not content.link or content.link in content.text:
        return content.text
    return f"{content.text}\n\n{content.link}" if content.text else content.link


def normalise(text: str) -> str:
    """Return the form in which two texts are compared: NFC, entities decoded, white space as one blank."""
    plain = unicodedata.normalize("NFC", html.unescape(_mend(text)))
    return str(_SPACE.sub(" ", plain)).strip()


def normalise_mentions(text: str) -> str:
    """Return `text` with each @user@domain as @user, which is how Mastodon shows it."""
    return str(_MASTODON_MENTION.sub(r"@\1", text))


def strip_html(markup: str) -> str:
    """Return the plain text of a status as Mastodon renders it: <br> and </p> break lines, tags vanish.

    A shortened link keeps its whole address in invisible spans, so plain concatenation restores it.
    """
    reader = _PlainText()
    reader.feed(markup)
    reader.close()
    return "".join(reader.pieces).strip()


def fingerprint(content: PostContent) -> str:
    """Return a hash of everything the content says, to tell whether saved progress still belongs to it."""
    return hashlib.sha256(content.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _mend(text: str) -> str:
    # Half a surrogate pair would make the encoders raise; it is counted as the replacement character.
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
