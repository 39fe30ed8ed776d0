"""Find the links of a text: by X's rules, by Mastodon's, and as whole addresses.

| function             | what ends a link                                        | used for                     |
|----------------------|---------------------------------------------------------|------------------------------|
| `find_urls`          | a letter outside Latin and Cyrillic, most symbols       | counting for X, comparisons  |
| `find_mastodon_urls` | white space, brackets; it may hold letters of any script | counting for Mastodon       |
| `find_links`         | white space, or what closes a bracket before the link   | link targets, link counts    |

Sources: twitter-text 3 (configuration v3 and the conformance suite, validate.yml and extract.yml); Mastodon's
config/initializers/twitter_regex.rb, which replaces twitter-text's rules for paths and queries; the vectors of
Bluesky's rich-text detection. The top-level domains are those of the Public Suffix List, from the installed
package: no network access.

Hosts are found by a linear scan, not a regular expression: with nested repetitions, "a.a.a.a" of 4,000
characters would take 30 seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own
from publicsuffixlist import PSLFILE

INVALID_CHARACTERS = "\ufeff\ufffe\uffff"
"""Code points that make a text invalid on X."""

_LONGEST_URL = 4096
_LONGEST_SHORT_CODE = 40  # of a t.co URL

_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SPACES = r"\t-\r \x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_ACCENTED = (
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289"
    r"\u028b\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_LETTERS = rf"A-Za-z0-9{_ACCENTED}"

# A host may contain anything but spaces, direction marks, invalid code points and most ASCII punctuation.
_HOST = regex.compile(rf"[^!#$%&'()*+,/:;<=>?@\[\\\]^{{|}}~{_SPACES}{_DIRECTIONS}{INVALID_CHARACTERS}]+")
_SCHEME = regex.compile(r"https?://\Z", regex.IGNORECASE)
# Without a scheme, only this part of a host is a URL: "example.com" in "見てexample.com".
_PLAIN_HOST = regex.compile(rf"[{_LETTERS}-][{_LETTERS}.-]*")
_NOT_BEFORE_URL = regex.compile(rf"[A-Za-z0-9@\uff20$#\uff03{INVALID_CHARACTERS}]")
# A path ends with a letter or one of a few symbols, so that a sentence's full stop is not included. Balanced
# parentheses belong to the path, nested at most once.
_IN_PATH = rf"[{_LETTERS}\u0400-\u04ff!*';:=+,.$/%#\[\]\-\u2013_~@|&]"
_PATH_END = rf"[{_LETTERS}\u0400-\u04ff+\-=_#/]"
_PARENTHESES = rf"\((?:{_IN_PATH}+|{_IN_PATH}*\({_IN_PATH}+\){_IN_PATH}*)\)"
_PATH = rf"/(?:(?:{_IN_PATH}|{_PARENTHESES})*{_PATH_END}|{_PARENTHESES})*"
_QUERY = r"\?[A-Za-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[A-Za-z0-9\-_&=#/]"
_AFTER_HOST = regex.compile(rf"(?::[0-9]+)?(?P<path>{_PATH})?(?:{_QUERY})?")
# Mastodon: a path is anything but white space, <, >, brackets and "?"; a query takes letters of every script.
_M_IN_PATH = r"[^\p{White_Space}<>()?]"
_M_PATH_END = r"[^\p{White_Space}()?!*\"'\u300c\u300d<>;:=,.$%\[\]~&|@]"
_M_PARENTHESES = rf"\((?:{_M_IN_PATH}+|{_M_IN_PATH}*\({_M_IN_PATH}+\){_M_IN_PATH}*)\)"
_M_PATH = rf"/(?:(?:{_M_IN_PATH}|{_M_PARENTHESES})*(?:{_M_PATH_END}|{_M_PARENTHESES}))?"
_M_LETTERS = r"\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000efffd"
_M_QUERY = rf"\?[A-Za-z0-9!?*'();:&=+$/%#\[\]\-_.,~|@^{_M_LETTERS}]*[A-Za-z0-9_&=#/\-{_M_LETTERS}]"
_AFTER_HOST_ON_MASTODON = regex.compile(rf"(?::[0-9]+)?(?P<path>{_M_PATH})?(?:{_M_QUERY})?")
# Whole links: they end at white space, or at an invisible mark of direction.
_LINK_START = regex.compile(r"https?://(?=[\p{L}\p{N}\[])", regex.IGNORECASE)
_BREAK = regex.compile(rf"[\s\u200b{_DIRECTIONS}{INVALID_CHARACTERS}]|\Z")
_IN_WORD = regex.compile(r"[\p{L}\p{N}\p{M}]")
_WHOLE_HOST = regex.compile(r"\[[0-9A-Fa-f:.]+\]|[\p{L}\p{N}\p{M}\p{So}\u200d._-]+")
_GOES_ON = regex.compile(r"[/?#]|:[0-9]|(?::[^/?#@]*)?@")
_NEXT_LINK = regex.compile(r"[,;|]+https?://", regex.IGNORECASE)
_BRACKETS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "<": ">",
    "\uff08": "\uff09",
    "\u3010": "\u3011",
    "\u300c": "\u300d",
    "\u300e": "\u300f",
    "\u201c": "\u201d",
    "\xab": "\xbb",
    "\u2039": "\u203a",
    "\u3008": "\u3009",
    "\u300a": "\u300b",
    "\u3014": "\u3015",
}
# German, Danish, Polish and others quote with other pairs: one opener may have several closers.
_CLOSERS = (
    _BRACKETS
    | {'"': '"', "'": "'", "\u2018": "\u2019", "\u201a": "\u2018\u2019", "\u201e": "\u201c\u201d"}
    | {"\u201d": "\u201d", "\u2019": "\u2019", "\xbb": "\xab\xbb", "\u203a": "\u2039\u203a"}
    | {mark: mark for mark in "*_~`"}
)
_PUNCTUATION = (
    ".,;:!?'\"\u2026\u2019"
    "\u2018\u201c\xab\u2039"  # they close quotations in German and Danish
    "\u2013\u2014\u060c\u061b\u061f\u0964"  # dashes; the comma, semicolon and question mark of Arabic, the danda
)
_WIDE_PUNCTUATION = "\u3001\u3002\uff0c\uff0e\uff01\uff1f\uff1a\uff1b"
_NOT_BEFORE_LINK = regex.compile(r"[A-Za-z0-9@\uff20$#\uff03/=&%?._~-]")
_ENDS = regex.escape(_PUNCTUATION + _WIDE_PUNCTUATION + "".join(_BRACKETS.values()), special_only=False)
_AFTER_LINK = regex.compile(rf"[{_ENDS}]*(?:[,;|]https?://|{_BREAK.pattern})")
_SHORT_LINK = regex.compile(rf"https?://t\.co/([a-z0-9]+)(?:{_QUERY})?", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Label:
    """One label of a host, up to a full stop."""

    start: int
    dot: int
    domain_end: int | None
    """Where the host ends if this is its last label before the top-level domain; None = none follows."""
    last_underscore: int
    """Position of the last underscore; -1 = none. Underscores are allowed in subdomains only."""
    longest_end: int | None
    """Where the longest host that contains this complete label ends; None = there is none."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A substring with the form of a URL, with or without a scheme."""

    text: str
    start: int
    host_start: int
    host_end: int
    end: int
    has_path: bool
    labels: list[_Label]

    @property
    def has_scheme(self) -> bool:
        return self.start < self.host_start


