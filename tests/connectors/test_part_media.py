"""Media in parts of a thread and in first comments: sent with their part, looked up with it, refused if not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connectors.capabilities import CAPABILITIES, validate_content
from connectors.errors import OutcomeUnknownError, UnclaimedPostsError
from connectors.sandbox.faults import FaultRule
from connectors.types import FollowUp, Media, Platform, PostContent
from tests.connectors.harness import account_of
from tests.connectors.option_cases import FILM, PAPER, PHOTO, SECOND

if TYPE_CHECKING:
    from connectors.registry import ConnectorPool
    from connectors.sandbox.world import SandboxPost, SandboxWorld
    from tests.connectors.harness import Clock, SavedState

P = Platform
THREADS = [P.TWITTER, P.MASTODON, P.BLUESKY, P.THREADS]
COMMENTS = [P.FACEBOOK, P.LINKEDIN]


def part(text: str, *media: Media) -> FollowUp:
    return FollowUp(text=text, media=media)


def count_media(post: SandboxPost) -> int:
    """How many media the simulated platform has with the post."""
    details = post.details or {}
    embed = (details.get("record") or {}).get("embed") or {}
    return len(
        details.get("media_ids")
        or details.get("media")
        or embed.get("images")
        or details.get("children")
        or ([details["media_url"]] if details.get("media_url") else ())
    )


def tick(world: SandboxWorld, clock: Clock) -> None:
    """Let time pass while the simulated platform is used, so that its processing ends."""
    original = world._now
    world._now = lambda: (clock.advance(milliseconds=300), original())[1]


@pytest.mark.parametrize("platform", THREADS)
async def test_every_part_of_a_thread_has_its_own_media(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    tick(world, clock)
    content = PostContent(
        text="One",
        media=(PHOTO,),
        thread=(part("Two", PHOTO, SECOND), part("Three")),
        first_comment=part("And a picture", SECOND),
    )
    assert validate_content(platform, content) == []
    owner = next(item for item in world.accounts if item.platform is platform)
    start = clock()
    receipt = await pool.open(account_of(owner)).publish(saved.request(content, start))
    posts = sorted(world.published(platform, via="api"), key=lambda post: post.number)
    assert {post.text: count_media(post) for post in posts} == {
        "One": 1, "Two": 2, "Three": 0, "And a picture": 1,
    }  # fmt: skip
    forgotten = saved.request(content, start)
    found = await pool.open(account_of(owner)).find_publication(forgotten)
    assert found is not None
    assert found.external_id == receipt.external_id


@pytest.mark.parametrize("platform", [P.TWITTER, P.MASTODON, P.THREADS])
async def test_a_part_without_its_picture_is_not_ours(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    """Somebody repeats the words below the post while an answer is lost: a person decides, nothing is sent again."""
    tick(world, clock)
    owner = next(item for item in world.accounts if item.platform is platform)
    bare = PostContent(text="One", thread=(part("Two"),))
    start = clock()
    connector = pool.open(account_of(owner))
    await connector.publish(saved.request(bare, start))
    ours = PostContent(text="One", thread=(part("Two", PHOTO),))
    state: dict[str, Any] = {"sent_parts": list(saved.state["sent_parts"])[:1]}
    if platform is P.THREADS:  # without a saved container, nothing was published
        state["sent_elsewhere"] = True
    saved.state = state
    with pytest.raises(UnclaimedPostsError):
        await connector.find_publication(saved.request(ours, start))


@pytest.mark.parametrize("platform", [*THREADS, *COMMENTS])
async def test_a_lost_answer_to_a_part_with_media_is_found(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    tick(world, clock)
    owner = next(item for item in world.accounts if item.platform is platform)
    content = PostContent(text="One", first_comment=part("Look", PHOTO))
    start, connector = clock(), pool.open(account_of(owner))
    posted = 0

    async def lose_the_second(state: Any) -> None:
        nonlocal posted
        if len(state.get("sent_parts", ())) == 1 and not posted:
            posted = 1
            world.faults.add(FaultRule(platform=platform, operation="publish", kind="reset_after"))

    saved.on_save = lose_the_second
    with pytest.raises(OutcomeUnknownError):
        await connector.publish(saved.request(content, start))
    assert len(saved.state["sent_parts"]) == 1
    found = await connector.find_publication(saved.request(content, start))
    assert found is not None
    assert len(saved.state["sent_parts"]) == 2


@pytest.mark.parametrize("platform", COMMENTS)
async def test_a_comment_shows_one_picture(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    owner = next(item for item in world.accounts if item.platform is platform)
    content = PostContent(text="One", first_comment=part("Look", PHOTO))
    assert validate_content(platform, content) == []
    connector = pool.open(account_of(owner))
    await connector.publish(saved.request(content, clock()))
    state = {"sent_parts": list(saved.state["sent_parts"])[:1]}
    saved.state = state
    with pytest.raises(UnclaimedPostsError):
        await connector.find_publication(
            saved.request(content.model_copy(update={"first_comment": "Look"}), clock())
        )
    saved.state = state
    assert await connector.find_publication(saved.request(content, clock())) is not None


async def test_a_document_is_published_on_linkedin(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    owner = next(item for item in world.accounts if item.platform is P.LINKEDIN)
    content = PostContent(text="Read", media=(PAPER,))
    assert content.kind == "photo"
    connector = pool.open(account_of(owner))
    await connector.publish(saved.request(content, clock()))
    (post,) = world.published(P.LINKEDIN, via="api")
    assert post.detail("content")["media"]["title"] == "Document"
    assert ":document:" in post.detail("content")["media"]["id"]
    saved.state = {}
    assert await connector.find_publication(saved.request(content, clock())) is not None
    with pytest.raises(UnclaimedPostsError):
        await connector.find_publication(saved.request(PostContent(text="Read", media=(PHOTO,)), clock()))


@pytest.mark.parametrize("platform", [platform for platform in Platform if platform is not P.LINKEDIN])
def test_only_linkedin_takes_documents(platform: Platform) -> None:
    problems = validate_content(platform, PostContent(text="Read", media=(PAPER,)))
    assert ("media_unsupported", "media") in {(problem.code, problem.field) for problem in problems}


@pytest.mark.parametrize("platform", Platform)
def test_what_a_platform_does_not_take_in_a_part_is_refused_by_its_name(platform: Platform) -> None:
    capabilities = CAPABILITIES[platform]
    first = (PHOTO,) if "image" in capabilities.media_kinds else (FILM,)
    content = PostContent(
        text="One",
        media=first,
        thread=(part("Two"), part("Three", *[PHOTO] * 5)),
        first_comment=part("Look", *[PHOTO] * 5),
    )
    fields = {(problem.code, problem.field) for problem in validate_content(platform, content)}
    if platform is P.THREADS:  # takes 20, as many as a request may hold
        assert fields == set()
        return
    if capabilities.supports_thread:
        code = "too_many_media" if capabilities.thread_media else "media_unsupported"
        assert (code, "thread/1/media") in fields
        assert ("media_unsupported", "thread/0/media") not in fields
    else:
        assert ("thread_unsupported", "thread") in fields
    if capabilities.supports_first_comment:
        code = "too_many_media" if capabilities.comment_media else "media_unsupported"
        assert (code, "first_comment/media") in fields


def test_images_and_a_video_do_not_mix_in_a_part() -> None:
    content = PostContent(text="One", thread=(part("Two", PHOTO, FILM),))
    (problem,) = validate_content(P.TWITTER, content)
    assert (problem.code, problem.field) == ("media_mixed", "thread/0/media")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *[(600, 600), ("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("7d", 604_800)],
        *[("PT10M", 600), ("P1DT1H", 90_000), (" 5M ", 300)],
    ],
)
def test_a_delay_is_written_in_several_ways(written: object, seconds: int) -> None:
    part = FollowUp.model_validate({"text": "a", "after": written})
    assert part.after == seconds
    assert FollowUp.model_validate(part.model_dump(mode="json")) == part


@pytest.mark.parametrize(
    "written", [0, -1, "0s", "8d", 604_801, True, 1.5, "", "P", "PT", "P1M", "1h30", "soon", "10 m"]
)
def test_what_is_no_delay_is_refused(written: object) -> None:
    with pytest.raises(ValidationError) as refused:
        FollowUp.model_validate({"text": "a", "after": written})
    assert refused.value.errors()[0]["loc"] == ("after",)


def test_a_plain_part_is_stored_as_before() -> None:
    content = PostContent.model_validate({"text": "a", "thread": ["b", {"text": "c"}], "first_comment": "d"})
    stored = content.model_dump(mode="json")
    assert (stored["thread"], stored["first_comment"]) == (["b", "c"], "d")
    assert "fit" not in stored
