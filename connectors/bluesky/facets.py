"""Bluesky rich text: links, mentions and hashtags as ranges of the text's UTF-8 bytes.

Source: lexicon app.bsky.richtext.facet. Overlapping facets are dropped, as the AppView does.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from connectors.content.links import find_urls
from connectors.content.text import count_graphemes

# A handle is a domain name: lexicon format "handle", atproto.com/specs/handle.
_MENTION = regex.compile(
    r"(?<![\w@./-])@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*)", regex.I
)
_TAG = regex.compile(r"(?:^|(?<=[\s(\[]))[#\uff03](?!\ufe0f)([^\s#\uff03]+)", regex.M)
_TAG_END = regex.compile(r"\p{P}+$")
_LONGEST_TAG = 64  # graphemes

Resolve = Callable[[str], Awaitable[str | None]]


async def build_facets(text: str, resolve: Resolve) -> list[dict[str, Any]]:
    """Return the facets of `text` in order.

    `resolve` maps a handle to its DID, or None if the handle does not exist.
    """
    spans = [(start, end, _link(url)) for start, end, url in find_urls(text, with_scheme_only=False)]
    spans += _find_tags(text)
    for match in _MENTION.finditer(text):
        did = await resolve(match[1].lower())
        if did is not None:
            mention = {"$type": "app.bsky.richtext.facet#mention", "did": did}
            spans.append((match.start(), match.end(), mention))
    facets: list[dict[str, Any]] = []
    taken = 0
    for start, end, feature in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= taken:
            index = {"byteStart": len(text[:start].encode()), "byteEnd": len(text[:end].encode())}
            facets.append({"index": index, "features": [feature]})
            taken = end
    return facets


def _link(url: str) -> dict[str, Any]:
    uri = url if "://" in url else f"https://{url}"
    return {"$type": "app.bsky.richtext.facet#link", "uri": uri}


def _find_tags(text: str) -> list[tuple[int, int, dict[str, Any]]]:
    found = []
    for match in _TAG.finditer(text):
        tag = _TAG_END.sub("", match[1])
        if tag and not tag.isdigit() and count_graphemes(tag) <= _LONGEST_TAG:
            feature = {"$type": "app.bsky.richtext.facet#tag", "tag": tag}
            found.append((match.start(), match.start(1) + len(tag), feature))
    return found