def find_urls(text: str) -> list[tuple[int, int, str]]:
    """Return (start, end, url) of each URL by X's rules, in code points."""
    if "." not in text:
        return []
    spans: list[tuple[int, int]] = []
    for candidate in _find_candidates(text, _AFTER_HOST):
        if not _is_possible(candidate):
            continue
        if candidate.has_scheme:
            spans += _cut_short_link(candidate)
        elif text[candidate.start - 1 : candidate.start] not in {"-", "_", ".", "/"}:
            spans += _find_plain_hosts(candidate)
    return [(start, end, text[start:end]) for start, end in spans]


def find_mastodon_urls(text: str) -> list[tuple[int, int, str]]:
    """Return (start, end, url) of each URL that Mastodon counts as 23, in code points. All have a scheme."""
    if "://" not in text:
        return []
    return [
        (candidate.start, candidate.end, text[candidate.start : candidate.end])
        for candidate in _find_candidates(text, _AFTER_HOST_ON_MASTODON)
        if candidate.has_scheme and _is_possible(candidate)
    ]


def find_links(text: str) -> list[tuple[int, int, str]]:
    """Return (start, end, target) of each link, in code points, so that its target is the page that was meant.

    A link that follows white space or punctuation reaches to the next white space, without the punctuation of
    the sentence, as in Bluesky's own clients: paths may hold any letter, {}, ^ and emoji, hosts may be IP
    addresses or have a new top-level domain. A link within a word ("見てhttps://example.com/aを"), as scripts
    without spaces write it, ends by X's rules. A name without a scheme is a link if its top-level domain is
    known; its target then starts with https://.
    """
    plain = {start: end for start, end, _url in find_urls(text)}
    schemes = {match.start(): match.end() for match in _LINK_START.finditer(text)}
    found: list[tuple[int, int, str]] = []
    taken = run_end = 0
    for start in sorted({*plain, *schemes}):
        if start >= run_end:
            run_end = _BREAK.search(text, start).start()
        if start < taken or _NOT_BEFORE_URL.match(text, max(start - 1, 0), start):
            continue
        end = _end_of_link(text, start, run_end, schemes.get(start), plain.get(start))
        if end is not None:
            url = text[start:end]
            found.append((start, end, url if start in schemes else f"https://{url}"))
            taken = end
    return found


