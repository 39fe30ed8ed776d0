"""Counting of characters against Unicode's GraphemeBreakTest, if available: Bluesky and Mastodon count so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from connectors.content.text import count_graphemes
from tests.conformance import make_absent_case, read_text

FILE = "unicode/GraphemeBreakTest.txt"
DIFFERENT = {
    "÷ 2701 \xd7 200D \xd7 2701 ÷": "two scissors joined invisibly: since Unicode 17 these are no pictographs, so they "
    "count as two; files of earlier versions count one",
}


def _read() -> list[Any]:
    text = read_text(FILE)
    if text is None:
        return make_absent_case(FILE, "", 0)
    cases = []
    for line in text.splitlines():
        rule = line.partition("#")[0].strip()
        if rule:
            points = "".join(chr(int(point, 16)) for point in re.findall(r"[0-9A-F]{4,6}", rule))
            cases.append(pytest.param(points, rule.count("÷") - 1 + (rule in DIFFERENT), id=rule))
    return cases


@pytest.mark.parametrize(("text", "count"), _read())
def test_graphemes(text: str, count: int) -> None:
    assert count_graphemes(text) == count
