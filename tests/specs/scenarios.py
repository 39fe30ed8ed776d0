"""What a connector does in its life, once each: the contract scenarios, driven by its capabilities."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, OutcomeUnknownError
from connectors.sandbox.faults import FaultRule
from connectors.types import Media, PostContent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.base import Capabilities, Connector
    from connectors.sandbox.world import SandboxWorld
    from connectors.types import PublishedPost
    from tests.connectors.surroundings import Clock, SavedState

PHOTO = Media(url="http://sandbox.test/_sandbox/media/photo.png", alt_text="a cup of tea, steaming ☕")
VIDEO = Media(url="http://sandbox.test/_sandbox/media/video.mp4", kind="video")
TEXT = "Grüße 👩‍👩‍👧‍👦 שלום to @harborlight.sandbox.test #Tea https://example.com/a?b=1&c=2"


@dataclass
class Stage:
    """One connector and what surrounds it."""

    connector: Connector
    world: SandboxWorld
    clock: Clock
    saved: SavedState

    async def publish(self, content: PostContent) -> PublishedPost:
        return await self.connector.publish(self.saved.request(content, self.clock()))

    @property
    def media(self) -> tuple[Media, ...]:
        """The least that a post must carry here."""
        capabilities = self.connector.capabilities
        if not capabilities.media_required:
            return ()
        return (PHOTO,) if "image" in capabilities.media_kinds else (VIDEO,)

    def plain(self, text: str = TEXT) -> PostContent:
        return PostContent(text=text, media=self.media)


async def verify(stage: Stage) -> None:
    await stage.connector.verify()


async def publish(stage: Stage) -> None:
    await stage.publish(stage.plain())


async def publish_link(stage: Stage) -> None:
    content = PostContent(text="Our tea", link="https://example.com/tea", media=stage.media)
    await stage.publish(content)


async def publish_images(stage: Stage) -> None:
    await stage.publish(PostContent(text=TEXT, media=(PHOTO,)))
    stage.saved.state = {}
    stage.clock.advance(minutes=1)
    most = stage.connector.capabilities.max_images
    await stage.publish(PostContent(text="All", media=(PHOTO,) * most))


async def publish_video(stage: Stage) -> None:
    original = stage.world._now

    def ticking() -> object:
        # The simulated processing ends by the world's clock, which moves with each look at it.
        stage.clock.advance(milliseconds=300)
        return original()

    stage.world._now = ticking  # type: ignore[assignment] # returns what the original returns
    await stage.publish(PostContent(text=TEXT, media=(VIDEO,)))


async def publish_thread(stage: Stage) -> None:
    await stage.publish(PostContent(text="one", thread=("two", "three"), media=stage.media))


async def publish_first_comment(stage: Stage) -> None:
    await stage.publish(PostContent(text="one", first_comment="The recipe", media=stage.media))


async def find(stage: Stage) -> None:
    content = stage.plain()
    if stage.connector.capabilities.supports_first_comment:
        content = content.model_copy(update={"first_comment": "The recipe"})
    first = stage.clock()
    platform = stage.connector.capabilities.platform
    stage.world.faults.add(FaultRule(kind="reset_after", platform=platform, operation="publish"))
    with contextlib.suppress(OutcomeUnknownError):
        await stage.connector.publish(stage.saved.request(content, first))
    stage.clock.advance(seconds=2)
    with contextlib.suppress(ConnectorError):  # a platform that cannot tell was asked all the same
        found = await stage.connector.find_publication(stage.saved.request(content, first))
        if found is None:
            await stage.connector.publish(stage.saved.request(content, first))
            await stage.connector.find_publication(stage.saved.request(content, first))


async def history(stage: Stage) -> None:
    cursor = None
    for _ in range(3):
        page = await stage.connector.list_publications(
            since=stage.clock() - timedelta(days=50), cursor=cursor
        )
        cursor = page.next_cursor
        if cursor is None:
            return


async def metrics(stage: Stage) -> None:
    page = await stage.connector.list_publications(since=stage.clock() - timedelta(days=50))
    ids = [post.external_id for post in page.posts][: stage.connector.capabilities.metrics_batch + 1]
    gone = await stage.publish(stage.plain())
    post = stage.world.published(stage.connector.capabilities.platform, via="api")[0]
    stage.world.delete_post(post, stage.clock().timestamp())
    await stage.connector.fetch_metrics([*ids, gone.external_id])


async def followers(stage: Stage) -> None:
    await stage.connector.fetch_followers()


async def refresh(stage: Stage) -> None:
    await stage.connector.refresh_token()


def _always(_capabilities: Capabilities) -> bool:
    return True


SCENARIOS: dict[Callable[[Stage], Awaitable[None]], Callable[[Capabilities], bool]] = {
    verify: _always,
    publish: _always,
    publish_link: _always,
    publish_images: lambda capabilities: "image" in capabilities.media_kinds,
    publish_video: lambda capabilities: "video" in capabilities.media_kinds,
    publish_thread: lambda capabilities: capabilities.supports_thread,
    publish_first_comment: lambda capabilities: capabilities.supports_first_comment,
    find: _always,
    history: lambda capabilities: capabilities.lists_posts,
    metrics: _always,
    followers: _always,
    refresh: lambda capabilities: capabilities.refresh_before is not None,
}
"""Each scenario and which platforms have it."""
