"""The `Connector` protocol that every platform implements, and the publish request it receives."""

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
    EditRequest,
    HistoryPage,
    MetricsBatch,
    PostContent,
    PublishedPost,
    VerifiedAccount,
)


async def _discard_state(_state: Mapping[str, Any]) -> None:
    """Discard the state. For callers that publish once and keep no record, such as an interactive test."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """One publication to send or to search for.

    `key` and `first_attempt_at` are the same for every attempt at this publication, so that the idempotency
    key or record key sent to the platform can be derived from them.
    """

    content: PostContent
    key: str
    first_attempt_at: datetime
    state: Mapping[str, Any]
    """State saved by earlier attempts: container ids, record keys, upload sessions."""
    save_state: Callable[[Mapping[str, Any]], Awaitable[None]] = _discard_state
    """Commits the new state durably. Await it before the request that this state lets us recover from."""
    taken: frozenset[str] = frozenset()
    """External ids on this account that are known to belong to other publications.

    A search never returns them.
    """
    written: PostContent | None = None
    """The content as stored, where `content` has URLs in place of uploads. Those URLs may change."""
    others: tuple[PostContent, ...] = ()
    """Other publications of this account that may be published without a known id.

    A post that matches one is theirs.
    """

    @property
    def sent_elsewhere(self) -> bool:
        """Whether another installation may have sent it, so that what `state` does not hold proves nothing."""
        return bool(self.state.get(SENT_ELSEWHERE))


class Connector(Protocol):
    """One account on one platform. All methods raise only errors of `connectors.errors`."""

    capabilities: ClassVar[Capabilities]
    account: Account

    async def verify(self) -> VerifiedAccount:
        """Send the post once. After OutcomeUnknownError, call `find_publication` before another attempt."""
        ...

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Send the post once. After OutcomeUnknownError, call `find_publication` before any other attempt."""
        ...

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Find out whether an earlier `publish` of this request was accepted.

        Returns None only if absence is proven: either the account was read completely since
        `first_attempt_at` and every post found belongs to another publication, or the platform's own record
        of the attempt says that it failed. Raises UnclaimedPostsError if there are unclaimed posts and none
        is certainly ours, and CannotFindOutError if the platform cannot tell.
        """
        ...

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:
        """Delete a published post with all its parts. Safe to repeat: returns also if it is gone already.

        `state`: as `publish` saved it, with the ids of the parts. Raises UnsupportedError where the platform lets
        no app delete posts (`capabilities.supports_unpublish`).
        """
        ...

    async def edit(self, request: EditRequest) -> None:
        """Change a published post with its parts; its id stays the same.

        Safe to repeat: the post is read first where the platform shows it, and what it already says is not written
        again. Raises UnsupportedError where the platform lets no app edit posts (`capabilities.editing`).
        """
        ...

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """Read the metrics of these posts, in as few requests as the platform allows."""
        ...

    async def fetch_followers(self) -> AccountMetrics:
        """Read the account's own metrics."""
        ...

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """Read one page of the account's posts published at or after `since`, newest first."""
        ...

    async def refresh_token(self) -> Credentials | None:
        """Exchange the refresh token. Returns None if this platform's tokens cannot be refreshed.

        The returned credentials are complete: values that the platform did not resend are carried over.
        """
        ...
