"""Matching of posts: what is accepted, what is left to a person, and when absence is proven."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import PublishRequest
from connectors.candidates import (
    Candidate,
    choose,
    find_match,
    reads_like,
    same_id,
    says,
    window_start,
)
from connectors.errors import UnclaimedPostsError
from connectors.parts import Progress, SentPart
from connectors.types import CLOCK_MARGIN, Media, PostContent

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PICTURE = Media(url="https://example.com/a.png")
LABEL = "The platform"


def request(text: str = "Hello there", **more: object) -> PublishRequest:
    plain = PublishRequest(PostContent(text=text), "pub_1", NOW, {})
    return replace(plain, **more)  # type: ignore[arg-type]  # fields of the request


def post(number: int, text: str, *, pictures: int = 0, links: tuple[str, ...] | None = None) -> Candidate:
    def shows(media: Sequence[Media]) -> bool:
        return len(media) == pictures

    return Candidate(SentPart(f"id{number}", f"https://p.example/{number}", NOW), text, shows, links)


def pick(asked: PublishRequest, *candidates: Candidate) -> str | None:
    progress = Progress(asked)
    found = choose(LABEL, progress.next_part, progress, candidates)
    return found.id if found else None


def test_an_empty_window_proves_absence() -> None:
    assert pick(request()) is None
    assert pick(request(taken=frozenset({"ID1"})), post(1, "Hello there")) is None, "ids in any case"


def test_the_same_words_are_it() -> None:
    assert pick(request(), post(1, "Something else"), post(2, "Hello   there\n")) == "id2"


def test_what_a_server_made_of_it_is_it_if_nothing_else_can_be() -> None:
    asked = request("**Hello** there, [menu](https://example.com/m)")
    assert pick(asked, post(1, "Hello there, menu", links=("https://example.com/m",))) == "id1"
    with pytest.raises(UnclaimedPostsError):
        pick(asked, post(1, "Hello there, menu"), post(2, "Hello there menu"))
    assert pick(asked, post(1, "Hello there, menu"), post(2, "Other words")) == "id1"


def test_anything_else_is_a_persons() -> None:
    with pytest.raises(UnclaimedPostsError) as caught:
        pick(request(), post(1, "Something else"), post(2, "Hello there", pictures=1))
    assert caught.value.message == (
        "The platform shows 2 posts of the time of the attempt that may or may not be this one: "
        "https://p.example/1 (id1), https://p.example/2 (id2)"
    )
    with pytest.raises(UnclaimedPostsError, match=r"shows a post of .*https://p.example/1 \(id1\)$"):
        pick(request(), post(1, "Something else"))
    with pytest.raises(UnclaimedPostsError, match=r"\(id5\) and 2 more$"):
        pick(request(), *(post(number, f"Other {number}") for number in range(1, 8)))


def test_a_post_without_an_address_is_named_by_its_id() -> None:
    bare = Candidate(SentPart("id9", None, NOW), "Something else")
    with pytest.raises(UnclaimedPostsError, match=r": id9$"):
        pick(request(), bare)


def test_a_post_of_another_open_publication_is_theirs() -> None:
    others = (PostContent(text="**Their** words"), PostContent(text="A picture", media=(PICTURE,)))
    asked = request(others=others)
    assert pick(asked, post(1, "Their words")) is None
    assert pick(asked, post(1, "A picture", pictures=1)) is None
    with pytest.raises(UnclaimedPostsError):
        pick(asked, post(1, "A picture"))
    with pytest.raises(UnclaimedPostsError):
        pick(asked, post(1, "Their words"), post(2, "Nobody's words"))


def test_what_may_be_ours_is_never_left_to_another() -> None:
    # Both say the same once the server has rewritten it: ours or theirs, but not "absent".
    asked = request("*Hello* there", others=(PostContent(text="_Hello_ there"),))
    assert pick(asked, post(1, "Hello there")) == "id1"
    with pytest.raises(UnclaimedPostsError):
        pick(asked, post(1, "Hello there"), post(2, "Hello, there"))


def test_others_claim_no_replies() -> None:
    sent = {"id": "id1", "permalink": None, "published_at": NOW.isoformat(), "cid": None}
    asked = PublishRequest(
        PostContent(text="one", thread=("two",)),
        "pub_1",
        NOW,
        {"sent_parts": [sent]},
        others=(PostContent(text="theirs"),),
    )
    with pytest.raises(UnclaimedPostsError):
        pick(asked, post(2, "theirs"))
    assert pick(asked, post(1, "two")) is None, "a known part is not the next one"
    assert pick(asked, post(2, "two")) == "id2"


def test_media_go_with_the_first_part_only() -> None:
    content = PostContent(text="one", media=(PICTURE,), thread=("two",))
    first = PublishRequest(content, "pub_1", NOW, {})
    assert pick(first, post(1, "one", pictures=1)) == "id1"
    with pytest.raises(UnclaimedPostsError):
        pick(first, post(1, "one"))
    sent = {"id": "id1", "permalink": None, "published_at": NOW.isoformat(), "cid": None}
    second = PublishRequest(content, "pub_1", NOW, {"sent_parts": [sent]})
    assert pick(second, post(2, "two")) == "id2"


def test_a_match_is_found_without_judging_the_rest() -> None:
    progress = Progress(request())
    assert find_match(progress.next_part, progress, [post(1, "Other")]) is None
    found = find_match(progress.next_part, progress, [post(1, "Other"), post(2, "Hello there")])
    assert found is not None
    assert found.id == "id2"


def test_the_window_allows_for_clocks_that_differ() -> None:
    assert window_start(request()) == NOW - CLOCK_MARGIN == NOW - timedelta(minutes=2)


def test_ids_are_compared_without_their_case() -> None:
    assert same_id("01hx", "01HX")
    assert not same_id("01hx", "01hy")


@pytest.mark.parametrize(
    ("text", "shown", "same"),
    [
        ("Hi @bo@b.example", "Hi @bo", True),
        ("Hi @bo", "Hi @bo@b.example", True),
        ("Hi @bo", "Hi @mo", False),
        ("&copy;", "&copy;", True),
        ("&copy;", "©", False),
        ("A & B", "A &amp; B", False),
        ("e\u0301", "é", True),
        ("one", "One", False),
    ],
)
def test_words_are_compared_as_they_were_written(text: str, shown: str, *, same: bool) -> None:
    assert says(post(1, shown), text) is same


@pytest.mark.parametrize(
    ("text", "shown", "same"),
    [
        ("**Bold** and _thin_", "Bold and thin", True),
        ("1. one\n2. two", "onetwo", True),
        ("1. one\n2. two", "1. one 2. two", True),
        ("&copy; 2026", "© 2026", True),
        ("Use <b>it</b>", "Use it", True),
        ("Use <b>it</b>", "Use <b>it</b>!", True),
        ("A & B", "A &amp; B", False),  # letters were added: a person looks
        ("Post 12 of 30", "Post 13 of 30", False),
        ("Monday's menu", "Tuesday's menu", False),
        ("Hello", "Hello there", False),
        ("🍵", "🎉", False),
        ("🍵", "", False),
        ("Read https://a.example/1", "Read https://sho.rt/x", True),
        ("Read https://a.example/1", "Read https://a.example/2", False),
        ("Read https://a.example/1", "Read https://a.example/1/", True),
        ("Read https://a.example/1", "Read", True),
        ("Read", "Read https://a.example/1", False),
        ("Read HTTPS://www.A.example/1", "Read https://a.example/1", True),
    ],
)
def test_what_servers_rewrite_is_left_out(text: str, shown: str, *, same: bool) -> None:
    assert reads_like(post(1, shown), text) is same


def test_links_told_beside_the_text_count_instead_of_it() -> None:
    shown = post(1, "Read the menu", links=("https://a.example/2",))
    assert not reads_like(shown, "Read [the menu](https://a.example/1)")
    assert reads_like(shown, "Read [the menu](https://a.example/2)")
    assert reads_like(post(1, "Read the menu", links=()), "Read [the menu](https://a.example/1)")


@given(st.text(st.characters(codec="utf-8"), max_size=80), st.text(st.characters(codec="utf-8"), max_size=80))
def test_a_window_with_a_post_in_it_is_never_empty(text: str, shown: str) -> None:
    try:
        found = pick(request(text or "x"), post(1, shown))
    except UnclaimedPostsError:
        return
    assert found == "id1"