def find_whole(text: str, link: str) -> list[tuple[int, int]]:
    """Return where `link` stands in the text as a whole link, not as the beginning or a part of another."""
    if link not in text:
        return []
    spans = {(start, end) for start, end, _target in find_links(text)}
    found = []
    for match in regex.finditer(regex.escape(link), text):
        start, end = match.span()
        if (start, end) in spans or (
            not _NOT_BEFORE_LINK.match(text, max(start - 1, 0), start) and _AFTER_LINK.match(text, end)
        ):
            found.append((start, end))
    return found


def _end_of_link(text: str, start: int, run_end: int, host_start: int | None, by_x: int | None) -> int | None:
    """Return where the link at `start` ends; None = there is none.

    `run_end`: the next white space. `host_start`: where the link's host begins, if it has a scheme. `by_x`: where
    the link ends by X's rules, if it is one by them.
    """
    if _IN_WORD.match(text, max(start - 1, 0), start):
        return by_x
    host = _WHOLE_HOST.match(text, start if host_start is None else host_start, run_end)
    if host is None or (host_start is None and (by_x is None or by_x < host.end())):
        return by_x
    if by_x is not None and not _is_host(host[0]):
        return by_x  # "https://example.comです": letters follow the host without a space
    if not _GOES_ON.match(text, host.end(), run_end):
        return by_x if host_start is None else _trim(text, start, host.end())
    closer = _CLOSERS.get(text[start - 1 : start])
    if closer:
        run_end = _find_closer(text, start, run_end, closer)
    following = _NEXT_LINK.search(text, host.end(), run_end)
    if following and text.find("?", start, following.start()) < 0:
        run_end = following.start()
    return _trim(text, start, run_end)


def _is_host(host: str) -> bool:
    last = host.rpartition(".")[2]
    return last.isascii() or load_top_level_domains().fullmatch(last) is not None


def _find_closer(text: str, start: int, end: int, closer: str) -> int:
    """Return where the bracket or quote before the link is closed; `end` = not within the run.

    `closer`: all characters that close it.
    """
    opener = text[start - 1]
    depth = 0
    for position in range(start, end):
        if text[position] in closer:
            if depth == 0:
                return position
            depth -= 1
        elif text[position] == opener:
            depth += 1
    return end


def _trim(text: str, start: int, end: int) -> int:
    """Return the end of a link without the punctuation of the sentence around it."""
    surplus = {
        closer: text.count(closer, start, end) - text.count(opener, start, end)
        for opener, closer in _BRACKETS.items()
    }
    while end > start:
        char = text[end - 1]
        if surplus.get(char, 0) > 0:
            surplus[char] -= 1
        elif char in _WIDE_PUNCTUATION:
            # A title may end with it ("モーニング娘。"); after a Latin letter it ends the sentence.
            if not text[end - 2].isascii():
                break
        elif char not in _PUNCTUATION:
            break
        end -= 1
    return end


def _find_candidates(text: str, after_host: Any) -> Iterator[_Candidate]:  # noqa: ANN401 - regex has no types
    taken = 0
    for run in _HOST.finditer(text):
        start, end = run.span()
        if end <= taken or text.find(".", start, end) < 0:
            continue
        labels = _read_labels(text, start, end)
        while (candidate := _next_candidate(text, start, labels, taken, after_host)) is not None:
            yield candidate
            taken = candidate.end


