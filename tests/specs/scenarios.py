"""The contract scenarios of a connector, each run once, selected by its capabilities."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, OutcomeUnknownError, RateLimitedError
from connectors.sandbox.faults import FaultRule
from connectors.types import Credentials, EditRequest, Media, Platform, PostContent
from tests.connectors.option_cases import CASES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from connectors.base import Connector
    from connectors.content.capabilities import Capabilities
    from connectors.registry import ConnectorPool
    from connectors.sandbox.faults import FaultKind
    from connectors.sandbox.world import SandboxWorld
    from connectors.types import PublishedPost
    from tests.connectors.harness import Clock, SavedState

PHOTO = Media(url="http://sandbox.test/_sandbox/media/photo.png", alt_text="a cup of tea, steaming ☕")
VIDEO = Media(
    url="http://sandbox.test/_sandbox/media/video.mp4", kind="video", alt_text="tea being poured, slowly"
)
TEXT = "Grüße 👩‍👩‍👧‍👦 שלום to @harborlight.sandbox.test #Tea https://example.com/a?b=1&c=2"


@dataclass
class Stage:
    """One connector and what surrounds it."""

    connector: Connector
    pool: ConnectorPool
    world: SandboxWorld
    clock: Clock
    saved: SavedState

    async def publish(self, content: PostContent, *, key: str = "pub_1") -> PublishedPost:
        return await self.connector.publish(self.saved.request(content, self.clock(), key=key))

    @property
    def media(self) -> tuple[Media, ...]:
        """The least that a post must carry here."""
        capabilities = self.connector.capabilities
        if not capabilities.media_required:
            return ()
        return (PHOTO,) if "image" in capabilities.media_kinds else (VIDEO,)

    @property
    def platform(self) -> Platform:
        return self.connector.capabilities.platform

    def fail(self, kind: FaultKind) -> None:
        """Let the next publish go wrong."""
        self.world.faults.add(FaultRule(kind=kind, platform=self.platform, operation="publish"))

    def tick(self) -> None:
        """Move the world's clock with each look at it: what is simulated as processing comes to its end."""
        original = self.world._now

        def ticking() -> datetime:
            self.clock.advance(milliseconds=300)
            return original()

        self.world._now = ticking

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
    await stage.publish(PostContent(text="All", media=(PHOTO,) * most), key="pub_2")


async def publish_video(stage: Stage) -> None:
    stage.tick()
    await stage.publish(PostContent(text=TEXT, media=(VIDEO,)))


async def publish_thread(stage: Stage) -> None:
    await stage.publish(PostContent(text="one", thread=("two", "three"), media=stage.media))


async def publish_first_comment(stage: Stage) -> None:
    await stage.publish(PostContent(text="one", first_comment="The recipe", media=stage.media))


async def publish_options(stage: Stage) -> None:
    """Every option of the platform, each with a post of its own.

    Mastodon itself has no content_type: it is an option of compatible servers.
    """
    stage.tick()
    for number, case in enumerate(CASES):
        if case.platform is stage.platform and "content_type" not in case.options:
            stage.saved.state = {}
            stage.clock.advance(minutes=1)
            text = f"{case.text} {number}" if case.text else ""
            content = case.content.model_copy(update={"text": text})
            await stage.publish(content, key=f"pub_{number}")


async def publish_a_quote_on_bluesky(stage: Stage) -> None:
    quoted = await stage.publish(stage.plain("The first"))
    for number, media in enumerate(((), (PHOTO,)), start=2):
        stage.saved.state = {}
        content = PostContent(text="The second", media=media, options={"quote": quoted.external_id})
        await stage.publish(content, key=f"pub_{number}")


async def find(stage: Stage) -> None:
    content = stage.plain()
    if stage.connector.capabilities.supports_first_comment:
        content = content.model_copy(update={"first_comment": "The recipe"})
    first = stage.clock()
    stage.fail("reset_after")
    with contextlib.suppress(OutcomeUnknownError):
        await stage.connector.publish(stage.saved.request(content, first))
    stage.clock.advance(seconds=2)
    with contextlib.suppress(ConnectorError):  # a platform that cannot tell was asked all the same
        found = await stage.connector.find_publication(stage.saved.request(content, first))
        if found is None:
            await stage.connector.publish(stage.saved.request(content, first))
            await stage.connector.find_publication(stage.saved.request(content, first))


