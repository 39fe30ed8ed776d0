"""Count links, hashtags and mentions of a text, for platforms that limit their number."""

from typing import Literal

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from connectors.content.links import find_links

Mark = Literal["links", "hashtags", "mentions"]
_HASHTAG = regex.compile(r"(?<![\w&])[#\uff03][\p{L}\p{M}\p{N}_\u00b7\p{Extended_Pictographic}]+")
_MENTION = regex.compile(r"(?<![\w@.])@[A-Za-z0-9_](?:[A-Za-z0-9_.]*[A-Za-z0-9_])?")


def count_marks(text: str, mark: Mark) -> int:
    """Return how many different links, or how many hashtags or mentions, the text has.

    A link counts once however often it stands there, as Threads counts; "#" and "@" within links are no marks.
    """
    links = find_links(text)
    if mark == "links":
        return len({target for _start, _end, target in links})
    for start, end, _target in reversed(links):
        text = f"{text[:start]} {text[end:]}"
    return len((_HASHTAG if mark == "hashtags" else _MENTION).findall(text))
