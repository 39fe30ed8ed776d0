"""Language and tags of imported posts come from columns that say so, and from nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from warehouse.lake.import_.details import Details, read_details


@pytest.mark.parametrize(
    ("payload", "language", "tags"),
    [
        ({"lang": "en", "source": "web"}, "en", None),
        ({"Language": "pt-BR", "Tags": "spring, launch;  tea |"}, "pt-BR", ["spring", "launch", "tea"]),
        ({"record": '{"langs": ["de", "en"]}'}, "de", None),
        ({"lang": "und", "Label(s)": ""}, None, None),
        ({"lang": "qme"}, None, None),
        ({"language": "German, I think", "labels": ["a", 7, " "]}, None, ["a"]),
        ({"record": "{broken, lang"}, None, None),
        ({"slang": "en", "tagline": "x", "record": "no object, but lang"}, None, None),
    ],
)
def test_what_a_row_says(payload: dict[str, Any], language: str | None, tags: list[str] | None) -> None:
    (found, nothing) = read_details([json.dumps(payload), None])
    assert found == Details(language, tags)
    assert nothing == Details()
