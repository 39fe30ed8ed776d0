"""URL detection in texts: what is a URL, where it ends, and linear run time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.links import find_urls

PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "t.co/",
            "example",
            ".",
            "com",
            "co.uk",
            "みんな",
            "日本語",
            "-",
            "_",
            "/",
            "?",
        ),
        *("#", "@", "(", ")", " ", ":", "80", "é", "\ud800", "\ufeff", "xn--", "a" * 64),
    ]
)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("see https://example.com/a. And", ["https://example.com/a"]),
        ("see example.com, or", ["example.com"]),
        ("(https://example.com/a_(b))", ["https://example.com/a_(b)"]),
        ("https://example.com/a.(b)", ["https://example.com/a"]),
        ("https://example.com:8080/a?b=c#d", ["https://example.com:8080/a?b=c#d"]),
        ("example.com?a=b", ["example.com"]),
        ("example.com/?a=b", ["example.com/?a=b"]),
        ("mail al@example.com", []),
        ("file.tar.bz2", []),
        ("a.example.invalid", []),
        ("https://example.みんな/a", ["https://example.みんな/a"]),
        ("日本example.comです", ["example.com"]),
        ("éclair.com", ["éclair.com"]),
        ("a_b.example.com https://a_b.example.com", ["b.example.com", "https://a_b.example.com"]),
        ("https://a_b.com", []),
        (f"https://{'a' * 64}.com", []),
        (f"https://example.com/{'a' * 4077}", []),
        (f"https://example.com/{'a' * 4076}", [f"https://example.com/{'a' * 4076}"]),
        ("https://github.io/a https://io", ["https://github.io/a"]),
    ],
)
def test_addresses(text: str, urls: list[str]) -> None:
    assert [url for _start, _end, url in find_urls(text, with_scheme_only=False)] == urls
    with_scheme = [url for url in urls if "://" in url]
    assert [url for _start, _end, url in find_urls(text, with_scheme_only=True)] == with_scheme


@given(text=st.lists(PIECES | st.characters(), max_size=20).map("".join), with_scheme_only=st.booleans())
def test_addresses_lie_apart_and_in_order(text: str, *, with_scheme_only: bool) -> None:
    found = find_urls(text, with_scheme_only=with_scheme_only)
    last = 0
    for start, end, url in found:
        assert last <= start < end <= len(text)
        assert url == text[start:end]
        last = end
    assert set(find_urls(text, with_scheme_only=True)) <= set(find_urls(text, with_scheme_only=False))


@pytest.mark.parametrize(
    "text",
    [
        "a." * 5_000,
        "日." * 5_000,
        "日本語" * 3_000 + ".",
        "a.com日-." * 1_000,
        "http://a.com/" + "((a)" * 3_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """A regular expression with nested repetitions takes minutes for the first of them."""
    start = time.process_time()
    find_urls(text, with_scheme_only=False)
    assert time.process_time() - start < 5
