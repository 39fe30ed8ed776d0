"""Codes of languages as platforms and files write them."""

import re
from typing import Any

_LONGEST = 35
_LANGUAGE = re.compile(r"(?!(?:und|zxx|mis|mul|art|q[a-t][a-z])\b)[a-z]{2,3}(-[a-z0-9]{1,8})*", re.IGNORECASE)
"""A BCP 47 code; ISO 639 reserves the excluded ones for "not known" and the like, and X uses several of them."""


def read_language(value: Any) -> str | None:  # noqa: ANN401 - JSON
    """Return the language that a platform or a file names (of a list, the first); None for none and for no code."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    return value if _LANGUAGE.fullmatch(value) else None
