"""Language, tags, promotion and deletion of imported posts, from the columns that no count or text holds.

Only what the file says in a column of that name: `lang` and `language` (X archive, tools), `langs` in a Bluesky record,
`tags`, `labels` and `label(s)` (scheduling tools). A post was promoted if a column such as `paid`, `promoted`,
`boosted` or `sponsored` says yes, if a status of its promotion says that it ran, if it is of a type such as "Sponsored"
(LinkedIn), if money was spent on it, or if it has paid counts: "Paid reach", "Impressions (sponsored)", "promoted
engagements" (X), "Reach from Boosted posts" (Meta). It is deleted if a column such as `deleted` or `archived` says yes,
if it has a time of deletion, or if its status is such a word. The words are known in the languages whose headers the
formats know. Nothing is guessed from the text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from connectors.content.languages import read_language

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LANGUAGES = ("language", "lang", "langs")
_TAGS = ("tags", "labels", "label(s)")
# Words without accents, one by one, as in the names and cells of English, German, Spanish, French, Portuguese, Italian
# and Dutch exports.
_PAID = re.compile(
    r"paid|promoted|boosted|sponsored|bezahlt\w*|beworben\w*|gesponser[td]\w*|pagad[oa]s?|promocionad[oa]s?|patrocinad[oa]s?"
    r"|impulsad[oa]s?|impulsionad[oa]s?|promovid[oa]s?|pag[oa]s?|payee?s?|payantes?|sponsorisee?s?|boostee?s?|pagamento"
    r"|sponsorizzat[oaie]|promoss[oaie]|betaalde?|gesponsorde?|gepromo\w+"
)
_COUNTED = re.compile(
    r"reach|impressions?|views|viewers|clicks|engagements?|likes|reactions|reichweite|impressionen|aufrufe|klicks"
    r"|interaktionen|alcance|impresiones|visualizaciones|clics?|interacciones|reacciones|portee|couverture|vues"
    r"|impressoes|visualizacoes|cliques|copertura|visualizzazioni|bereik|weergaven|klikken"
)
_GONE = re.compile(
    r"deleted|removed|unavailable|archived|geloscht\w*|entfernt\w*|archiviert\w*|eliminad[oa]s?|borrad[oa]s?|archivad[oa]s?"
    r"|supprimee?s?|archivee?s?|excluid[oa]s?|removid[oa]s?|arquivad[oa]s?|eliminat[oaie]|rimoss[oaie]|archiviat[oaie]"
    r"|verwijderd\w*|gearchiveerd\w*"
)
_SPENT = re.compile(r"spend|spent|ausgegeben\w*|ausgaben|gastad[oa]|gasto|depensee?|spes[oa]|uitgegeven")
_LASTING = re.compile(r"time|zeit|tiempo|temps|tempo|tijd|seconds|minutes|hours|duration|dauer")
_FILLERS = frozenset(
    {
        "is",
        "was",
        "has",
        "been",
        "post",
        "posts",
        "beitrag",
        "publicacion",
        "publication",
        "publicacao",
        "bericht",
    }
)
_STATUS = frozenset({"status", "state", "zustand", "estado", "statut", "stato"})
_TYPES = frozenset({"type", "typ", "tipo", "distribution", "verteilung"})
_PROMOTION = re.compile(r"boost|promotion|ad|ads|werbung|promocion|publicite|promocao|promozione|promotie")
_RAN = frozenset({"active", "running", "paused", "completed", "finished", "ended", "extendable"})
_WHEN = frozenset({"at", "on", "date", "am", "datum", "fecha", "le", "em", "il", "op", "time"})
_WORDS = dict.fromkeys(
    ("true", "yes", "y", "t", "1", "1.0", "ja", "oui", "si", "s\u00ed", "sim", "s\u00ec", "wahr", "vrai"),
    True,
) | dict.fromkeys(
    ("false", "no", "n", "f", "0", "0.0", "nein", "non", "n\u00e3o", "nee", "falsch", "faux"), False
)
_SEPARATOR = re.compile(r"[,;|]")
_NO_LETTERS = re.compile(r"[^a-z]+")
_MAY_SAY = re.compile(
    r"lang|tag|label|paid|promot|boost|spon|bezahl|beworb|pag[ao]|promoc|patroc|impuls|promov|pay|promoss"
    r"|betaal|gepromo|delet|remov|unavail|archiv|gel|entfern|elimin|borrad|supprim|exclu|arquiv|rimoss|verwijd"
    r"|spen[dt]|ausg|gast[ao]|pens|spes[oa]|uitgeg|stat|zustand|estado|typ|tipo|distrib|verteil"
)
"""Of a payload in lower case: most say nothing, and are not read."""
_NOT_ZERO = re.compile(r"^[^\w-]*[\d.,' \s]*[1-9]")
_TIME = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|^\s*1\d{9}(?:\d{3})?\s*$")
_LONGEST_TAG = 100
_LONGEST_TYPE = 2


class Details(NamedTuple):
    """What a row says in addition to counts and text; None = it does not say."""

    language: str | None = None
    tags: list[str] | None = None
    paid: bool | None = None
    deleted: bool | None = None


_NOTHING = Details()


def read_details(payloads: Iterable[str | None]) -> list[Details]:
    """Return the details of each row from its payload (a JSON object as text, or None)."""
    return [
        _read(payload) if payload and _MAY_SAY.search(payload.lower()) else _NOTHING for payload in payloads
    ]


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
        deleted=_read_deleted(columns),
    )


def _split(words: object) -> list[str]:
    """Return the words of a name or cell in lower case, without accents, digits and signs."""
    plain = unicodedata.normalize("NFKD", str(words).lower())
    return _NO_LETTERS.sub(" ", "".join(sign for sign in plain if not unicodedata.combining(sign))).split()


Role = Literal["paid", "paid count", "paid status", "type", "gone", "gone at", "status"]


@lru_cache(maxsize=4096)
def _find_role(name: str) -> Role | None:
    """Return what a column of this name says about promotion or deletion."""
    words = _split(name)
    left = [word for word in words if word not in _FILLERS]
    paid, gone = ([word for word in left if pattern.fullmatch(word)] for pattern in (_PAID, _GONE))
    others = [word for word in left if word not in gone]
    counted, spent, lasting, promotion = (
        any(map(pattern.fullmatch, words)) for pattern in (_COUNTED, _SPENT, _LASTING, _PROMOTION)
    )
    roles: list[tuple[Role, bool]] = [
        ("paid", bool(left) and paid == left),
        ("paid count", bool(paid) and counted),
        ("paid count", spent and not lasting),
        ("paid status", not _STATUS.isdisjoint(words) and (promotion or bool(paid))),
        ("type", bool(words) and words[-1] in _TYPES and len(words) <= _LONGEST_TYPE),
        ("gone", bool(gone) and not others),
        ("gone at", bool(gone) and _WHEN.issuperset(others)),
        ("status", bool(left) and _STATUS.issuperset(left)),
    ]
    return next((role for role, applies in roles if applies), None)


def _read_paid(columns: Mapping[str, Any]) -> bool | None:
    """Return whether a post was promoted: by a column that says so, else by its paid counts and what was spent.

    A paid count of 0 says nothing: the post may be promoted later. Nor does a type such as "Organic".
    """
    counted = None
    for name, cell in columns.items():
        role = _find_role(name)
        if role == "paid":
            told = _read_word(cell)
            if told is not None:
                return told
        elif role == "paid count":
            counted = counted or _NOT_ZERO.search(str(cell)) is not None or None
        elif role == "paid status":
            said = _split(cell)
            counted = counted or (len(said) == 1 and said[0] in _RAN) or _is_word(_PAID, said) or None
        elif role == "type":
            counted = counted or _is_word(_PAID, _split(cell)) or None
    return counted


def _read_deleted(columns: Mapping[str, Any]) -> bool | None:
    """Return True for a post that a column says is deleted, removed, unavailable or archived; None otherwise."""
    for name, cell in columns.items():
        role = _find_role(name)
        told = role == "gone" and _read_word(cell) is True
        # A time of deletion may stand in a column `deleted`, too.
        told = told or (role in {"gone", "gone at"} and _is_time(cell))
        if told or (role == "status" and _is_word(_GONE, _split(cell))):
            return True
    return None


def _is_word(pattern: re.Pattern[str], words: list[str]) -> bool:
    """Return whether a cell is such a word, alone or with what a post is called."""
    left = [word for word in words if word not in _FILLERS and word != "content"]
    return len(left) == 1 and pattern.fullmatch(left[0]) is not None


def _is_time(cell: object) -> bool:
    return cell is not None and _TIME.search(str(cell)) is not None


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
