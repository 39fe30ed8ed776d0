"""Contract tests for a platform that accepts posts but cannot be queried about them afterwards.

It must say so: a doubtful post is neither called sent nor not sent, nothing is measured as 0, and no request is spent.
"""

from datetime import datetime, timedelta

import pytest

from connectors.base import Connector
from connectors.errors import CannotFindOutError, OutcomeUnknownError
from connectors.sandbox.faults import FaultKind
from connectors.sandbox.world import SandboxWorld
from connectors.types import METRIC_NAMES, Account, HistoryPage, PostContent
from tests.connectors.contract import DOUBTS, OUT_AFTER, ConnectorContract
from tests.connectors.harness import Clock, SavedState


class PostsOnlyContract(ConnectorContract):
    """Inherit this where `lists_posts` and `finds_out` are False and no metric is reported."""

    absence = "never"

    async def doubt(
        self, connector: Connector, account: Account, saved: SavedState, content: PostContent, first: datetime
    ) -> None:
        """Publish into a fault that was set up; the connector must neither guess nor hide it."""
        with pytest.raises(OutcomeUnknownError) as caught:
            await connector.publish(saved.request(content, first))
        self.hide(caught.value, account)
        with pytest.raises(CannotFindOutError) as unknown:
            await connector.find_publication(saved.request(content, first))
        self.hide(unknown.value, account)

    @pytest.mark.parametrize("kind", DOUBTS)
    async def test_a_doubtful_publish_ends_in_exactly_one_post(
        self,
        *,
        kind: FaultKind,
        connector: Connector,
        account: Account,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        self.fail(world, kind)
        await self.doubt(connector, account, saved, self.content, clock())
        assert world.requests[f"{self.platform}:publish"] == 1, "a write is never retried"
        assert len(self.live(world)) == (kind in OUT_AFTER)

    async def test_a_doubtful_publish_of_media_ends_in_exactly_one_post(  # type: ignore[override]  # needs the account
        self, connector: Connector, account: Account, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_after")
        await self.doubt(connector, account, saved, self.media_content, clock())
        assert [post.kind for post in self.live(world)] == [self.media_content.kind]

    async def test_find_takes_neither_an_older_post_nor_another_publication(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        with pytest.raises(CannotFindOutError):
            await connector.find_publication(saved.request(self.content, clock()))
        assert len(self.live(world)) == 1

    test_find_skips_the_posts_of_other_publications = None  # type: ignore[assignment]  # nothing is ever found
    test_find_fails_loudly_when_the_platform_cannot_be_read = None  # type: ignore[assignment]  # nothing is read

    async def published_ids(self, _connector: Connector, _since: datetime) -> list[str]:
        return [str(number) for number in range(1, 200)]

    async def test_metrics_hold_what_the_platform_reports_and_nothing_else(
        self, connector: Connector, clock: Clock
    ) -> None:
        assert connector.capabilities.metrics == {}
        (metrics,) = (await connector.fetch_metrics(["7"])).metrics
        assert (metrics.external_id, metrics.captured_at, metrics.raw) == ("7", clock(), {})
        assert [getattr(metrics, name) for name in METRIC_NAMES] == [None] * len(METRIC_NAMES)

    async def test_a_deleted_post_is_told_apart(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        gone = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        world.delete_post(post, clock().timestamp())
        result = await connector.fetch_metrics([gone.external_id])
        assert not result.deleted, "what cannot be known is not claimed"
        assert len(result.metrics) == 1

    async def test_every_asked_id_is_in_exactly_one_set(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        result = await connector.fetch_metrics(["1", "2", "3"])
        assert [item.external_id for item in result.metrics] == ["1", "2", "3"]
        assert world.requests[f"{self.platform}:metrics"] == 0
        assert {item.captured_at for item in result.metrics} == {clock()}

    async def test_an_empty_page_is_the_end(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        page = await connector.list_publications(since=clock() - timedelta(days=50))
        assert page == HistoryPage((), None)
        assert not world.requests, "no request is spent on what is not there"

    test_history_is_whole_and_newest_first = None  # type: ignore[assignment]  # there is no history
    test_history_shows_the_words_of_the_author = None  # type: ignore[assignment]  # there is no history
    test_a_repeated_cursor_is_no_endless_loop = None  # type: ignore[assignment]  # there is no cursor
