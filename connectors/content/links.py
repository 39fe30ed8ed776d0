"""Find URLs in a text by the rules of twitter-text, which X and Mastodon document as theirs.

Source: twitter-text 3 (configuration v3 and the conformance suite, validate.yml and extract.yml). The
top-level domains are those of the Public Suffix List, from the installed package: no network access.

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


def find_urls(text: str, *, with_scheme_only: bool) -> list[tuple[int, int, str]]:
    """Return (start, end, url) of each URL, in code points."""
    if ("://" if with_scheme_only else ".") not in text:
        return []
    spans: list[tuple[int, int]] = []
    for candidate in _find_candidates(text):
        if not _is_possible(candidate):
            continue
        if candidate.has_scheme:
            spans += _cut_short_link(candidate)
        elif not with_scheme_only and text[candidate.start - 1 : candidate.start] not in {"-", "_", ".", "/"}:
            spans += _find_plain_hosts(candidate)
    return [(start, end, text[start:end]) for start, end in spans]


def _find_candidates(text: str) -> Iterator[_Candidate]:
    taken = 0
    for run in _HOST.finditer(text):
        start, end = run.span()
        if end <= taken or text.find(".", start, end) < 0:
            continue
        labels = _read_labels(text, start, end)
        while (candidate := _next_candidate(text, start, labels, taken)) is not None:
            yield candidate
            taken = candidate.end


def _next_candidate(text: str, run_start: int, labels: list[_Label], taken: int) -> _Candidate | None:
    scheme = _SCHEME.search(text, max(taken, run_start - len("https://")), run_start)
    if scheme and _may_start(text, scheme.start(), taken):
        host_end = _end_of_host(text, run_start, labels, 0)
        if host_end is not None:
            return _complete(text, scheme.start(), run_start, host_end, labels)
    for number, label in enumerate(labels):
        for start in range(max(label.start, taken), label.dot):
            host_end = _end_of_host(text, start, labels, number)
            if host_end is not None and _may_start(text, start, taken):
                return _complete(text, start, start, host_end, labels)
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


def _complete(text: str, start: int, host_start: int, host_end: int, labels: list[_Label]) -> _Candidate:
    rest = _AFTER_HOST.match(text, host_end)
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
