"""Bluesky rich text: links, mentions and hashtags as ranges of the text's UTF-8 bytes.

Sources: lexicon app.bsky.richtext.facet; the vectors of rich-text detection in bluesky-social/atproto
(packages/api/tests), which the tests run in full. Overlapping facets are dropped, as the AppView does.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from connectors.content.links import find_links, find_whole
from connectors.content.text import count_graphemes

# A handle is a domain name: lexicon format "handle", atproto.com/specs/handle.
_MENTION = regex.compile(
    r"(?<![\w@./-])@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*)", regex.I
)
# A tag reaches to the next space, also over another "#"; a "#" before U+FE0F is the emoji of that key.
_UNSEEN = r"\u00ad\u2060\u200a-\u200d\u20e2"
_TAG = regex.compile(
    rf"(?:^|(?<=[\s(\[]))[#\uff03](?!\ufe0f)([^\s{_UNSEEN}]*[^\d\s\p{{P}}{_UNSEEN}][^\s{_UNSEEN}]*)", regex.M
)
_TAG_END = regex.compile(r"\p{P}+$")
_CASHTAG = regex.compile(r"(?:^|(?<=[\s(]))\$([A-Za-z][A-Za-z0-9]{0,4})(?=\s|$|[.,;:!?)\"'\u2019])", regex.M)
_LONGEST_TAG = 64  # graphemes

Resolve = Callable[[str], Awaitable[str | None]]


async def build_facets(text: str, resolve: Resolve, *, link: str | None = None) -> list[dict[str, Any]]:
    """Return the facets of `text` in order.

    `resolve` maps a handle to its DID, or None if the handle does not exist. `link`: a link that the text holds,
    as its author gave it in a field of its own: it is one facet, whatever it looks like.
    """
    whole = find_whole(text, link) if link else []
    spans = [(start, end, _link(str(link))) for start, end in whole]
    spans += [
        (start, end, _link(target)) for start, end, target in find_links(text) if (start, end) not in whole
    ]
    spans += _find_tags(text)
    for match in _MENTION.finditer(text):
        did = await resolve(match[1].lower())
        if did is not None:
            mention = {"$type": "app.bsky.richtext.facet#mention", "did": did}
            spans.append((match.start(), match.end(), mention))
    # A tag or mention never cuts the author's own link short.
    spans = [
        span for span in spans if span[:2] in whole or all(span[1] <= a or b <= span[0] for a, b in whole)
    ]
    facets: list[dict[str, Any]] = []
    taken = 0
    for start, end, feature in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= taken:
            index = {"byteStart": len(text[:start].encode()), "byteEnd": len(text[:end].encode())}
            facets.append({"index": index, "features": [feature]})
            taken = end
    return facets


def _link(uri: str) -> dict[str, Any]:
    return {"$type": "app.bsky.richtext.facet#link", "uri": uri}


def _find_tags(text: str) -> list[tuple[int, int, dict[str, Any]]]:
    found = []
    for match in _TAG.finditer(text):
        tag = _TAG_END.sub("", match[1])
        if tag and not tag.isdigit() and count_graphemes(tag) <= _LONGEST_TAG:
            feature = {"$type": "app.bsky.richtext.facet#tag", "tag": tag}
            found.append((match.start(), match.start(1) + len(tag), feature))
    for match in _CASHTAG.finditer(text):
        feature = {"$type": "app.bsky.richtext.facet#tag", "tag": match[0].upper()}
        found.append((match.start(), match.end(), feature))
    return found
