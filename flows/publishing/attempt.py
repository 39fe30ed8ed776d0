"""One attempt at one publication: send it, or find out the outcome of an earlier attempt.

Maps every response and every error of a connector to an `Outcome`. The rule: only an error that proves that
the request was not accepted leads to another send. Every ambiguous result becomes `unknown` and is looked up
on the platform first.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.errors import (
    CannotFindOutError,
    ConnectorError,
    GiveUpError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    RetryLaterError,
    UnclaimedPostsError,
)
from warehouse.store.publishing.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from connectors.base import Connector, PublishRequest
    from flows.publishing.settings import PublisherSettings
    from warehouse.store.publishing.claims import ClaimedPublication

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=10)
FIRST_LOOK = timedelta(seconds=1)
LONGEST_LOOK = timedelta(minutes=5)
REFUSED_LIMIT = timedelta(minutes=10)
"""How long to repeat a look-up that the platform rejects outright: a proxy in between may be the cause."""
OTHERS_LIMIT = timedelta(minutes=10)
"""How long a look-up waits for posts that may belong to other publications before a person has to decide."""


def compute_backoff(attempt: int) -> timedelta:
    """Return the wait after the given attempt (1, 2, ...): 5 s, 15 s, 45 s ... 10 min, +-20 %."""
    base = min(FIRST_RETRY.total_seconds() * 3 ** min(attempt - 1, 6), LONGEST_RETRY.total_seconds())
    # Jitter, so that accounts that a platform rate-limited together do not retry together.
    return timedelta(seconds=base * random.uniform(0.8, 1.2))  # noqa: S311 (spreads load, guards nothing)


async def check_media(
    require_approved: Callable[[], Awaitable[None]],
    publication: ClaimedPublication,
    *,
    attempt: int,
    settings: PublisherSettings,
    clock: Callable[[], datetime],
) -> Outcome | None:
    """Compare the media with the approved ones before anything is sent; None = they are the same."""
    try:
        async with asyncio.timeout(settings.send_timeout.total_seconds()):
            await require_approved()
    except (RetryLaterError, TimeoutError) as error:
        message = error.message if isinstance(error, ConnectorError) else "reading its media took too long"
        return Outcome(publication.id, "retry", "media_not_read", message, clock() + compute_backoff(attempt))
    except ConnectorError as error:
        return Outcome(publication.id, "failed", error.code, error.message)
    return None


async def send(
    connector: Connector,
    request: PublishRequest,
    publication: ClaimedPublication,
    *,
    attempt: int,
    settings: PublisherSettings,
    clock: Callable[[], datetime],
) -> Outcome:
    """Publish once and return the outcome. Raises only ReauthenticateError; the caller handles it."""
    try:
        async with asyncio.timeout(settings.send_timeout.total_seconds()):
            receipt = await connector.publish(request)
    except ReauthenticateError:
        raise
    except RetryLaterError as error:
        next_at = clock() + compute_backoff(attempt)
        if error.retry_at is not None:
            next_at = max(error.retry_at, next_at)
        pause = error.scope if isinstance(error, RateLimitedError) else None
        return Outcome(publication.id, "retry", error.code, error.message, next_at, pause=pause)
    except CannotFindOutError as error:
        # The connector continued an earlier attempt whose state the platform no longer knows.
        return Outcome(publication.id, "needs_review", error.code, _by_hand(error.message))
    except (OutcomeUnknownError, TimeoutError) as error:
        message = error.message if isinstance(error, ConnectorError) else "the send took too long"
        return Outcome(publication.id, "unknown", "outcome_unknown", message, clock() + FIRST_LOOK)
    except ConnectorError as error:
        return Outcome(publication.id, "failed", error.code, error.message)
    except Exception as error:
        # A bug of ours, perhaps after the platform accepted the post: never resend for it, and never lose it.
        logger.exception("sending publication %s failed unexpectedly", publication.id)
        message = f"an unexpected {type(error).__name__}; see the log"
        return Outcome(publication.id, "unknown", "internal_error", message, clock() + FIRST_LOOK)
    return Outcome(publication.id, "published", receipt=receipt)


async def find_out(
    connector: Connector,
    request: PublishRequest,
    publication: ClaimedPublication,
    *,
    settings: PublisherSettings,
    clock: Callable[[], datetime],
    others_settling: bool = False,
) -> Outcome:
    """Ask the platform whether an unknown publication was published. Raises only ReauthenticateError.

    `others_settling`: other publications of the account are being sent or looked up, so an unclaimed post may
    turn out to be one of theirs.
    """
    now = clock()
    since = publication.unknown_since or now
    look = _Look(publication, now, since, settings)
    try:
        async with asyncio.timeout(settings.send_timeout.total_seconds()):
            found = await connector.find_publication(request)
    except ReauthenticateError:
        raise
    except UnclaimedPostsError as error:
        # The platform's list may lag behind, and another publication may still claim the posts found.
        if now < look.settled_at or (others_settling and look.waited < OTHERS_LIMIT):
            return look.repeat(error.code, error.message)
        return look.hand_over(error.code, error.message)
    except (CannotFindOutError, PermissionMissingError) as error:
        return look.hand_over(error.code, error.message)
    except (ConnectorError, TimeoutError) as error:
        return look.judge_silence(error)
    except Exception as error:
        # A bug of ours in parsing the response: the publication stays unknown and visible, and is not resent.
        logger.exception("finding out about publication %s failed unexpectedly", publication.id)
        message = f"an unexpected {type(error).__name__}; see the log"
        if look.waited > settings.unknown_limit:
            return look.hand_over("internal_error", message)
        return look.repeat("internal_error", message)
    if found is not None:
        return Outcome(publication.id, "found", receipt=found)
    if now < look.settled_at:
        message = "not in the platform's list yet; looking again before it counts as not sent"
        next_at = min(look.settled_at, now + next_look(look.waited))
        return Outcome(publication.id, "still_unknown", "settling", message, next_at)
    message = (
        "the platform was asked for the whole time since the attempt: it is not there, so it is sent again"
    )
    return Outcome(publication.id, "not_found", "not_found", message, now)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look-up on the platform, and the outcome when the result is not clear."""

    publication: ClaimedPublication
    now: datetime
    since: datetime
    settings: PublisherSettings

    @property
    def waited(self) -> timedelta:
        return self.now - self.since

    @property
    def settled_at(self) -> datetime:
        return self.since + self.settings.settle

    def repeat(self, code: str, message: str, *, not_before: datetime | None = None) -> Outcome:
        """Look up again later."""
        next_at = max(not_before or self.now, self.now + next_look(self.waited))
        return Outcome(self.publication.id, "still_unknown", code, message, next_at)

    def hand_over(self, code: str, message: str) -> Outcome:
        """Hand the publication to a person."""
        return Outcome(self.publication.id, "needs_review", code, _by_hand(message))

    def judge_silence(self, error: ConnectorError | TimeoutError) -> Outcome:
        """The platform gave no answer: ask again, up to the limit.

        No answer never means that the post is absent.
        """
        message = error.message if isinstance(error, ConnectorError) else "the platform took too long"
        refused = isinstance(error, GiveUpError) and self.waited >= REFUSED_LIMIT
        if refused or self.waited > self.settings.unknown_limit:
            return self.hand_over("cannot_find_out", message)
        retry_at = error.retry_at if isinstance(error, RetryLaterError) else None
        return self.repeat("cannot_ask_yet", message, not_before=retry_at)


def next_look(waited: timedelta) -> timedelta:
    """Wait before the next look-up: 1 s, growing to 5 min."""
    return min(max(FIRST_LOOK, waited / 2), LONGEST_LOOK)


def _by_hand(message: str) -> str:
    return f"{message}. Check the platform, then resolve it: published, send or discard"
