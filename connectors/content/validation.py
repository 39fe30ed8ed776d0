"""Validate content against a platform's limits when the post is created. No network access."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

from connectors.content.addresses import is_name
from connectors.content.capabilities import Capabilities, ContentProblem
from connectors.content.links import INVALID_CHARACTERS
from connectors.content.marks import count_marks
from connectors.content.text import count_utf8_bytes, has_broken_unicode
from connectors.types import Media, PostContent

_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_OTHER_DOTS = frozenset("\u3002\uff0e\uff61\u00ad\u200b")
_ARTICLES = {"image": "an", "video": "a"}


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
    for number, text in enumerate(content.thread, start=2):
        if not text.strip():
            yield ContentProblem("empty", f"part {number} of the thread is empty: leave it out", "thread")
        yield from _check_text(capabilities, text, "thread", f"part {number} of the thread")


def _check_first_comment(capabilities: Capabilities, content: PostContent) -> Iterator[ContentProblem]:
    if content.first_comment is None:
        return
    if not capabilities.supports_first_comment:
        detail = f"{capabilities.label} takes no first comment: leave it out"
        yield ContentProblem("first_comment_unsupported", detail, "first_comment")
    elif not content.first_comment.strip():
        yield ContentProblem("empty", "the first comment is empty: leave it out", "first_comment")
    else:
        yield from _check_text(capabilities, content.first_comment, "first_comment", "the first comment")


def _check_text(
    capabilities: Capabilities, text: str, field: str, what: str, *, limit: int | None = None
) -> Iterator[ContentProblem]:
    if has_broken_unicode(text):
        yield ContentProblem("invalid_text", f"{what} holds half of a character pair: type it anew", field)
        return
    length, most = capabilities.count_text(text), limit or capabilities.text_limit
    if length > most:
        beside = " beside media" if most != capabilities.text_limit else ""
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
    images = sum(item.kind == "image" for item in content.media)
    videos = sum(item.kind == "video" for item in content.media)
    if capabilities.media_required and not content.media:
        wanted = " or ".join(f"{_ARTICLES[kind]} {kind}" for kind in sorted(capabilities.media_kinds))
        yield ContentProblem("media_required", f"{capabilities.label} posts need {wanted}: add one", "media")
    for kind in sorted({item.kind for item in content.media} - capabilities.media_kinds):
        detail = f"{kind}s cannot be posted to {capabilities.label} here: leave them out"
        yield ContentProblem("media_unsupported", detail, "media")
    if images and videos and {"image", "video"} <= capabilities.media_kinds:
        yield ContentProblem("media_mixed", "a post holds either images or one video: choose", "media")
    for kind, count, most in (
        ("image", images, capabilities.max_images),
        ("video", videos, capabilities.max_videos),
    ):
        if kind in capabilities.media_kinds and count > most:
            detail = f"{count} {kind}s, {capabilities.label} takes {most}: leave out {count - most}"
            yield ContentProblem("too_many_media", detail, "media")
    for item in content.media:
        if item.upload_id is None and not is_web_address(item.url):
            detail = f"{item.url!r} is not a web address: media are given by https:// address"
            yield ContentProblem("invalid_media_url", detail, "media")
        yield from _check_alt_text(capabilities, item)


def _check_alt_text(capabilities: Capabilities, item: Media) -> Iterator[ContentProblem]:
    text, limit = item.alt_text or "", capabilities.alt_text_limit
    if has_broken_unicode(text):
        yield ContentProblem(
            "invalid_text", "an alt text holds half of a character pair: type it anew", "media"
        )
    elif limit is not None and len(text) > limit:
        detail = (
            f"an alt text is {len(text)} characters long, {capabilities.label} takes {limit}: shorten it by "
            f"{len(text) - limit}"
        )
        yield ContentProblem("alt_text_too_long", detail, "media")


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
