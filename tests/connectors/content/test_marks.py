"""Links, hashtags and mentions of a text are counted as platforms that limit them count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.capabilities import CAPABILITIES
from connectors.content.marks import Mark, count_marks


@pytest.mark.parametrize(
    ("text", "links", "hashtags", "mentions"),
    [
        ("www.facebook.com https://www.facebook.com", 1, 0, 0),
        ("www.example.com, www.example.com, www.test.com", 2, 0, 0),
        ("https://a.example/東京 https://a.example/京都", 2, 0, 0),
        ("#tea #été \uff03茶 #2024 #t#u", 0, 5, 0),
        ("a#b &#39; # #! ##", 0, 0, 0),
        ("https://example.com/#top https://example.com/@anna", 2, 0, 0),
        ("@anna, @bo_b. mail me@example.com @@x", 0, 0, 2),
        ("", 0, 0, 0),
    ],
)
def test_counts(text: str, links: int, hashtags: int, mentions: int) -> None:
    marks: tuple[Mark, ...] = ("links", "hashtags", "mentions")
    assert tuple(count_marks(text, mark) for mark in marks) == (links, hashtags, mentions)


@given(st.text(max_size=60), st.sampled_from(["links", "hashtags", "mentions"]))
def test_one_more_mark_counts_one_more(text: str, mark: Mark) -> None:
    more = {"links": "https://b.example/one/more", "hashtags": "#onemore", "mentions": "@onemore"}[mark]
    # White space and a full stop part the new mark from whatever the text ends with.
    assert count_marks(f"{text} .\n{more}", mark) == count_marks(f"{text} .\n", mark) + 1


def test_the_platforms_that_document_such_limits_have_them() -> None:
    found = {
        (platform.value, limit.mark, limit.most)
        for platform, capabilities in CAPABILITIES.items()
        for limit in capabilities.count_limits
    }
    assert found == {("threads", "links", 5), ("instagram", "hashtags", 30), ("instagram", "mentions", 20)}
