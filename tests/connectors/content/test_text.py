import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.text import (
    compose_text,
    count_graphemes,
    count_mastodon,
    count_utf8_bytes,
    count_utf16_units,
    count_weighted,
    fingerprint,
    normalise_mentions,
    strip_html,
)
from connectors.types import PostContent

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇩🇪"
TONED = "👍🏽"
COMBINED = "e\u0301"  # é as two code points
ARABIC = "مرحبا"
THAI = "สวัสดี"
PIECES = st.sampled_from(
    [FAMILY, FLAG, TONED, COMBINED, ARABIC, THAI, "日本語", "plain ", "\u200f", "\n", "né", "🙂"]
)
MIXED = st.lists(PIECES | st.text(max_size=8)).map("".join)
LONG_LINK = "https://example.com/" + "a" * 200
SHORTENED_LINK = (
    '<p><a href="https://example.com/long"><span class="invisible">https://</span>'
    '<span class="ellipsis">example.com/lo</span><span class="invisible">ng</span></a></p>'
)
MENTION_AND_TAG = (
    '<p>hi <span class="h-card"><a href="https://a.example/@al" class="u-url mention">@<span>al</span></a></span> '
    '<a href="https://a.example/tags/tea" class="mention hashtag">#<span>tea</span></a></p>'
)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("plain", 5),
        ("日本語", 6),
        (FAMILY, 2),
        (FLAG, 2),
        (TONED, 2),
        (COMBINED, 1),
        ("né", 2),
        (ARABIC, 5),
        (LONG_LINK, 23),
        (f"see {LONG_LINK} now", 31),
        ("example.com", 23),
        ("http://example.com and https://example.org", 23 + 5 + 23),
    ],
)
def test_x_weighs(text: str, length: int) -> None:
    assert count_weighted(text) == length


@given(
    st.lists(
        st.sampled_from(
            ["a", "Z", "7", ".", "..", ". ", "com", "/", "://", "http", "@", "#", "-", "\r\n", "\t"]
        )
    )
)
def test_the_quick_count_of_plain_text_on_x_is_the_full_one(parts: list[str]) -> None:
    text = "".join(parts)
    # A Chinese character and a blank before it weigh 3, part nothing else, and force the full count.
    assert count_weighted(f"{text} 日") == count_weighted(text) + 3


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), ("plain", 5), (FAMILY, 1), (FLAG, 1), (TONED, 1), (COMBINED, 1), ("日本語", 3), ("\r\n", 1)],
)
def test_bluesky_counts_what_a_reader_sees(text: str, length: int) -> None:
    assert count_graphemes(text) == length


def test_bluesky_counts_bytes_too() -> None:
    assert count_utf8_bytes(FAMILY) == 25
    assert count_utf8_bytes("日") == 3


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        (LONG_LINK, 23),
        ("example.com", 11),  # without a scheme it is no link to Mastodon
        ("@alice@example.social hi", 9),
        ("@alice hi", 9),
        ("mail alice@example.com", 22),
        (FAMILY, 1),
        (f"@bob@a.example {LONG_LINK}", 28),
    ],
)
def test_mastodon_counts(text: str, length: int) -> None:
    assert count_mastodon(text) == length


@given(MIXED)
def test_no_text_breaks_a_counter(text: str) -> None:
    for count in (count_weighted, count_graphemes, count_mastodon, count_utf8_bytes, count_utf16_units):
        assert count(text) >= 0


@given(st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3))
def test_half_a_pair_breaks_no_counter(text: str) -> None:
    for count in (count_weighted, count_graphemes, count_mastodon, count_utf8_bytes, count_utf16_units):
        assert count(text) >= 1


@given(MIXED)
def test_graphemes_are_never_more_than_code_points(text: str) -> None:
    assert count_graphemes(text) <= len(text) <= count_utf16_units(text) <= count_utf8_bytes(text) + len(text)


@given(st.text(st.characters(max_codepoint=0x10FF, exclude_characters=".:@/"), max_size=80))
def test_without_links_and_mentions_mastodon_counts_graphemes(text: str) -> None:
    assert count_mastodon(text) == count_graphemes(text)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two<br />three</p>", "one\n\ntwo\nthree"),
        ("<p>a &amp; b &lt;c&gt;</p>", "a & b <c>"),
        (SHORTENED_LINK, "https://example.com/long"),
        (MENTION_AND_TAG, "hi @al #tea"),
        ("plain", "plain"),
        ("<p>broken", "broken"),
    ],
)
def test_mastodon_html_reads_as_text(markup: str, text: str) -> None:
    assert strip_html(markup) == text


def test_mentions_lose_their_domain() -> None:
    assert normalise_mentions("@al@a.example and @bo, mail x@y.example") == "@al and @bo, mail x@y.example"


def test_the_link_is_below_the_text_once() -> None:
    link = "https://example.com/a"
    assert compose_text(PostContent(text="Read", link=link)) == f"Read\n\n{link}"
    assert compose_text(PostContent(text=f"Read {link}", link=link)) == f"Read {link}"
    assert compose_text(PostContent(link=link)) == link


@given(st.text(max_size=20), st.text(max_size=20))
def test_contents_share_a_fingerprint_only_if_equal(first: str, second: str) -> None:
    same = fingerprint(PostContent(text=first)) == fingerprint(PostContent(text=second))
    assert same == (first == second)
