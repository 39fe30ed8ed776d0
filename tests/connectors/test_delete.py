"""Deletion of published posts: with all parts, safe to repeat, and clear where a platform offers none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.errors import ConnectorError, UnsupportedError
from connectors.registry import CONNECTORS
from connectors.sandbox.faults import FaultRule
from connectors.types import Platform, PostContent
from tests.connectors.harness import account_of
from tests.connectors.option_cases import FILM, PHOTO
from tests.connectors.test_options import owner_of

if TYPE_CHECKING:
    from connectors.registry import ConnectorPool
    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.harness import Clock, SavedState

DELETING = [
    platform for platform, connector in CONNECTORS.items() if connector.capabilities.supports_unpublish
]


def content_for(platform: Platform) -> PostContent:
    capabilities = CONNECTORS[platform].capabilities
    media = (
        (FILM,)
        if "image" not in capabilities.media_kinds
        else (PHOTO,)
        if capabilities.media_required
        else ()
    )
    return PostContent(
        text="Five teas",
        media=media,
        thread=("Green", "Black") if capabilities.supports_thread else (),
        first_comment="The recipe" if capabilities.supports_first_comment else None,
    )


@pytest.mark.parametrize("platform", DELETING)
async def test_a_post_is_deleted_with_all_its_parts_and_again_changes_nothing(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    connector = pool.open(account_of(owner_of(world, platform)))
    receipt = await connector.publish(saved.request(content_for(platform), clock()))
    out = world.published(platform, via="api")
    assert out
    for _ in range(2):
        await connector.delete(receipt.external_id, saved.state)
        assert [post.external_id for post in out if post.deleted is None] == []


@pytest.mark.parametrize("platform", DELETING)
async def test_a_deletion_that_failed_is_told_and_deletes_nothing_more(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    connector = pool.open(account_of(owner_of(world, platform)))
    receipt = await connector.publish(saved.request(content_for(platform), clock()))
    world.faults.add(FaultRule(kind="error_500_before", platform=platform, operation="delete"))
    with pytest.raises(ConnectorError):
        await connector.delete(receipt.external_id, saved.state)
    assert [post.deleted for post in world.published(platform, via="api")].count(None) > 0
    await connector.delete(receipt.external_id, saved.state)
    assert all(post.deleted is not None for post in world.published(platform, via="api"))


@pytest.mark.parametrize("platform", sorted(set(CONNECTORS) - set(DELETING)))
async def test_a_platform_without_deletion_says_so(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool
) -> None:
    connector = pool.open(account_of(owner_of(world, platform)))
    with pytest.raises(UnsupportedError, match="delete it there"):
        await connector.delete("1", {})


async def test_every_message_of_an_album_on_telegram_is_known_for_its_deletion(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    connector = pool.open(account_of(owner_of(world, Platform.TELEGRAM)))
    content = PostContent(text="Five teas", media=(PHOTO, PHOTO, PHOTO))
    receipt = await connector.publish(saved.request(content, clock()))
    assert len(saved.state["album"]) == 3
    before = world.requests["telegram:delete"]
    await connector.delete(receipt.external_id, saved.state)
    assert world.requests["telegram:delete"] - before == 3
