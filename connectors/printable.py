"""Make text safe to print and to log: escape control characters visibly.

Names, handles, paths and responses are untrusted. Unescaped, a line break forges a log line, and an escape
sequence moves a terminal's cursor, sets its title or hides text; marks that reverse the reading direction do
the same.
"""

from __future__ import annotations

import logging
import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_INDENT = "    "


def printable(text: str, *, keep: str = "") -> str:
    """Return the text on one line, with control characters escaped as in Python, except those in `keep`."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def printable_json(text: str) -> str:
    """Return the same JSON with escapes for the control characters that `json` leaves raw in strings."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


class _PrintableRecord(logging.LogRecord):
    """A log record with a one-line message."""

    def getMessage(self) -> str:  # noqa: N802 (the name is logging's)
        """Return the message with control characters escaped."""
        return printable(super().getMessage())


class PrintableFormatter(logging.Formatter):
    """Formatter that indents tracebacks, which may contain anything, so that they cannot forge a log line."""

    def formatException(self, ei: object) -> str:  # noqa: N802 (the name is logging's)
        """Return the traceback, indented."""
        return indent(super().formatException(ei))  # type: ignore[arg-type]  # logging's own private alias

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 (the name is logging's)
        """Return the stack, indented."""
        return indent(super().formatStack(stack_info))


def indent(text: str) -> str:
    """Return several lines of text, each indented, without control characters."""
    return "\n".join(_INDENT + printable(line, keep="\t") for line in text.split("\n"))


def log_printably() -> None:
    """Make every log message of this process one line, for all loggers and handlers."""
    logging.setLogRecordFactory(_PrintableRecord)
