from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bluesky.facets import build_facets
from connectors.content.text import compose_text
from connectors.types import PostContent
from tests.conformance import read_bluesky_cases

PIECES = ["#tag", "@alice.bsky.social", "https://a.example", "👨‍👩‍👧", " ", "日", "."]
KNOWN = {"alice.bsky.social": "did:plc:alice", "bob.example.com": "did:plc:bob"}


async def resolve(handle: str) -> str | None:
    return KNOWN.get(handle)


async def spans(text: str, link: str | None = None) -> list[tuple[str, str, str]]:
    """Each facet as (kind, the bytes it covers, its target)."""
    raw = text.encode()
    found = []
    for facet in await build_facets(text, resolve, link=link):
        (feature,) = facet["features"]
        kind = feature["$type"].rpartition("#")[2]
        covered = raw[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode()
        found.append((kind, covered, feature.get("uri") or feature.get("did") or feature["tag"]))
    return found


async def test_links_mentions_and_tags_after_wide_characters() -> None:
    text = "👨‍👩‍👧‍👦 日本 @alice.bsky.social → https://example.com/ä?x=1 #tea. #été (#chá)"
    assert await spans(text) == [
        ("mention", "@alice.bsky.social", "did:plc:alice"),
        ("link", "https://example.com/ä?x=1", "https://example.com/ä?x=1"),
        ("tag", "#tea", "tea"),
        ("tag", "#été", "été"),
        ("tag", "#chá", "chá"),
    ]


async def test_a_bare_domain_is_a_link_with_a_scheme() -> None:
    assert await spans("see example.com now") == [("link", "example.com", "https://example.com")]


async def test_an_unknown_handle_stays_text() -> None:
    assert await spans("hello @nobody.example.org") == []


async def test_what_only_looks_alike() -> None:
    assert await spans("mail me@bob.example.com.") == []
    assert await spans("#1 #123 a#b ## $100 no$A #️⃣tag") == []
    assert await spans("https://example.com/@alice.bsky.social#top") == [
        ("link", "https://example.com/@alice.bsky.social#top", "https://example.com/@alice.bsky.social#top")
    ]


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map("".join))
async def test_facets_are_ordered_apart_and_on_character_borders(text: str) -> None:
    raw = text.encode()
    end = 0
    for facet in await build_facets(text, resolve):
        start, stop = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        assert end <= start < stop <= len(raw)
        raw[start:stop].decode()  # raises where a facet cuts a character
        end = stop


@pytest.mark.parametrize(
    "link",
    [
        "https://a.example/wiki/モーニング娘。",
        "https://a.example/what?",
        "https://a.example/#tag",
        "https://a.example/@alice.bsky.social",
        "https://a.example/(x",
        "https://例え.テスト/{a}^b",
    ],
)
@pytest.mark.parametrize("text", ["Read {}", "({})", "{}. And more", "{}", "もっと{}"])
async def test_the_link_of_a_post_is_one_whole_facet(text: str, link: str) -> None:
    assert await spans(text.format(link), link) == [("link", link, link)]
    added = compose_text(PostContent(text="Read this", link=link))
    assert await spans(added, link) == [("link", link, link)]


async def test_tags_reach_to_the_next_space_and_cashtags_are_tags() -> None:
    assert await spans("##x #a#b $aapl, ($GOOG) #tea🍵!") == [
        ("tag", "##x", "#x"),
        ("tag", "#a#b", "a#b"),
        ("tag", "$aapl", "$AAPL"),
        ("tag", "$GOOG", "$GOOG"),
        ("tag", "#tea🍵", "tea🍵"),
    ]


@pytest.mark.parametrize("case", read_bluesky_cases())
async def test_the_vectors_of_bluesky(case: dict[str, Any]) -> None:
    """All 87 vectors agree."""

    async def find_anyone(handle: str) -> str:
        return f"did:fake:{handle}"

    raw = case["text"].encode()
    facets = await build_facets(case["text"], find_anyone)
    if "tags" in case:
        tags = [facet for facet in facets if "tag" in facet["features"][0]]
        assert [facet["features"][0]["tag"] for facet in tags] == case["tags"]
        assert [facet["index"] for facet in tags] == case["byte_ranges"]
        return
    segments, end = [], 0
    for facet in facets:
        start, stop = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        feature = facet["features"][0]
        segments += [[raw[end:start].decode()]] if start > end else []
        segments.append([raw[start:stop].decode(), feature.get("uri") or feature["did"]])
        end = stop
    segments += [[raw[end:].decode()]] if end < len(raw) else []
    assert segments == case["segments"]
