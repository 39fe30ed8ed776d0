"""Match a platform's answers with the publications that were asked for; one odd answer costs no other its place.

What cannot be placed is a problem in words: the caller keeps the rest, and raises the problems at the end.
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
"""What the store keeps of a platform's id."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAILURES_BEFORE_ANY_SUCCESS = 7
"""A batch, its halves and its quarters: when all of them fail, no single post is the reason."""
MOST_REQUESTS = 40
"""Most requests that the search for odd posts in one batch of a hundred may take."""


@dataclass(slots=True)
class Placed:
    """What of one batch's answer can be kept. Publications are named by their own ids."""

    measured: list[tuple[Publication, PostMetrics]] = field(default_factory=list)
    snapshots: list[PostSnapshot] = field(default_factory=list)
    """One for each of `measured`."""
    deleted: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Without an answer, or with one that cannot be kept: asked for again after a pause."""
    problems: list[str] = field(default_factory=list)

    def add(self, other: Placed) -> None:
        """Take over what was placed of another batch."""
        self.measured += other.measured
        self.snapshots += other.snapshots
        self.deleted += other.deleted
        self.missing += other.missing
        self.problems += other.problems


async def fetch_placed(
    connector: Connector, asked: Mapping[str, Publication], api_version: str | None
) -> Placed:
    """Ask for these publications (by external id) and place the answers.

    Where the platform's answer about one post cannot be read, the others are asked for without it. Raises what the
    connector raises where the fault is the account's or passing, and where so many in a row fail that it must be.
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
        ) as error:  # an odd answer may raise anything; what concerns the whole account goes on up
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
    """Place the answers of one batch. Publications are given by external id."""
    placed = Placed()
    unanswered = dict(asked)
    for metrics in batch.metrics:
        publication = (
            unanswered.pop(metrics.external_id, None) if isinstance(metrics.external_id, str) else None
        )
        if publication is None:
            placed.problems.append(
                f"an answer about post {_show(metrics.external_id)}, which was not asked for, or a second one"
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
            placed.problems.append(f"post {_show(external_id)} is told deleted, and was not asked for")
        else:
            placed.deleted.append(publication.id)
    placed.missing += [publication.id for publication in unanswered.values()]
    return placed


def find_readable_posts(posts: Sequence[ListedPost], problems: list[str]) -> list[ListedPost]:
    """Return the listed posts that can be kept, texts free of what databases refuse; what is odd joins `problems`."""
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
        return "its id is no text that can be kept"
    if _clean(post.external_id) != post.external_id:
        return "its id holds characters that cannot be kept"
    if not isinstance(post.published_at, datetime) or post.published_at.tzinfo is None:
        return f"it was published at {post.published_at!r:.60}, no instant with a time zone"
    if post.published_at < EPOCH:
        return f"it was published at {post.published_at.isoformat()}, before 1970"
    words: tuple[object, ...] = (post.text, post.permalink or "")
    if not all(isinstance(word, str) for word in words):
        return "its text or address is no text"
    return None


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _concerns_account(error: Exception) -> bool:
    """Whether the error says that the account or the platform cannot be read now, whichever post is asked for."""
    if isinstance(error, UnavailableError):
        return error.status is None or error.status >= 300  # an answer with a 2xx could not be understood
    if isinstance(error, (RetryLaterError, UnsupportedError)):
        return True
    return isinstance(error, ConnectorError) and (
        error.code == "reauthenticate" or error.status in {401, 403}
    )


def _describe(error: Exception) -> str:
    return error.message if isinstance(error, ConnectorError) else f"unexpected {type(error).__name__}"


def _show(external_id: object) -> str:
    return repr(external_id)[:80]