def _next_candidate(
    text: str,
    run_start: int,
    labels: list[_Label],
    taken: int,
    after_host: Any,  # noqa: ANN401 - as above
) -> _Candidate | None:
    scheme = _SCHEME.search(text, max(taken, run_start - len("https://")), run_start)
    if scheme and _may_start(text, scheme.start(), taken):
        host_end = _end_of_host(text, run_start, labels, 0)
        if host_end is not None:
            return _complete(text, scheme.start(), run_start, host_end, labels, after_host)
    for number, label in enumerate(labels):
        for start in range(max(label.start, taken), label.dot):
            host_end = _end_of_host(text, start, labels, number)
            if host_end is not None and _may_start(text, start, taken):
                return _complete(text, start, start, host_end, labels, after_host)
    return None


def _may_start(text: str, start: int, taken: int) -> bool:
    """Return whether a URL may start here: the character before is no letter and in no other URL."""
    return (
        start == 0 or (start > taken and not _NOT_BEFORE_URL.match(text, start - 1)) or (start == taken == 0)
    )


def _end_of_host(text: str, start: int, labels: list[_Label], number: int) -> int | None:
    """Return where the longest host that starts here, within a label, ends."""
    label = labels[number]
    if text[start] in "-_" or text[label.dot - 1] in "-_":
        return None
    if number + 1 < len(labels) and labels[number + 1].longest_end is not None:
        return labels[number + 1].longest_end
    return label.domain_end if label.last_underscore < start else None


def _complete(  # noqa: PLR0917 (where a candidate stands, and the rule for its rest)
    text: str,
    start: int,
    host_start: int,
    host_end: int,
    labels: list[_Label],
    after_host: Any,  # noqa: ANN401 - as above
) -> _Candidate:
    rest = after_host.match(text, host_end)
    return _Candidate(text, start, host_start, host_end, rest.end(), rest["path"] is not None, labels)


def _read_labels(text: str, start: int, end: int) -> list[_Label]:
    """Return the labels of a run of host characters, each with what can follow. Built right to left."""
    bounds = []
    while (dot := text.find(".", start, end)) >= 0:
        bounds.append((start, dot))
        start = dot + 1
    labels: list[_Label] = []
    longest_end = None
    for first, dot in reversed(bounds):
        top_level = load_top_level_domains().match(text, dot + 1)
        domain_end = top_level.end() if top_level else None
        underscore = text.rfind("_", first, dot)
        if first == dot or text[first] in "-_" or text[dot - 1] in "-_":
            longest_end = None
        elif longest_end is None and underscore < 0:
            longest_end = domain_end
        labels.append(_Label(first, dot, domain_end, underscore, longest_end))
    return labels[::-1]


def _is_possible(candidate: _Candidate) -> bool:
    host = candidate.text[candidate.host_start : candidate.host_end]
    try:
        encoded = host.encode("idna")
    except UnicodeError:  # for example a label longer than 63 characters
        return False
    scheme = 0 if candidate.has_scheme else len("https://")
    return scheme + candidate.end - candidate.start - len(host) + len(encoded) <= _LONGEST_URL


def _cut_short_link(candidate: _Candidate) -> list[tuple[int, int]]:
    short = _SHORT_LINK.match(candidate.text, candidate.start, candidate.end)
    if short is None:
        return [(candidate.start, candidate.end)]
    return [short.span()] if len(short[1]) <= _LONGEST_SHORT_CODE else []


def _find_plain_hosts(candidate: _Candidate) -> list[tuple[int, int]]:
    found = []
    for plain in _PLAIN_HOST.finditer(candidate.text, candidate.host_start, candidate.host_end):
        start, end = plain.span()
        ends = [item.domain_end for item in candidate.labels if start < item.dot < end and item.domain_end]
        if ends:
            found.append((start, ends[-1]))
    if found and candidate.has_path:
        found[-1] = (found[-1][0], candidate.end)  # without a path, X excludes port and query as well
    return found


@cache
def load_top_level_domains() -> Any:  # noqa: ANN401 - regex has no types
    """Return the pattern of a top-level domain, from the ICANN part of the list. Compiled on first use."""
    known = set()
    with Path(PSLFILE).open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("// ===END ICANN DOMAINS==="):
                break  # the private part of the list follows (github.io)
            if line.strip() and not line.startswith("//"):
                known.add(line.split()[0].rpartition(".")[2])
    return regex.compile(r"\L<known>(?![0-9A-Za-z@+-])|xn--[0-9A-Za-z-]+", regex.IGNORECASE, known=known)
