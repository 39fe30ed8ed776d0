"""Links reach X so that X links them as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.links import find_links, find_urls
from connectors.content.text import compose_text
from connectors.twitter.links import count_sent, encode_content, encode_links
from connectors.types import PostContent


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("See https://ja.wikipedia.org/wiki/東京.", "See https://ja.wikipedia.org/wiki/%E6%9D%B1%E4%BA%AC."),
        ("https://example.com/{a}^b?q=🍵", "https://example.com/%7Ba%7D%5Eb?q=%F0%9F%8D%B5"),
        ("https://example.com/a%20b/東", "https://example.com/a%20b/%E6%9D%B1"),
        ("https://example.com/wiki/Köln", "https://example.com/wiki/Köln"),
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        ("見てhttps://example.com/aを", "見てhttps://example.com/aを"),
        ("https://a.invalid/東京", "https://a.invalid/東京"),
        ("東京 {a}^b", "東京 {a}^b"),
    ],
)
def test_a_link_that_x_would_cut_is_encoded(text: str, sent: str) -> None:
    assert encode_links(text) == sent
    assert encode_links(sent) == sent


def test_it_counts_as_one_link() -> None:
    assert count_sent("https://ja.wikipedia.org/wiki/東京") == 23
    assert count_sent("東京 https://ja.wikipedia.org/wiki/東京/{x}.") == 4 + 1 + 23 + 1


def test_a_link_in_text_and_field_is_still_one() -> None:
    link = "https://ja.wikipedia.org/wiki/東京"
    sent = encode_content(PostContent(text=f"See {link}!", link=link, thread=(link,), first_comment=link))
    encoded = "https://ja.wikipedia.org/wiki/%E6%9D%B1%E4%BA%AC"
    assert compose_text(sent) == f"See {encoded}!"
    assert [part.text for part in sent.follow_ups] == [encoded, encoded]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.text(max_size=20))
def test_what_is_not_a_cut_link_stays(before: str, path: str) -> None:
    path = "".join(path.split()).replace("\ud800", "")
    text = f"{before} https://example.com/{path.encode('utf-8', 'ignore').decode()} end"
    sent = encode_links(text)
    assert encode_links(sent) == sent
    assert sent.startswith(before.partition("://")[0].rpartition(" ")[0])
    assert sent.endswith(" end")
    if sent != text:
        assert {(start, end) for start, end, _ in find_urls(sent)} & {
            (start, end) for start, end, _ in find_links(sent)
        }
