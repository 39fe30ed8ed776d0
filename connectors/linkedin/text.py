"""LinkedIn's "little text format": escape plain text for `commentary`, and unescape it.

Source: learn.microsoft.com/linkedin, "little Text Format" (li-lms-2025-01): the characters below are reserved
and must be escaped with a backslash. A hashtag may be written as it is, and LinkedIn returns it as a
template. Whether escapes count towards the 3,000 characters is not documented; we count the plain text.
"""

import re

_RESERVED = re.compile(r"[\\|{}@\[\]()<>#*_~]")
# A hash sign at the start of a word is not escaped, so that LinkedIn creates the hashtag that the author
# meant. A word with an underscore, which is reserved, stays plain text.
_HASHTAG = re.compile(r"(?<![\w&/#])#(?=[^\W_]*[^\W\d_])[^\W_]+(?!\w)")
_TEMPLATE = re.compile(r"\{hashtag\|\\?([#\uff03])\|((?:[^{}|\\]|\\.)*)\}")
_MENTION = re.compile(r"@\[((?:[^\[\]\\]|\\.)*)\]\s?\(urn:li:[^()]*\)")
_ESCAPE = re.compile(r"\\([\\|{}@\[\]()<>#*_~])")


def escape_little(text: str) -> str:
    """Escape `text` so that LinkedIn shows it unchanged; words after a hash sign become hashtags."""
    pieces, end = [], 0
    for tag in _HASHTAG.finditer(text):
        pieces += [_escape(text[end : tag.start()]), tag.group()]
        end = tag.end()
    return "".join([*pieces, _escape(text[end:])])


def unescape_little(commentary: str) -> str:
    """Return the displayed text: templates and mentions as plain words, escapes removed."""
    plain = _TEMPLATE.sub(r"\1\2", commentary)
    return _ESCAPE.sub(r"\1", _MENTION.sub(r"\1", plain))


def _escape(text: str) -> str:
    return _RESERVED.sub(lambda match: f"\\{match.group()}", text)
