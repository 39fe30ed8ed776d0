"""What every platform connector offers: the `Connector` protocol and the request it publishes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from connectors.content.capabilities import Capabilities
from connectors.types import (
    SENT_ELSEWHERE,
    Account,
    AccountMetrics,
    Credentials,
    HistoryPage,
    MetricsBatch,
    PostContent,
    PublishedPost,
    VerifiedAccount,
)


async def _discard_state(_state: Mapping[str, Any]) -> None:
    """Save nothing: for callers that publish once and keep no record, such as an interactive try."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """One publication to send, or to look for.

    `key` and `first_attempt_at` are the same for every attempt at this publication, so that whatever the
    platform uses to recognise a repetition can be derived from them.
    """

    content: PostContent
    key: str
    first_attempt_at: datetime
    state: Mapping[str, Any]
    """What earlier attempts saved: container ids, record keys, upload sessions."""
    save_state: Callable[[Mapping[str, Any]], Awaitable[None]] = _discard_state
    """Commits the new state durably. Await it BEFORE the request that the state would let us recover from."""
    taken: frozenset[str] = frozenset()
    """External ids on this account that are known to be other publications: never an answer of a search."""
    written: PostContent | None = None
    """The content as it is stored, where `content` names addresses in place of uploads: these may change."""
    others: tuple[PostContent, ...] = ()
    """Other publications of this account that may be out without a known id: what reads like one of them is theirs."""

    @property
    def sent_elsewhere(self) -> bool:
        """Whether another installation may have sent it, so that what `state` does not hold proves nothing."""
        return bool(self.state.get(SENT_ELSEWHERE))


class Connector(Protocol):
    """One account on one platform. All methods raise only errors of `connectors.errors`."""

    capabilities: ClassVar[Capabilities]
    account: Account

    async def verify(self) -> VerifiedAccount:
        """Ask the platform whom the credentials belong to; exchange a password for a session where needed."""
        ...

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Send the post once. OutcomeUnknownError means: call `find_publication` before ever trying again."""
        ...

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Find out whether an earlier `publish` of this request went out.

        None = absence is proven: the platform was read for the whole window since `first_attempt_at` and shows no
        post that another publication does not claim, or its own record of the attempt says that nothing came of it.
        Raises UnclaimedPostsError where posts are there and none is surely ours, CannotFindOutError where the
        platform cannot tell.
        """
        ...

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """Read the counters of these posts, in as few requests as the platform allows."""
        ...

    async def fetch_followers(self) -> AccountMetrics:
        """Read the account's own counters."""
        ...

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """Read one page of the account's posts published at or after `since`, newest first."""
        ...

    async def refresh_token(self) -> Credentials | None:
        """Exchange the refresh token; None = this platform's tokens are not refreshed.

        The returned credentials are complete: what the platform did not send anew is carried over.
        """
        ...
