"""Untrusted text in logs and terminals: control characters are escaped visibly."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.printable import PrintableFormatter, indent, printable, printable_json

BAD = "\x1b]0;owned\x07\x1b[2J\r\n2026-03-02 INFO forged\x9b31m\x7f\u202etxt.exe\u2028end\x00\ud800"
LOG = """
import logging, sys
from connectors.printable import PrintableFormatter, log_printably
log_printably()
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(PrintableFormatter("%(levelname)s %(message)s"))
logging.getLogger().addHandler(handler)
logging.warning("asked for %s", "/a\\nINFO forged\\x1b[2J")
try:
    raise ValueError("one\\nINFO forged too\\x1b[2J")
except ValueError:
    logging.exception("failed")
"""


def is_safe(text: str) -> bool:
    return not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text)


@given(st.text(st.characters()))
def test_nothing_unseen_is_left_and_ordinary_text_is_untouched(text: str) -> None:
    safe = printable(text)
    assert is_safe(safe)
    assert printable(safe) == safe
    if is_safe(text) and not any(unicodedata.category(char) == "Cf" for char in text):
        assert safe == text


def test_each_is_told_as_what_it_is() -> None:
    assert printable("a\x1b[2J\u202eb\n") == r"a\x1b[2J\u202eb\n"
    assert printable("a\nb\tc", keep="\n\t") == "a\nb\tc"
    assert (
        printable("\U0001f468\u200d\U0001f469\u200d\U0001f467 ä")
        == "\U0001f468\u200d\U0001f469\u200d\U0001f467 ä"
    )
    assert is_safe(printable(BAD))


def test_json_stays_the_same_json() -> None:
    value = {"name": BAD.replace("\ud800", ""), "more": [1, "ä\x85"]}
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert is_safe(text.replace("\n", ""))


def test_a_log_has_only_lines_of_ours() -> None:
    done = subprocess.run([sys.executable, "-c", LOG], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == r"WARNING asked for /a\nINFO forged\x1b[2J"
    assert lines[1] == "ERROR failed"
    assert all(line.startswith("    ") for line in lines[2:])
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("text", ["one\ntwo", "one\r\ntwo", BAD])
def test_what_is_indented_is_never_a_line_by_itself(text: str) -> None:
    assert all(line.startswith("    ") and is_safe(line) for line in indent(text).split("\n"))


def test_the_formatter_leaves_ordinary_lines_alone() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "hello %s", ("you",), None))
    assert stream.getvalue() == "hello you\n"
