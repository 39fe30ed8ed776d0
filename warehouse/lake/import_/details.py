"""Language, tags and promotion of imported posts, from the columns that no count or text holds.

Only what the file says in a column of that name: `lang` and `language` (X archive, tools), `langs` in a Bluesky record,
`tags`, `labels` and `label(s)` (scheduling tools). A post was promoted if a column such as `paid`, `promoted`,
`boosted` or `sponsored` says yes, or if it has paid counts: "Paid reach", "Impressions (sponsored)", "promoted
engagements" (X), "Reach from Boosted posts" (Meta). Nothing is guessed from the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from connectors.content.languages import read_language

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LANGUAGES = ("language", "lang", "langs")
_TAGS = ("tags", "labels", "label(s)")
_PAID_WORDS = ("paid", "promoted", "boosted", "sponsored")
_PAID_FLAGS = frozenset(
    {*_PAID_WORDS, *(f"is {word}" for word in _PAID_WORDS), "has been promoted", "boosted post", "paid post"}
)
_PAID_COUNTED = frozenset(
    {"reach", "impressions", "views", "viewers", "clicks", "engagements", "engagement", "likes", "reactions"}
)
_WORDS = dict.fromkeys(("true", "yes", "y", "t", "1", "1.0"), True) | dict.fromkeys(
    ("false", "no", "n", "f", "0", "0.0"), False
)
_SEPARATOR = re.compile(r"[,;|]")
_NO_LETTERS = re.compile(r"[^a-z]+")
_NOT_ZERO = re.compile(r"^[\s\d.,']*[1-9]")
_LONGEST_TAG = 100


class Details(NamedTuple):
    """What a row says in addition to counts and text; None = it does not say."""

    language: str | None = None
    tags: list[str] | None = None
    paid: bool | None = None


_NOTHING = Details()


def read_details(payloads: Iterable[str | None]) -> list[Details]:
    """Return the details of each row from its payload (a JSON object as text, or None)."""
    return [_read(payload) if payload and _may_say(payload) else _NOTHING for payload in payloads]


def _may_say(payload: str) -> bool:
    lowered = payload.lower()
    return any(word in lowered for word in ("lang", "tag", "label", *_PAID_WORDS))


def _read(payload: str) -> Details:
    found: Any = orjson.loads(payload)
    if not isinstance(found, dict):
        return _NOTHING
    columns = {str(name).strip().lower(): value for name, value in found.items()}
    columns |= _read_record(columns.get("record"))
    return Details(
        language=next((code for name in _LANGUAGES if (code := read_language(columns.get(name)))), None),
        tags=_read_tags(columns),
        paid=_read_paid(columns),
    )


def _read_paid(columns: Mapping[str, Any]) -> bool | None:
    """Return whether a post was promoted: by a column that says so, else by its paid counts.

    A paid count of 0 says nothing: the post may be promoted later.
    """
    counted = None
    for name, cell in columns.items():
        words = _NO_LETTERS.sub(" ", name).split()
        if " ".join(words) in _PAID_FLAGS:
            told = _read_word(cell)
            if told is not None:
                return told
        elif not _PAID_COUNTED.isdisjoint(words) and not set(_PAID_WORDS).isdisjoint(words):
            counted = counted or _NOT_ZERO.search(str(cell)) is not None or None
    return counted


def _read_word(cell: Any) -> bool | None:  # noqa: ANN401 (a cell of any type)
    """Return whether a cell says yes; None if it says neither yes nor no."""
    return None if cell is None else _WORDS.get(str(cell).strip().lower())


def _read_record(cell: Any) -> dict[str, Any]:  # noqa: ANN401 (a cell of any type)
    """Return Bluesky's own record from its column; nothing for a column of another kind."""
    try:
        record = orjson.loads(cell) if isinstance(cell, str) and cell.startswith("{") else None
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def _read_tags(columns: Mapping[str, Any]) -> list[str] | None:
    for name in _TAGS:
        value = columns.get(name)
        words = (
            _SEPARATOR.split(value) if isinstance(value, str) else value if isinstance(value, list) else []
        )
        tags = [word.strip()[:_LONGEST_TAG] for word in words if isinstance(word, str) and word.strip()]
        if tags:
            return tags
    return None
