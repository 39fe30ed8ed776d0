"""Language and tags of imported posts, from the columns that no count or text holds.

Only what the file says in a column of that name: `lang` and `language` (X archive, tools), `langs` in a Bluesky record,
`tags`, `labels` and `label(s)` (scheduling tools). Nothing is guessed from the text.
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
_SEPARATOR = re.compile(r"[,;|]")
_LONGEST_TAG = 100


class Details(NamedTuple):
    """What a row says beside counts and text; None = it does not say."""

    language: str | None = None
    tags: list[str] | None = None


_NOTHING = Details()


def read_details(payloads: Iterable[str | None]) -> list[Details]:
    """Return the details of each row from its payload (a JSON object as text, or None)."""
    return [_read(payload) if payload and _may_say(payload) else _NOTHING for payload in payloads]


def _may_say(payload: str) -> bool:
    lowered = payload.lower()
    return "lang" in lowered or "tag" in lowered or "label" in lowered


def _read(payload: str) -> Details:
    found: Any = orjson.loads(payload)
    if not isinstance(found, dict):
        return _NOTHING
    columns = {str(name).strip().lower(): value for name, value in found.items()}
    columns |= _read_record(columns.get("record"))
    return Details(
        language=next((code for name in _LANGUAGES if (code := read_language(columns.get(name)))), None),
        tags=_read_tags(columns),
    )


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
