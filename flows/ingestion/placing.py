"""Match a platform's response with the requested publications; one invalid entry does not affect the others.

Entries that cannot be matched are reported as messages: the caller stores the rest and raises them at the
end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, RetryLaterError, UnavailableError, UnsupportedError
from flows.ingestion.lake_rows import post_snapshot
from warehouse.lake.rows import find_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.base import Connector
    from connectors.types import ListedPost, MetricsBatch, PostMetrics
    from warehouse.lake.rows import PostSnapshot
    from warehouse.store.models import Publication

LONGEST_ID = 300
"""Maximum length of a platform's id in the store."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAILURES_BEFORE_ANY_SUCCESS = 7
"""A batch, its halves and its quarters: if all of them fail, the cause is not a single post."""
MOST_REQUESTS = 40
"""Maximum number of requests to isolate invalid posts in one batch of a hundred."""


@dataclass(slots=True)
class Placed:
    """The usable part of a batch's response. Publications are identified by their own ids."""

    measured: list[tuple[Publication, PostMetrics]] = field(default_factory=list)
    snapshots: list[PostSnapshot] = field(default_factory=list)
    """One for each of `measured`."""
    deleted: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Without an entry, or with one that cannot be stored: requested again after a pause."""
    problems: list[str] = field(default_factory=list)

    @property
    def promoted(self) -> list[str]:
        """Those measured that the platform reports as promoted for money."""
        return [publication.id for publication, metrics in self.measured if metrics.promoted is True]

    def add(self, other: Placed) -> None:
        """Add the results of another batch."""
        self.measured += other.measured
        self.snapshots += other.snapshots
        self.deleted += other.deleted
        self.missing += other.missing
        self.problems += other.problems


async def fetch_placed(
    connector: Connector, asked: Mapping[str, Publication], api_version: str | None
) -> Placed:
    """Request the metrics of these publications (by external id) and match the response.

    If the platform's data about one post cannot be parsed, the others are requested without it. Raises the
    connector's error if it concerns the account or is temporary, or if so many requests in a row fail that it
    must be.
    """
    placed = Placed()
    waiting = deque([list(asked)])
    first_error: Exception | None = None
    requests = failures = 0
    while waiting:
        ids = waiting.popleft()
        requests += 1
        try:
            batch = await connector.fetch_metrics(ids)
        except (
            Exception
        ) as error:  # invalid data may raise anything; errors about the whole account are raised
            if _concerns_account(error):
                raise
            first_error = first_error or error
            failures += 1
            if failures == requests and failures >= FAILURES_BEFORE_ANY_SUCCESS:
                raise first_error from None
            if len(ids) > 1 and requests + len(waiting) + 2 <= MOST_REQUESTS:
                half = len(ids) // 2
                waiting += [ids[:half], ids[half:]]
                continue
            placed.missing += [asked[external_id].id for external_id in ids]
            placed.problems += [f"post {_show(external_id)}: {_describe(error)}" for external_id in ids]
        else:
            placed.add(
                place_batch({external_id: asked[external_id] for external_id in ids}, batch, api_version)
            )
    return placed


def place_batch(asked: Mapping[str, Publication], batch: MetricsBatch, api_version: str | None) -> Placed:
    """Match the response of one batch. Publications are given by external id."""
    placed = Placed()
    unanswered = dict(asked)
    for metrics in batch.metrics:
        publication = (
            unanswered.pop(metrics.external_id, None) if isinstance(metrics.external_id, str) else None
        )
        if publication is None:
            placed.problems.append(
                f"metrics of post {_show(metrics.external_id)}, which was not requested, or a duplicate"
            )
            continue
        fault = None
        try:
            snapshot = post_snapshot(publication, metrics, api_version)
            fault = find_fault(snapshot)
        except ValueError as error:
            fault = str(error)
        if fault is None:
            placed.measured.append((publication, metrics))
            placed.snapshots.append(snapshot)
        else:
            placed.missing.append(publication.id)
            placed.problems.append(f"post {_show(metrics.external_id)}: {fault}")
    for external_id in batch.deleted:
        publication = unanswered.pop(external_id, None)
        if publication is None:
            placed.problems.append(f"post {_show(external_id)} is reported as deleted, but was not requested")
        else:
            placed.deleted.append(publication.id)
    placed.missing += [publication.id for publication in unanswered.values()]
    return placed


def find_readable_posts(posts: Sequence[ListedPost], problems: list[str]) -> list[ListedPost]:
    """Return the listed posts that can be stored, with texts cleaned; add invalid ones to `problems`."""
    readable: list[ListedPost] = []
    for post in posts:
        fault = _find_listing_fault(post)
        if fault is not None:
            problems.append(f"post {_show(post.external_id)}: {fault}")
        else:
            readable.append(
                replace(post, text=_clean(post.text), permalink=post.permalink and _clean(post.permalink))
            )
    return readable


def _find_listing_fault(post: ListedPost) -> str | None:
    if not isinstance(post.external_id, str) or not 0 < len(post.external_id) <= LONGEST_ID:
        return "its id is not a text that can be stored"
    if _clean(post.external_id) != post.external_id:
        return "its id contains characters that cannot be stored"
    if not isinstance(post.published_at, datetime) or post.published_at.tzinfo is None:
        return f"it was published at {post.published_at!r:.60}, which is not a time with a time zone"
    if post.published_at < EPOCH:
        return f"it was published at {post.published_at.isoformat()}, before 1970"
    words: tuple[object, ...] = (post.text, post.permalink or "")
    if not all(isinstance(word, str) for word in words):
        return "its text or address is not a text"
    return None


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _concerns_account(error: Exception) -> bool:
    """Whether the error means that the account or the platform cannot be read now, regardless of the post."""
    if isinstance(error, UnavailableError):
        return error.status is None or error.status >= 300  # a 2xx response that could not be parsed
    if isinstance(error, (RetryLaterError, UnsupportedError)):
        return True
    return isinstance(error, ConnectorError) and (
        error.code == "reauthenticate" or error.status in {401, 403}
    )


def _describe(error: Exception) -> str:
    return error.message if isinstance(error, ConnectorError) else f"unexpected {type(error).__name__}"


def _show(external_id: object) -> str:
    return repr(external_id)[:80]
