"""Conformance data of other projects: read in place where they are present, never copied into the repository.

Expected beside the checkout, in ../shared/reference/conformance, or in the folder that SOCIALFLOW_CONFORMANCE names:

    twitter-text/validate.yml, extract.yml, v3.json    github.com/twitter/twitter-text
    bluesky/facets.json                                values of bluesky-social/atproto, rich-text-detection.test.ts
    icalendar/icalrecur_test.txt                       github.com/libical/libical
    unicode/GraphemeBreakTest.txt                      unicode.org; Debian's package unicode-data also has it

Tests with data that are absent are skipped, and the message says which file to put where.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "SOCIALFLOW_CONFORMANCE"
ROOT = Path(os.environ.get(VARIABLE) or Path(__file__).parents[2] / "shared" / "reference" / "conformance")
_ELSEWHERE = {
    "unicode/GraphemeBreakTest.txt": Path("/usr/share/unicode/auxiliary/GraphemeBreakTest.txt"),
}


def find_file(name: str) -> Path | None:
    """Return the path of a file of conformance data; None = it is absent."""
    places = (ROOT / name, _ELSEWHERE.get(name))
    return next((path for path in places if path is not None and path.is_file()), None)


def explain_absence(name: str) -> str:
    """Return the reason for which tests with this file are skipped, with the remedy."""
    return (
        f"conformance data {name} are absent: put the file into ../shared/reference/conformance beside the "
        f"checkout, or name that folder in {VARIABLE}"
    )


def read_text(name: str) -> str | None:
    """Return a file's text; None = it is absent."""
    path = find_file(name)
    return None if path is None else path.read_text(encoding="utf-8")


def make_absent_case(name: str, *values: object) -> list[Any]:
    """Return the one parameter set of a test whose data are absent: it is skipped."""
    return [pytest.param(*values, marks=pytest.mark.skip(explain_absence(name)), id=f"{name} is absent")]


def read_bluesky_cases() -> list[Any]:
    """Return the vectors of Bluesky's rich-text detection as parameter sets."""
    name = "bluesky/facets.json"
    text = read_text(name)
    if text is None:
        return make_absent_case(name, {})
    return [
        pytest.param(case, id=f"{number}: {case['text'][:40]}")
        for number, case in enumerate(json.loads(text))
    ]
