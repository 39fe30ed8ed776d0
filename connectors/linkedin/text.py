"""LinkedIn's little text format: how plain text is written in `commentary`, and read back from it.

Source: learn.microsoft.com/linkedin, "little Text Format" (li-lms-2025-01): the characters below mean something
and must be escaped with a backslash. A hashtag may stand as it is, and LinkedIn shows it as a template. Whether
escapes count towards the 3,000 characters is not documented; we count the plain text.
"""

import re

_RESERVED = re.compile(r"[\\|{}@\[\]()<>#*_~]")
# A hash sign that starts a word is left as it is, so that LinkedIn makes the hashtag that its author meant. A
# word with an underscore, which is reserved, stays plain text.
_HASHTAG = re.compile(r"(?<![\w&/#])#(?=[^\W_]*[^\W\d_])[^\W_]+(?!\w)")
_TEMPLATE = re.compile(r"\{hashtag\|\\?([#\uff03])\|((?:[^{}|\\]|\\.)*)\}")
_MENTION = re.compile(r"@\[((?:[^\[\]\\]|\\.)*)\]\s?\(urn:li:[^()]*\)")
_ESCAPE = re.compile(r"\\([\\|{}@\[\]()<>#*_~])")


def escape_little(text: str) -> str:
    """Return `text` so that LinkedIn shows it as it is; words after a hash sign become hashtags."""
    pieces, end = [], 0
    for tag in _HASHTAG.finditer(text):
        pieces += [_escape(text[end : tag.start()]), tag.group()]
        end = tag.end()
    return "".join([*pieces, _escape(text[end:])])


def unescape_little(commentary: str) -> str:
    """Return what a reader sees: templates and mentions as their words, escapes undone."""
    plain = _TEMPLATE.sub(r"\1\2", commentary)
    return _ESCAPE.sub(r"\1", _MENTION.sub(r"\1", plain))


def _escape(text: str) -> str:
    return _RESERVED.sub(lambda match: f"\\{match.group()}", text)
