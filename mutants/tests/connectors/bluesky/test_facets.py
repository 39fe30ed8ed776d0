from hypothesis import given
from hypothesis import strategies as st

from connectors.bluesky.facets import build_facets

PIECES = ["#tag", "@alice.bsky.social", "https://a.example", "👨‍👩‍👧", " ", "日", "."]
KNOWN = {"alice.bsky.social": "did:plc:alice", "bob.example.com": "did:plc:bob"}


async def resolve(handle: str) -> str | None:
    return KNOWN.get(handle)


async def spans(text: str) -> list[tuple[str, str, str]]:
    """Each facet as (kind, the bytes it covers, its target)."""
    raw = text.encode()
    found = []
    for facet in await build_facets(text, resolve):
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
    assert await spans("#1 #123 a#b ##") == []
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
