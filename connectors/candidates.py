"""Which of an account's posts is the one that is looked for, and when none of them can be.

Servers rewrite what they are sent: they render Markdown, escape characters, shorten links, complete mentions. So words
that do not match prove nothing. A post counts as absent only if no candidate is left at all: no post of the attempt's
time, at its place (alone, or below the post that it answers), that no other publication claims. Otherwise:

    the same words and the same media                        -> it is ours
    the same letters once what servers rewrite is left out   -> it is ours, if only one candidate is like that
    anything else                                            -> a person decides (UnclaimedPostsError)
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.base import PublishRequest
from connectors.content.links import find_urls
from connectors.content.text import compose_text, normalise_mentions
from connectors.errors import UnclaimedPostsError
from connectors.parts import Part, Progress, SentPart
from connectors.types import Media

CLOCK_MARGIN = timedelta(minutes=2)
"""How far a platform's clock may be behind ours before a post of ours seems older than its own attempt."""
_SHOWN = 5
_SPACE = re.compile(r"\s+")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_ADDRESS = re.compile(r"(?i)https?://[^\s<>\"()*\[\]]+")
"""An address under a top-level domain that twitter-text does not know."""
_LIST_NUMBER = re.compile(r"(?m)^\s*\d+[.)]\s+")


def shows_anything(_media: Sequence[Media]) -> bool:
    """Accept any media: for platforms that tell nothing of them, and for replies, which carry none."""
    return True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post of the account that may be the one looked for."""

    sent: SentPart
    text: str
    """What it says, the platform's own escaping undone."""
    shows: Callable[[Sequence[Media]], bool] = shows_anything
    """Tells whether the post's media can be these."""
    links: tuple[str, ...] | None = None
    """Where its links lead, where the platform says so beside the text; None = to what the text shows."""


def window_start(request: PublishRequest) -> datetime:
    """Return the moment since which a post may be this publication's."""
    return request.first_attempt_at - CLOCK_MARGIN


def same_id(one: str, other: str) -> bool:
    """Compare ids as their owners do: some servers answer one and the same id in upper and in lower case."""
    return one.casefold() == other.casefold()


def list_unclaimed(progress: Progress, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates that are no known part of this publication and no other publication."""
    claimed = {known.casefold() for known in progress.request.taken}
    claimed |= {sent.id.casefold() for sent in progress.sent}
    return [item for item in candidates if item.sent.id.casefold() not in claimed]


def find_match(part: Part, progress: Progress, candidates: Iterable[Candidate]) -> SentPart | None:
    """Return the candidate that surely is this part; None = none surely is, which does not mean that it is absent."""
    media = media_of(part, progress)
    free = [item for item in list_unclaimed(progress, candidates) if item.shows(media)]
    for item in free:
        if says(item, part.text):
            return item.sent
    alike = [item for item in free if reads_like(item, part.text)]
    return alike[0].sent if len(alike) == 1 else None


def choose(label: str, part: Part, progress: Progress, candidates: Sequence[Candidate]) -> SentPart | None:
    """Return the candidate that is this part; None = no candidate is left, so it is absent.

    `candidates`: every post of the account since `window_start` at the part's place. Raises UnclaimedPostsError.
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
    """Return the error that shows the posts among which a person has to look."""
    shown = ", ".join(_name(item.sent) for item in left[:_SHOWN])
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    posts = "a post" if len(left) == 1 else f"{len(left)} posts"
    return UnclaimedPostsError(
        f"{label} shows {posts} of the time of the attempt that may or may not be this one: {shown}{more}"
    )


def media_of(part: Part, progress: Progress) -> tuple[Media, ...]:
    """Return the media of a part: they go with the first."""
    return progress.request.content.media if part.index == 0 else ()


def says(candidate: Candidate, text: str) -> bool:
    """Tell whether the post says `text` as it was written, white space and the hosts of mentions aside."""
    theirs, ours = _squash(candidate.text), _squash(text)
    return theirs == ours or normalise_mentions(theirs) == normalise_mentions(ours)


def reads_like(candidate: Candidate, text: str) -> bool:
    """Tell whether the post is `text` after what servers do to one: the same letters in order, and no other links.

    Left out on both sides: markup, punctuation, links, hosts of mentions. In `text` also what a renderer swallows:
    tags, entities, the numbers of lists.
    """
    theirs = _letters(candidate.text)
    if not theirs or _leads_elsewhere(candidate, text):
        return False
    return any(_letters(form) == theirs for form in _renderings(text))


def _is_of_another(candidate: Candidate, part: Part, request: PublishRequest) -> bool:
    """Tell whether the candidate is another publication of this account that may be out, and cannot be this one."""
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
    """Return `text` in Unicode's composed form, each white space as one blank. Entities stay as they are."""
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
    """Return the text without its links, and where they lead, in the form in which two are compared."""
    pieces, links, end = [], [], 0
    for start, stop, url in find_urls(text, with_scheme_only=False):
        pieces.append(text[end:start])
        links.append(url)
        end = stop
    rest = " ".join([*pieces, text[end:]])
    links += [address.rstrip(".,;:!?'") for address in _ADDRESS.findall(rest)]
    return _ADDRESS.sub(" ", rest), {_comparable(url) for url in links}


def _leads_elsewhere(candidate: Candidate, text: str) -> bool:
    """Tell whether the post's links show that it is another one: a link where ours has none, or the same site's."""
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
