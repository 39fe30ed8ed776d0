"""Match an account's posts against a publication: find its post, or prove that it was not published.

Servers rewrite posts: they render Markdown, escape characters, shorten links and complete mentions. A text that
differs therefore proves nothing. A post counts as absent only if no candidate is left: no post from the time of
the attempt, at the same position (top level, or a reply to the same post), that belongs to no other publication.
Otherwise:

    same text and same media                              -> it is ours
    same letters, ignoring everything that servers rewrite -> it is ours, if exactly one candidate matches
    anything else                                         -> a person decides (UnclaimedPostsError)
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from connectors.base import PublishRequest
from connectors.content.links import find_urls
from connectors.content.text import compose_text, normalise_mentions
from connectors.errors import UnclaimedPostsError
from connectors.parts import Part, Progress, SentPart
from connectors.types import CLOCK_MARGIN, Media

_SHOWN = 5
_SPACE = re.compile(r"\s+")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_ADDRESS = re.compile(r"(?i)https?://[^\s<>\"()*\[\]]+")
"""A URL under a top-level domain that twitter-text does not know."""
_LIST_NUMBER = re.compile(r"(?m)^\s*\d+[.)]\s+")


def shows_anything(_media: Sequence[Media]) -> bool:
    """Accept any media: for platforms that do not report them."""
    return True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post on the account that may be the publication searched for."""

    sent: SentPart
    text: str
    """The post's text, with the platform's escaping removed."""
    shows: Callable[[Sequence[Media]], bool] = shows_anything
    """Returns whether the post's media match these items."""
    links: tuple[str, ...] | None = None
    """The link targets, where the platform reports them separately; None = use the links in the text."""


def window_start(request: PublishRequest) -> datetime:
    """Return the earliest time at which a post may be this publication."""
    return request.first_attempt_at - CLOCK_MARGIN


def same_id(one: str, other: str) -> bool:
    """Compare ids case-insensitively: some servers return the same id in upper and in lower case."""
    return one.casefold() == other.casefold()


def list_unclaimed(progress: Progress, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates that are neither a known part of this publication nor another publication."""
    claimed = {known.casefold() for known in progress.request.taken}
    claimed |= {sent.id.casefold() for sent in progress.sent}
    return [item for item in candidates if item.sent.id.casefold() not in claimed]


def find_match(part: Part, progress: Progress, candidates: Iterable[Candidate]) -> SentPart | None:
    """Return the candidate that is certainly this part.

    None = none is certain, which does not prove absence.
    """
    free = [item for item in list_unclaimed(progress, candidates) if item.shows(part.media)]
    for item in free:
        if says(item, part.text):
            return item.sent
    alike = [item for item in free if reads_like(item, part.text)]
    return alike[0].sent if len(alike) == 1 else None


def choose(label: str, part: Part, progress: Progress, candidates: Sequence[Candidate]) -> SentPart | None:
    """Return the candidate that is this part. None = no candidate is left, so the part was not published.

    `candidates`: every post of the account since `window_start` at the part's position. Raises
    UnclaimedPostsError.
    """
    found = find_match(part, progress, candidates)
    if found is not None:
        return found
    left = [
        item
        for item in list_unclaimed(progress, candidates)
        if not _is_of_another(item, part, progress.request)
    ]
    if left:
        raise doubt(label, left)
    return None


def doubt(label: str, left: Sequence[Candidate]) -> UnclaimedPostsError:
    """Return the error that lists the posts a person has to check."""
    shown = ", ".join(_name(item.sent) for item in left[:_SHOWN])
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    posts = "a post" if len(left) == 1 else f"{len(left)} posts"
    return UnclaimedPostsError(
        f"{label} shows {posts} of the time of the attempt that may or may not be this one: {shown}{more}"
    )


def says(candidate: Candidate, text: str) -> bool:
    """Return whether the post's text equals `text`, ignoring white space and the hosts of mentions."""
    theirs, ours = _squash(candidate.text), _squash(text)
    return theirs == ours or normalise_mentions(theirs) == normalise_mentions(ours)


def reads_like(candidate: Candidate, text: str) -> bool:
    """Return whether the post is `text` as a server may have rewritten it.

    That is: the same letters in order, and no other links. Ignored on both sides: markup, punctuation, links,
    hosts of mentions. Ignored in `text` also: what a renderer removes, such as tags, entities and list
    numbers.
    """
    theirs = _letters(candidate.text)
    if not theirs or _leads_elsewhere(candidate, text):
        return False
    return any(_letters(form) == theirs for form in _renderings(text))


def _is_of_another(candidate: Candidate, part: Part, request: PublishRequest) -> bool:
    """Return whether the candidate is another publication of this account and cannot be this one."""
    if part.index > 0 or reads_like(candidate, part.text) or says(candidate, part.text):
        return False
    for other in request.others:
        text = compose_text(other)
        if candidate.shows(other.media) and (says(candidate, text) or reads_like(candidate, text)):
            return True
    return False


def _name(sent: SentPart) -> str:
    return f"{sent.permalink} ({sent.id})" if sent.permalink else sent.id


def _squash(text: str) -> str:
    """Return `text` in NFC with each run of white space as one space. Entities are kept."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def _renderings(text: str) -> set[str]:
    forms = {text, html.unescape(text)}
    forms |= {_TAG.sub("", form) for form in forms}
    forms |= {html.unescape(form) for form in forms}
    return forms | {_LIST_NUMBER.sub("", form) for form in forms}


def _letters(text: str) -> str:
    plain = normalise_mentions(_split(text)[0])
    return "".join(char for char in unicodedata.normalize("NFKC", plain).casefold() if char.isalnum())


def _split(text: str) -> tuple[str, set[str]]:
    """Return the text without its links, and the link targets in normalized form."""
    pieces, links, end = [], [], 0
    for start, stop, url in find_urls(text):
        pieces.append(text[end:start])
        links.append(url)
        end = stop
    rest = " ".join([*pieces, text[end:]])
    links += [address.rstrip(".,;:!?'") for address in _ADDRESS.findall(rest)]
    return _ADDRESS.sub(" ", rest), {_comparable(url) for url in links}


def _leads_elsewhere(candidate: Candidate, text: str) -> bool:
    """Return whether the links prove a different post.

    They do if the post has a link where ours has none, or another link to the same site.
    """
    theirs = _split(candidate.text)[1]
    if candidate.links is not None:
        theirs = {_comparable(url) for url in candidate.links}
    ours = _split(text)[1]
    if not ours:
        return bool(theirs)
    hosts = {_host(url) for url in ours - theirs}
    return any(_host(url) in hosts for url in theirs - ours)


def _comparable(url: str) -> str:
    bare = url.casefold().removeprefix("https://").removeprefix("http://")
    return bare.removeprefix("www.").rstrip("/")


def _host(comparable: str) -> str:
    return urlsplit(f"//{comparable}").netloc
