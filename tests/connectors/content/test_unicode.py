"""Character counts per platform: emoji sequences, combining marks, right-to-left text, mixed scripts."""

import asyncio
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bluesky.facets import build_facets
from connectors.capabilities import validate_content
from connectors.content.text import (
    count_graphemes,
    count_mastodon,
    count_utf8_bytes,
    count_utf16_units,
    count_weighted,
)
from connectors.registry import CONNECTORS
from connectors.types import Media, Platform, PostContent

# Each is one character to a reader, however many code points it takes.
EMOJI = (
    "🙂",
    "👨‍👩‍👧‍👦",
    "👩‍❤️‍💋‍👩",
    "🏳️‍🌈",
    "🏴‍☠️",
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "🇩🇪",
    "👍🏽",
    "👩🏿‍🚀",
    "❤️",
    "1️⃣",
)
# Younger than emoji version 12, up to which X is taken to know them: their parts are counted.
YOUNG_EMOJI = ("👩🏽‍❤️‍💋‍👩🏿", "🧑🏿‍🚀", "❤️‍🔥")
COMBINED = ("e\u0301", "n\u0303", "u\u0308", "A\u030a", "i\u0323\u0307")  # the last has no single code point
UNCOMPOSED = ("q\u0323\u0307", "x\u0302")  # nor have these
RIGHT_TO_LEFT = ("שלום", "مرحبا", "\u200fنعم\u200e", "\u2067אב\u2069")
SCRIPTS = ("plain", "né", "Ωμέγα", "слово", "日本語", "한국어", "ไทย", "हिन्दी", "ქართული", "ትግርኛ")
PIECES = st.sampled_from([*EMOJI, *YOUNG_EMOJI, *COMBINED, *UNCOMPOSED, *RIGHT_TO_LEFT, *SCRIPTS])
TEXTS = st.lists(PIECES, min_size=1, max_size=12).map(" ".join)


@pytest.mark.parametrize("emoji", EMOJI)
def test_an_emoji_is_one_character_and_weighs_two_on_x(emoji: str) -> None:
    assert (count_graphemes(emoji), count_mastodon(emoji), count_weighted(emoji)) == (1, 1, 2)


@pytest.mark.parametrize("emoji", YOUNG_EMOJI)
def test_a_young_emoji_is_one_character_and_weighs_no_more_than_its_parts(emoji: str) -> None:
    assert (count_graphemes(emoji), count_mastodon(emoji)) == (1, 1)
    assert 2 <= count_weighted(emoji) <= sum(map(count_weighted, emoji))


@pytest.mark.parametrize("text", [*COMBINED, *UNCOMPOSED])
def test_a_character_with_marks_is_one(text: str) -> None:
    assert (count_graphemes(text), count_mastodon(text)) == (1, 1)
    # Up to U+10FF a code point weighs 1, most others 2; X counts after NFC.
    assert count_weighted(text) == sum(1 + (char > "\u10ff") for char in unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "weight", "graphemes"),
    [("שלום", 4, 4), ("مرحبا", 5, 5), ("日本語", 6, 3), ("한국어", 6, 3), ("слово", 5, 5), ("Ωμέγα", 5, 5)],
)
def test_scripts(text: str, weight: int, graphemes: int) -> None:
    assert (count_weighted(text), count_graphemes(text)) == (weight, graphemes)


@given(st.lists(PIECES, min_size=1, max_size=12))
def test_words_add_up(pieces: list[str]) -> None:
    # A blank between two pieces parts them for every way of counting.
    for count in (count_weighted, count_graphemes, count_mastodon, count_utf8_bytes, count_utf16_units):
        assert count(" ".join(pieces)) == sum(map(count, pieces)) + len(pieces) - 1


@given(TEXTS)
def test_composition_changes_no_count_that_a_reader_would_see(text: str) -> None:
    composed, apart = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    for count in (count_weighted, count_graphemes, count_mastodon):
        assert count(composed) == count(text)
    assert count_weighted(apart) == count_weighted(text), "X counts after NFC"


@given(TEXTS, st.integers(min_value=1, max_value=40))
def test_each_further_character_counts(text: str, length: int) -> None:
    starts = [text[:end] for end in range(min(length, len(text)) + 1)]
    for count in (count_utf8_bytes, count_utf16_units):
        assert all(count(shorter) < count(longer) for shorter, longer in pairwise(starts))
    assert all(count_graphemes(shorter) <= count_graphemes(longer) for shorter, longer in pairwise(starts))


@given(st.lists(PIECES, max_size=4), st.lists(PIECES, max_size=4))
def test_a_facet_spans_whole_characters_wherever_it_stands(before: list[str], after: list[str]) -> None:
    async def resolve(handle: str) -> str:
        return f"did:plc:{handle}"

    text = " ".join([*before, "#Tea", "https://example.com/é?a=1", "@bo.example", *after])
    spans = []
    for facet in asyncio.run(build_facets(text, resolve)):
        index = facet["index"]
        spans.append(text.encode()[index["byteStart"] : index["byteEnd"]].decode())
    assert spans == ["#Tea", "https://example.com/é?a=1", "@bo.example"]


@pytest.mark.parametrize("platform", CONNECTORS)
@pytest.mark.parametrize("piece", ["x", EMOJI[1], COMBINED[0], RIGHT_TO_LEFT[0], "日本語", "🇩🇪 "])
def test_the_longest_text_is_taken_and_one_piece_more_is_refused(platform: Platform, piece: str) -> None:
    capabilities = CONNECTORS[platform].capabilities
    kind = "image" if "image" in capabilities.media_kinds else "video"
    media = (Media(url=f"https://a.example/{kind}", kind=kind),) if capabilities.media_required else ()

    def is_too_long(times: int) -> bool:
        # A full stop at the end keeps the last piece from being trimmed.
        content = PostContent(text=f"{piece * times}.", media=media)
        return "text_too_long" in {problem.code for problem in validate_content(platform, content)}

    fits, over = 0, 2 * max(capabilities.text_limit, capabilities.text_byte_limit or 0)
    while over - fits > 1:
        middle = (fits + over) // 2
        fits, over = (fits, middle) if is_too_long(middle) else (middle, over)
    longest, longer = f"{piece * fits}.", f"{piece * over}."
    assert capabilities.count_text(longest) <= capabilities.text_limit
    limit = capabilities.text_byte_limit
    too_many_bytes = limit is not None and count_utf8_bytes(longer) > limit
    assert capabilities.count_text(longer) > capabilities.text_limit or too_many_bytes
