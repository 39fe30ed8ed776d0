"""Reels and stories of a Page: made once, whatever answer is lost, and refused where the address is not Facebook's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.errors import ConnectorError, ContentRejectedError, OutcomeUnknownError, UnavailableError
from connectors.sandbox.faults import FaultRule
from connectors.types import Media, Platform, PostContent
from tests.connectors.harness import account_of
from tests.connectors.option_cases import FILM, PHOTO
from tests.connectors.test_options import owner_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.registry import ConnectorPool
    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.harness import Clock, SavedState

REEL = PostContent(text="Five teas", media=(FILM,), options={"kind": "reel"})
FILM_STORY = PostContent(media=(FILM,), options={"kind": "story"})
PHOTO_STORY = PostContent(media=(PHOTO,), options={"kind": "story"})
BEFORE_PUBLISHING = {"short_uploaded", "story_photo"}
"""What is saved right before the step that publishes."""


@pytest.mark.parametrize("content", [REEL, FILM_STORY, PHOTO_STORY], ids=["reel", "film", "photo"])
@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "error_500_after", "error_500_before"])
async def test_a_lost_answer_of_the_last_step_makes_no_second_post(
    content: PostContent,
    kind: Any,
    *,
    world: SandboxWorld,
    pool: ConnectorPool,
    clock: Clock,
    saved: SavedState,
) -> None:
    original, armed = world._now, []
    world._now = lambda: (clock.advance(milliseconds=300), original())[1]

    async def arm(state: Mapping[str, Any]) -> None:
        if BEFORE_PUBLISHING & state.keys() and not armed:
            rule = FaultRule(kind=kind, platform=Platform.FACEBOOK, operation="publish")
            armed.append(world.faults.add(rule))

    saved.on_save = arm
    connector = pool.open(account_of(owner_of(world, Platform.FACEBOOK)))
    first = clock()
    with pytest.raises(OutcomeUnknownError):
        await connector.publish(saved.request(content, first))
    arrived = kind.endswith("after")
    assert len(world.published(Platform.FACEBOOK, via="api")) == arrived
    clock.advance(seconds=30)
    found = await connector.find_publication(saved.request(content, first))
    assert (found is not None) == arrived
    if found is None:
        found = await connector.publish(saved.request(content, first))
    (post,) = world.published(Platform.FACEBOOK, via="api")
    assert found.external_id == post.external_id
    again = await connector.find_publication(saved.request(content, first))
    assert again is not None
    assert again.external_id == post.external_id


@pytest.mark.parametrize("operation", ["publish", "prepare"])
async def test_a_failure_before_the_last_step_is_certainly_not_sent(
    operation: Any, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    original = world._now
    world._now = lambda: (clock.advance(milliseconds=300), original())[1]
    connector, first = pool.open(account_of(owner_of(world, Platform.FACEBOOK))), clock()
    world.faults.add(FaultRule(kind="reset_after", platform=Platform.FACEBOOK, operation=operation))
    with pytest.raises(UnavailableError):
        await connector.publish(saved.request(REEL, first))
    assert world.published(Platform.FACEBOOK, via="api") == []
    assert await connector.find_publication(saved.request(REEL, first)) is None
    await connector.publish(saved.request(REEL, first))
    assert len(world.published(Platform.FACEBOOK, via="api")) == 1


async def test_a_reel_that_cannot_be_processed_is_refused_and_may_be_tried_anew(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    broken = Media(url="http://sandbox.test/_sandbox/media/broken.mp4", kind="video")
    content = REEL.model_copy(update={"media": (broken,)})
    connector = pool.open(account_of(owner_of(world, Platform.FACEBOOK)))
    with pytest.raises(ContentRejectedError, match="could not process"):
        await connector.publish(saved.request(content, clock()))
    assert saved.state.get("short_video") is None


async def test_the_token_goes_to_no_other_host(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector: Any = pool.open(account_of(owner_of(world, Platform.FACEBOOK)))

    async def elsewhere(_method: str, _path: str, parse: Any, **_body: Any) -> Any:
        return parse({"video_id": "1", "upload_url": "https://evil.example/facebook.com"})

    monkeypatch.setattr(connector._api, "prepare", elsewhere)
    with pytest.raises((ConnectorError, ValueError), match="address"):
        await connector.publish(saved.request(REEL, clock()))
