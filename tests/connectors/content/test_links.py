"""URL detection in texts: what is a URL, where it ends, and linear run time."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.links import find_links, find_mastodon_urls, find_urls, find_whole
from connectors.content.text import compose_text, count_mastodon
from connectors.types import PostContent

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
    assert [url for _start, _end, url in find_urls(text)] == urls


@given(
    text=st.lists(PIECES | st.characters(), max_size=20).map("".join),
    find=st.sampled_from([find_urls, find_mastodon_urls, find_links]),
)
def test_links_lie_apart_and_in_order(text: str, find: Callable[[str], list[tuple[int, int, str]]]) -> None:
    last = 0
    for start, end, url in find(text):
        assert last <= start < end <= len(text)
        assert url.removeprefix("https://") == text[start:end].removeprefix("https://")
        last = end


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("https://ja.wikipedia.org/wiki/東京", ["https://ja.wikipedia.org/wiki/東京"]),
        ("In https://de.wikipedia.org/wiki/Köln_(Stadt).", ["https://de.wikipedia.org/wiki/Köln_(Stadt)"]),
        ("https://a.example/{id}/x^2|y", ["https://a.example/{id}/x^2|y"]),
        ("https://a.example/?a[]=1&b={x}!", ["https://a.example/?a[]=1&b={x}"]),
        ("https://a.example/🍵/tea?q=🍵", ["https://a.example/🍵/tea?q=🍵"]),
        ("https://a.newtld/x", ["https://a.newtld/x"]),
        (
            "http://192.0.2.1:8080/a, http://[2001:db8::1]/a",
            ["http://192.0.2.1:8080/a", "http://[2001:db8::1]/a"],
        ),
        (
            "https://例え.テスト/日本 https://bücher.example/ß",
            ["https://例え.テスト/日本", "https://bücher.example/ß"],
        ),
        ("https://кремль.рф/путь", ["https://кремль.рф/путь"]),
        ("https://user:pw@host.example/x", ["https://user:pw@host.example/x"]),
        ("example.com/日本 example.com:8080/é", ["https://example.com/日本", "https://example.com:8080/é"]),
        (
            "example.com?q=1 example.com: example.com…",
            ["https://example.com?q=1", *["https://example.com"] * 2],
        ),
        # Scripts without spaces: the link ends where X ends it.
        ("詳細はhttps://example.com/aをご覧", ["https://example.com/a"]),
        ("https://example.comです", ["https://example.com"]),
        # Punctuation of the sentence, also wide; but a title may end with it.
        ("https://example.com/a。 https://example.com。", ["https://example.com/a", "https://example.com"]),
        ("https://ja.wikipedia.org/wiki/モーニング娘。", ["https://ja.wikipedia.org/wiki/モーニング娘。"]),
        # Brackets, quotes and marks around it.
        ("「https://example.com/a」です", ["https://example.com/a"]),
        ('<https://a.example/x>, "https://a.example/y".', ["https://a.example/x", "https://a.example/y"]),
        (
            "(https://foo.com/thing_(cool)) **https://a.example/x**",
            ["https://foo.com/thing_(cool)", "https://a.example/x"],
        ),
        ("https://a.example/a,https://b.example/b", ["https://a.example/a", "https://b.example/b"]),
        (
            "https://web.archive.org/web/1/https://a.example/",
            ["https://web.archive.org/web/1/https://a.example/"],
        ),
        ("mail me@bob.example.com http:// https://! xhttps://a.example", []),
    ],
)
def test_a_link_is_the_page_that_was_meant(text: str, links: list[str]) -> None:
    assert [target for _start, _end, target in find_links(text)] == links


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("https://example.com/東京", 23),
        ("https://example.com/a?q=東京&r=é", 23),
        ("https://example.com/🍵/{x}^", 23),
        ("https://example.com/" + "ゆ" * 60 + ".", 24),
        ("(https://example.com/a_(b))", 25),
        ("https://example.com/a?", 24),
        ("example.com/a", 13),
        ("https://a.example.invalid/", 26),
    ],
)
def test_mastodon_counts_a_link_as_23_whatever_its_path_holds(text: str, count: int) -> None:
    assert count_mastodon(text) == count


LINK = "https://example.com/x"


@pytest.mark.parametrize(
    "text", [f"See {LINK}.", LINK, f"({LINK})", f"{LINK}。", f"見て{LINK}と", f"{LINK}, {LINK}y"]
)
def test_a_link_that_the_text_holds_is_not_added(text: str) -> None:
    assert compose_text(PostContent(text=text, link=LINK)) == text


@pytest.mark.parametrize(
    "text",
    [
        *(f"{LINK}{end}" for end in ("y", "/y", "?y=1", "#y", ".html", "-y", "東")),
        *(f"{start}{LINK}" for start in ("https://b.example/", "view-source:x")),
    ],
)
def test_another_link_that_only_holds_it_does_not_replace_it(text: str) -> None:
    assert compose_text(PostContent(text=text, link=LINK)) == f"{text}\n\n{LINK}"


@given(
    st.lists(PIECES | st.characters(exclude_categories=["Cs"]), max_size=20).map("".join),
    st.text(st.characters(exclude_categories=["Cs", "Z", "Cc", "Cf"]), max_size=20),
)
def test_the_composed_text_holds_the_text_and_the_whole_link(text: str, path: str) -> None:
    content = PostContent(text=text, link=f"https://a.example/{path}")
    composed = compose_text(content)
    assert composed.startswith(text)
    assert find_whole(composed, str(content.link))
    assert compose_text(content.model_copy(update={"text": composed})) == composed, "composed once is enough"


@pytest.mark.parametrize(
    "text",
    [
        "a." * 5_000,
        "日." * 5_000,
        "日本語" * 3_000 + ".",
        "a.com日-." * 1_000,
        "http://a.com/" + "((a)" * 3_000,
        "https://a.com," * 4_000,
        "(https://a" * 6_000,
        "https://a.com/" + "。" * 20_000,
        "https://a.com/?" + "https://b.c," * 3_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """A regular expression with nested repetitions takes minutes for the first of them."""
    start = time.process_time()
    find_urls(text)
    find_mastodon_urls(text)
    find_links(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "around",
    ["„{}“", "„{}”", "»{}«", "›{}‹", "‚{}‘", "”{}”", "《{}》", "〈{}〉", "{} – ja", "{}،", "{}؟", "{}।"],  # noqa: RUF001 (the quotes of other languages)
)
@pytest.mark.parametrize(
    "url", ["https://example.com/a", "https://пример.рф/путь", "https://example.com/a_(b)?q=ü#x"]
)
def test_a_quotation_of_any_language_ends_with_the_link(around: str, url: str) -> None:
    text = f"siehe {around.format(url)} dort"
    assert [found for _start, _end, found in find_links(text)] == [url]
    assert find_whole(text, url)