async def find_a_video(stage: Stage) -> None:
    stage.tick()
    content, first = PostContent(text=TEXT, media=(VIDEO,)), stage.clock()
    stage.fail("reset_after")
    with contextlib.suppress(OutcomeUnknownError):
        await stage.connector.publish(stage.saved.request(content, first))
    with contextlib.suppress(ConnectorError):
        await stage.connector.find_publication(stage.saved.request(content, first))


async def find_among_many(stage: Stage) -> None:
    """All pages of the account's list since the first attempt."""
    long_ago = stage.clock() - timedelta(days=50)
    stage.fail("reset_before")
    with contextlib.suppress(OutcomeUnknownError):
        await stage.connector.publish(stage.saved.request(stage.plain(), long_ago))
    with contextlib.suppress(ConnectorError):
        await stage.connector.find_publication(stage.saved.request(stage.plain(), long_ago))


async def meet_a_limit(stage: Stage) -> None:
    stage.fail("rate_limited")
    with contextlib.suppress(RateLimitedError):
        await stage.publish(stage.plain())


async def verify_a_bare_token(stage: Stage) -> None:
    """What the person who connects an account types in: a token, and perhaps a handle."""
    account = stage.connector.account
    bare = Credentials(account.credentials.access_token)
    await stage.pool.open(replace(account, external_id="", credentials=bare)).verify()
    password = account.credentials.app_password
    if password is not None:
        signed_out = replace(account, external_id="", credentials=Credentials(password))
        await stage.pool.open(signed_out).verify()


async def history_without_an_appview(stage: Stage) -> None:
    stage.world.settings.bluesky_appview = False
    await history(stage)


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
    post = stage.world.published(stage.platform, via="api")[0]
    stage.world.delete_post(post, stage.clock().timestamp())
    await stage.connector.fetch_metrics([*ids, gone.external_id])


async def delete(stage: Stage) -> None:
    receipt = await stage.publish(stage.plain())
    for _ in range(2):
        await stage.connector.delete(receipt.external_id, stage.saved.state)


async def edit(stage: Stage) -> None:
    """New words, then everything that an edit can change of a post with media."""
    rich = PostContent(text=TEXT, media=stage.media or (PHOTO,), link="https://example.com/tea")
    for number, content in enumerate((stage.plain(), rich)):
        stage.saved.state = {}
        receipt = await stage.publish(content, key=f"pub_e{number}")
        changed = content.model_copy(update={"text": "Six teas"})
        for after in (
            changed,
            changed.model_copy(update={"options": _EDITED_OPTIONS.get(stage.platform, {})}),
        ):
            request = EditRequest(receipt.external_id, (content,), after, stage.saved.state)
            await stage.connector.edit(request)


_EDITED_OPTIONS = {
    Platform.MASTODON: {"content_warning": "Spoilers", "language": "de"},
    Platform.TELEGRAM: {"buttons": [[{"text": "Read on", "url": "https://example.com"}]]},
    Platform.PINTEREST: {"board": "Tea", "section": "Green", "title": "Six"},
    Platform.YOUTUBE: {"title": "Six", "tags": ["tea"], "privacy": "unlisted", "ai_generated": True},
    Platform.BLUESKY: {"languages": ["de"], "labels": ["nudity"], "reply_gate": "nobody"},
}


async def list_boards(stage: Stage) -> None:
    await stage.pool.list_boards(stage.connector.account)


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
    publish_options: _always,
    publish_a_quote_on_bluesky: lambda capabilities: capabilities.platform is Platform.BLUESKY,
    find: _always,
    find_a_video: lambda capabilities: "video" in capabilities.media_kinds,
    find_among_many: _always,
    meet_a_limit: _always,
    verify_a_bare_token: _always,
    history_without_an_appview: lambda capabilities: capabilities.platform is Platform.BLUESKY,
    history: lambda capabilities: capabilities.lists_posts,
    metrics: _always,
    edit: lambda capabilities: capabilities.editing is not None,
    delete: lambda capabilities: capabilities.supports_unpublish,
    list_boards: lambda capabilities: capabilities.platform is Platform.PINTEREST,
    followers: _always,
    refresh: lambda capabilities: capabilities.refresh_before is not None,
}
"""Each scenario and which platforms have it."""
