"""Validate content against a platform's limits when the post is created. No network access."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from connectors.content.addresses import is_name
from connectors.content.capabilities import Capabilities, ContentProblem
from connectors.content.links import INVALID_CHARACTERS
from connectors.content.marks import count_marks
from connectors.content.text import count_utf8_bytes, has_broken_unicode
from connectors.types import FollowUp, Media, MediaKind, PostContent

_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_OTHER_DOTS = frozenset("\u3002\uff0e\uff61\u00ad\u200b")
_ARTICLES = {"image": "an", "video": "a", "document": "a"}
_KINDS: tuple[MediaKind, ...] = ("image", "video", "document")


def find_problems(capabilities: Capabilities, content: PostContent) -> list[ContentProblem]:
    """Return everything that the platform would reject, each with its field and remedy; [] = valid."""
    return [
        *_check_first_text(capabilities, content),
        *_check_thread(capabilities, content),
        *_check_first_comment(capabilities, content),
        *_check_media(capabilities, content),
        *capabilities.options.of(content).find_problems(content, capabilities.text_limit),
    ]


def _check_first_text(capabilities: Capabilities, content: PostContent) -> Iterator[ContentProblem]:
    text = capabilities.write_text(content)
    if not text.strip() and not content.media:
        yield ContentProblem("empty", "the post says nothing: give it a text or media", "text")
    elif not text.strip() and capabilities.text_required:
        detail = f"{capabilities.label} makes the title from the first line: give it a text"
        yield ContentProblem("text_required", detail, "text")
    if content.link and not is_web_address(content.link):
        yield ContentProblem(
            "invalid_link", f"{content.link!r} is not a web address: start it with https://", "link"
        )
    what = "the text with its link" if text != content.text else "the text"
    yield from _check_text(capabilities, text, "text", what, limit=capabilities.limit_of(content))


def _check_thread(capabilities: Capabilities, content: PostContent) -> Iterator[ContentProblem]:
    if content.thread and not capabilities.supports_thread:
        yield ContentProblem(
            "thread_unsupported", f"{capabilities.label} has no threads: send one post", "thread"
        )
        return
    for place, part in enumerate(content.thread):
        what = f"part {place + 2} of the thread"
        if not part.text.strip() and not part.media:
            yield ContentProblem("empty", f"{what} is empty: leave it out", "thread")
        yield from _check_text(capabilities, part.text, "thread", what)
        yield from _check_part_media(
            capabilities, part, capabilities.thread_media, f"thread/{place}/media", what
        )


def _check_first_comment(capabilities: Capabilities, content: PostContent) -> Iterator[ContentProblem]:
    if content.first_comment is None:
        return
    if not capabilities.supports_first_comment:
        detail = f"{capabilities.label} takes no first comment: leave it out"
        yield ContentProblem("first_comment_unsupported", detail, "first_comment")
        return
    comment, what = content.first_comment, "the first comment"
    if not comment.text.strip() and not comment.media:
        yield ContentProblem("empty", f"{what} is empty: leave it out", "first_comment")
        return
    yield from _check_text(capabilities, comment.text, "first_comment", what)
    yield from _check_part_media(
        capabilities, comment, capabilities.comment_media, "first_comment/media", what
    )


def _check_text(
    capabilities: Capabilities, text: str, field: str, what: str, *, limit: int | None = None
) -> Iterator[ContentProblem]:
    if has_broken_unicode(text):
        yield ContentProblem(
            "invalid_text", f"{what} contains half of a character pair: type it again", field
        )
        return
    length, most = capabilities.count_text(text), limit or capabilities.text_limit
    if length > most:
        beside = " with media" if most != capabilities.text_limit else ""
        yield ContentProblem(
            "text_too_long",
            f"{what} is {length} {capabilities.text_unit} long, {capabilities.label} takes {most}{beside}: "
            f"shorten it by {length - most}",
            field,
        )
    for counted in capabilities.count_limits:
        count = count_marks(text, counted.mark)
        if count > counted.most:
            over = count - counted.most
            yield ContentProblem(
                f"too_many_{counted.mark}",
                f"{what} has {count} {'different ' if counted.mark == 'links' else ''}{counted.mark}, "
                f"{capabilities.label} takes {counted.most}: leave out {over}",
                field,
            )
    refused = [_name_character(char) for char in capabilities.refused_characters if char in text]
    if refused:
        detail = f"{what} holds {' and '.join(refused)}, which {capabilities.label} refuses: leave it out"
        yield ContentProblem("invalid_text", detail, field)
    bytes_limit = capabilities.text_byte_limit
    if bytes_limit is not None and count_utf8_bytes(text) > bytes_limit:
        size = count_utf8_bytes(text)
        yield ContentProblem(
            "text_too_long",
            f"{what} is {size} bytes long, {capabilities.label} takes {bytes_limit}: shorten it",
            field,
        )


def _name_character(char: str) -> str:
    return char if char.isprintable() else f"the invisible character U+{ord(char):04X}"


def _check_media(capabilities: Capabilities, content: PostContent) -> Iterator[ContentProblem]:
    if capabilities.media_required and not content.media:
        wanted = " or ".join(f"{_ARTICLES[kind]} {kind}" for kind in sorted(capabilities.media_kinds))
        yield ContentProblem("media_required", f"{capabilities.label} posts need {wanted}: add one", "media")
    yield from _check_list(capabilities, content.media, capabilities.media_limits, "media", "a post")


def _check_part_media(
    capabilities: Capabilities, part: FollowUp, limits: Mapping[MediaKind, int], field: str, what: str
) -> Iterator[ContentProblem]:
    if part.media and not limits:
        detail = (
            f"{what} takes no media on {capabilities.label}: leave them out, or put them in the first post"
        )
        yield ContentProblem("media_unsupported", detail, field)
    elif part.media:
        yield from _check_list(capabilities, part.media, limits, field, what)


def _check_list(
    capabilities: Capabilities,
    media: Sequence[Media],
    limits: Mapping[MediaKind, int],
    field: str,
    what: str,
) -> Iterator[ContentProblem]:
    """Yield problems of the media of one part. `limits`: how many of each kind it may have."""
    counts = {kind: sum(item.kind == kind for item in media) for kind in _KINDS}
    where = "" if what == "a post" else f"in {what} "
    for kind in sorted({item.kind for item in media} - limits.keys()):
        detail = f"{kind}s cannot be posted {where}to {capabilities.label} here: leave them out"
        yield ContentProblem("media_unsupported", detail, field)
    if sum(bool(counts[kind]) and kind in limits for kind in _KINDS) > 1:
        other = "video" if counts["video"] else "document"
        yield ContentProblem("media_mixed", f"{what} holds either images or one {other}: choose", field)
    for kind, most in limits.items():
        if counts[kind] > most:
            over = counts[kind] - most
            detail = f"{counts[kind]} {kind}s, {capabilities.label} takes {most}: leave out {over}"
            yield ContentProblem("too_many_media", detail, field)
    for item in media:
        if item.upload_id is None and not is_web_address(item.url):
            detail = f"{item.url!r} is not a web address: media are given by https:// address"
            yield ContentProblem("invalid_media_url", detail, field)
        yield from _check_alt_text(capabilities, item, field)


def _check_alt_text(capabilities: Capabilities, item: Media, field: str) -> Iterator[ContentProblem]:
    text, limit = item.alt_text or "", capabilities.alt_text_limit
    if has_broken_unicode(text):
        yield ContentProblem(
            "invalid_text", "an alt text contains half of a character pair: type it again", field
        )
    elif limit is not None and len(text) > limit:
        detail = (
            f"an alt text is {len(text)} characters long, {capabilities.label} takes {limit}: shorten it by "
            f"{len(text) - limit}"
        )
        yield ContentProblem("alt_text_too_long", detail, field)


def is_web_address(url: str) -> bool:
    """Return whether this is an http or https URL with a host that every reader understands alike.

    Whether the host is on a private network is another question: `connectors.content.addresses`.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError where there is none to be read
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        return False
    # White space of every kind ends a link for platforms (U+FEFF is white space to JavaScript).
    if any(char.isspace() for char in url) or set(url) & {"\x00", "\\", *INVALID_CHARACTERS}:
        return False
    if parts.netloc.startswith("[") and ":" not in (parts.hostname or ""):
        return False
    return _is_usual_host(parts.hostname or "")


def _is_usual_host(host: str) -> bool:
    """Tell whether every reader of addresses connects to the same host: 0177.0.0.1 is loopback to some of them."""
    # Full-width letters, and the dots of other scripts, become others on the way to the network.
    if unicodedata.normalize("NFKC", host) != host or set(host) & _OTHER_DOTS:
        return False
    if ":" not in host and not _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return host not in {"http", "https"} and is_name(
            host.removesuffix(".")
        )  # the scheme was written twice
    try:
        ipaddress.ip_address(host.rstrip(".").partition("%")[0])
    except ValueError:
        return False
    return True
