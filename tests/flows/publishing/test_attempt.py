"""Outcome of each response, error and time-out of a platform: these decide about duplicate and lost posts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.base import PublishRequest
from connectors.errors import (
    CannotFindOutError,
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    NotSentError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
    UnclaimedPostsError,
    UnsupportedError,
)
from connectors.types import PostContent, PublishedPost
from flows.publishing.attempt import (
    FIRST_LOOK,
    LONGEST_LOOK,
    OTHERS_LIMIT,
    REFUSED_LIMIT,
    compute_backoff,
    find_out,
    next_look,
    send,
)
from flows.publishing.settings import PublisherSettings
from warehouse.store.publishing.claims import ClaimedPublication

if TYPE_CHECKING:
    from connectors.base import Connector
    from warehouse.store.publishing.outcomes import Outcome

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETTINGS = PublisherSettings(send_timeout=timedelta(seconds=0.05))
RECEIPT = PublishedPost("7", "https://p.example/7", NOW)
REQUEST = PublishRequest(PostContent(text="Hello"), "pub_1", NOW, {})
SECOND = timedelta(seconds=1)
ABOUT = (0.8, 1.2)


@dataclass
class Platform:
    """Stands for a platform's connector: it answers, hangs, or raises."""

    answer: PublishedPost | None = None
    error: BaseException | None = None
    hangs: bool = False
    asked: int = 0

    async def publish(self, request: PublishRequest) -> PublishedPost:
        found = await self.find_publication(request)
        assert found is not None
        return found

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        assert request is REQUEST
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(5)
        if self.error is not None:
            raise self.error
        return self.answer


def publication(*, unknown_since: datetime | None = None) -> ClaimedPublication:
    return ClaimedPublication(
        id="pub_1",
        post_id="post_1",
        workspace_id="ws_1",
        account_id="acct_1",
        platform="mastodon",
        content=REQUEST.content,
        status="sending",
        scheduled_at=NOW,
        due_at=NOW,
        attempts=1,
        first_attempt_at=NOW,
        unknown_since=unknown_since,
        send_state={},
    )


async def sent(platform: Platform, *, attempt: int = 1) -> Outcome:
    connector: Connector = platform  # type: ignore[assignment]  # the two methods that are called
    return await send(
        connector, REQUEST, publication(), attempt=attempt, settings=SETTINGS, clock=lambda: NOW
    )


async def looked(platform: Platform, waited: timedelta, **more: Any) -> Outcome:
    connector: Connector = platform  # type: ignore[assignment]  # the two methods that are called
    row = publication(unknown_since=NOW - waited)
    return await find_out(connector, REQUEST, row, settings=SETTINGS, clock=lambda: NOW, **more)


def about(value: timedelta | None, expected: timedelta) -> bool:
    return value is not None and ABOUT[0] * expected <= value <= ABOUT[1] * expected


# -- sending


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (OutcomeUnknownError("reset"), "unknown", "outcome_unknown"),
        (NotSentError("refused"), "retry", "not_sent"),
        (UnavailableError("down"), "retry", "platform_unavailable"),
        (RateLimitedError("slow down"), "retry", "rate_limited"),
        (ContentRejectedError("too long"), "failed", "content_rejected"),
        (GiveUpError("no"), "failed", "refused"),
        (UnsupportedError("no such thing"), "failed", "unsupported"),
        (PermissionMissingError("no scope"), "failed", "permission_missing"),
        (ConnectorError("what"), "failed", "connector_error"),
        (CannotFindOutError("nobody knows"), "needs_review", "cannot_find_out"),
        (UnclaimedPostsError("https://p.example/8"), "needs_review", "unclaimed_posts"),
        (KeyError("id"), "unknown", "internal_error"),
        (ValueError("bad"), "unknown", "internal_error"),
    ],
)
async def test_what_an_error_at_sending_comes_to(error: Exception, kind: str, code: str) -> None:
    outcome = await sent(Platform(error=error))
    assert (outcome.publication_id, outcome.kind, outcome.code) == ("pub_1", kind, code)
    assert outcome.receipt is None
    assert outcome.message is not None
    if isinstance(error, ConnectorError):
        assert error.message in outcome.message
    else:
        assert type(error).__name__ in outcome.message
    assert (outcome.next_at is not None) == (kind in {"retry", "unknown"})
    assert (outcome.pause is not None) == isinstance(error, RateLimitedError)


async def test_an_accepted_post_is_published() -> None:
    outcome = await sent(Platform(RECEIPT))
    assert (outcome.publication_id, outcome.kind, outcome.receipt) == ("pub_1", "published", RECEIPT)
    assert (outcome.code, outcome.message, outcome.next_at, outcome.pause) == (None, None, None, None)


async def test_a_send_that_takes_too_long_may_be_out() -> None:
    outcome = await sent(Platform(RECEIPT, hangs=True))
    assert (outcome.publication_id, outcome.kind, outcome.code) == ("pub_1", "unknown", "outcome_unknown")
    assert outcome.message == "the send took too long"
    assert outcome.next_at == NOW + FIRST_LOOK


async def test_what_may_be_out_is_looked_for_a_second_later() -> None:
    assert (await sent(Platform(error=OutcomeUnknownError("reset")))).next_at == NOW + SECOND
    assert (await sent(Platform(error=KeyError("id")))).next_at == NOW + SECOND
    assert FIRST_LOOK == SECOND


@pytest.mark.parametrize("asking", [sent, lambda platform: looked(platform, SECOND)])
async def test_a_refused_token_is_the_callers(asking: Any) -> None:
    with pytest.raises(ReauthenticateError):
        await asking(Platform(error=ReauthenticateError("revoked")))


@pytest.mark.parametrize("asking", [sent, lambda platform: looked(platform, SECOND)])
async def test_a_cancelled_attempt_is_no_outcome(asking: Any) -> None:
    with pytest.raises(asyncio.CancelledError):
        await asking(Platform(error=asyncio.CancelledError()))


async def test_a_platform_that_says_at_once_is_still_waited_for() -> None:
    error = RateLimitedError("slow down", retry_at=NOW + SECOND, scope="account")
    outcome = await sent(Platform(error=error), attempt=3)
    assert outcome.next_at is not None
    assert about(outcome.next_at - NOW, timedelta(seconds=45))
    assert outcome.pause == "account"


async def test_a_platform_that_names_a_later_time_is_believed() -> None:
    error = RateLimitedError("slow down", retry_at=NOW + timedelta(hours=2), scope="app")
    outcome = await sent(Platform(error=error))
    assert outcome.next_at == NOW + timedelta(hours=2)
    assert outcome.pause == "app"
    plain = await sent(Platform(error=UnavailableError("down", retry_at=NOW + timedelta(hours=1))))
    assert (plain.next_at, plain.pause) == (NOW + timedelta(hours=1), None)


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(1, 5), (2, 15), (3, 45), (4, 135), (5, 405), (6, 600), (7, 600), (50, 600)],
)
def test_retries_come_ever_more_seldom(attempt: int, seconds: float) -> None:
    waits = [compute_backoff(attempt) for _ in range(200)]
    assert all(about(wait, timedelta(seconds=seconds)) for wait in waits)
    assert max(waits) - min(waits) > timedelta(seconds=seconds / 10), "accounts must not come back together"


async def test_the_wait_follows_the_attempt() -> None:
    for attempt, seconds in ((1, 5), (4, 135)):
        outcome = await sent(Platform(error=UnavailableError("down")), attempt=attempt)
        assert outcome.next_at is not None
        assert about(outcome.next_at - NOW, timedelta(seconds=seconds))


# -- finding out


@pytest.mark.parametrize(
    ("error", "waited", "kind", "code"),
    [
        (CannotFindOutError("no right"), 0, "needs_review", "cannot_find_out"),
        (PermissionMissingError("no scope"), 0, "needs_review", "permission_missing"),
        (KeyError("id"), 0, "still_unknown", "internal_error"),
        (KeyError("id"), 6 * 3600, "still_unknown", "internal_error"),
        (KeyError("id"), 6 * 3600 + 1, "needs_review", "internal_error"),
        (UnavailableError("down"), 0, "still_unknown", "cannot_ask_yet"),
        (UnavailableError("down"), 60, "still_unknown", "cannot_ask_yet"),
        (UnavailableError("down"), 6 * 3600, "still_unknown", "cannot_ask_yet"),
        (UnavailableError("down"), 6 * 3600 + 1, "needs_review", "cannot_find_out"),
        (NotSentError("down"), 60, "still_unknown", "cannot_ask_yet"),
        (RateLimitedError("slow"), 60, "still_unknown", "cannot_ask_yet"),
        (OutcomeUnknownError("lease lost"), 60, "still_unknown", "cannot_ask_yet"),
        (ContentRejectedError("what"), 60, "still_unknown", "cannot_ask_yet"),
        (GiveUpError("404"), 599, "still_unknown", "cannot_ask_yet"),
        (GiveUpError("404"), 600, "needs_review", "cannot_find_out"),
        (UnclaimedPostsError("https://p.example/8"), 0, "still_unknown", "unclaimed_posts"),
        (UnclaimedPostsError("https://p.example/8"), 19.9, "still_unknown", "unclaimed_posts"),
        (UnclaimedPostsError("https://p.example/8"), 20, "needs_review", "unclaimed_posts"),
    ],
)
async def test_what_a_look_without_an_answer_comes_to(
    error: Exception, waited: float, kind: str, code: str
) -> None:
    outcome = await looked(Platform(error=error), timedelta(seconds=waited))
    assert (outcome.publication_id, outcome.kind, outcome.code) == ("pub_1", kind, code)
    assert (outcome.receipt, outcome.pause) == (None, None)
    assert outcome.message is not None
    if isinstance(error, ConnectorError):
        assert error.message in outcome.message
    else:
        assert type(error).__name__ in outcome.message
    if kind == "needs_review":
        assert outcome.next_at is None
        assert "resolve it: published, send or discard" in outcome.message
    else:
        assert outcome.next_at == NOW + next_look(timedelta(seconds=waited))
    assert timedelta(minutes=10) == REFUSED_LIMIT


async def test_a_look_that_hangs_says_nothing() -> None:
    outcome = await looked(Platform(hangs=True), timedelta(seconds=60))
    assert (outcome.kind, outcome.code) == ("still_unknown", "cannot_ask_yet")
    assert outcome.message == "the platform took too long"
    late = await looked(Platform(hangs=True), timedelta(hours=7))
    assert (late.kind, late.code) == ("needs_review", "cannot_find_out")


async def test_a_found_post_is_found_however_soon() -> None:
    for waited in (timedelta(0), timedelta(hours=7)):
        outcome = await looked(Platform(RECEIPT), waited)
        assert (outcome.publication_id, outcome.kind, outcome.receipt) == ("pub_1", "found", RECEIPT)
        assert (outcome.code, outcome.next_at) == (None, None)


@pytest.mark.parametrize(
    ("waited", "kind", "next_look_in"),
    [
        (0, "still_unknown", 1),
        (5, "still_unknown", 2.5),
        (15, "still_unknown", 5),
        (19.9, "still_unknown", 0.1),
    ],
)
async def test_an_empty_list_proves_nothing_before_it_has_settled(
    waited: float, kind: str, next_look_in: float
) -> None:
    outcome = await looked(Platform(), timedelta(seconds=waited))
    assert (outcome.publication_id, outcome.kind, outcome.code) == ("pub_1", kind, "settling")
    assert outcome.next_at is not None
    assert outcome.next_at - NOW == timedelta(seconds=next_look_in)
    assert "before it counts as not sent" in (outcome.message or "")


@pytest.mark.parametrize("waited", [20, 60, 7 * 3600])
async def test_an_empty_list_proves_absence_once_it_has_settled(waited: float) -> None:
    outcome = await looked(Platform(), timedelta(seconds=waited))
    assert (outcome.publication_id, outcome.kind, outcome.code) == ("pub_1", "not_found", "not_found")
    assert outcome.next_at == NOW
    assert "it is not there" in (outcome.message or "")


async def test_the_time_counts_from_when_it_became_unknown() -> None:
    row = publication(unknown_since=None)
    connector: Connector = Platform()  # type: ignore[assignment]  # the two methods that are called
    outcome = await find_out(connector, REQUEST, row, settings=SETTINGS, clock=lambda: NOW)
    assert outcome.kind == "still_unknown", "nobody has waited yet"


async def test_a_platform_that_names_a_time_is_asked_then() -> None:
    later = NOW + timedelta(hours=1)
    outcome = await looked(Platform(error=RateLimitedError("slow", retry_at=later)), SECOND)
    assert outcome.next_at == later
    soon = await looked(Platform(error=UnavailableError("down", retry_at=NOW)), timedelta(seconds=60))
    assert soon.next_at == NOW + timedelta(seconds=30)


async def test_unclaimed_posts_may_still_be_claimed_by_another_publication() -> None:
    error = UnclaimedPostsError("https://p.example/8")
    for waited, kind in (
        (timedelta(seconds=20), "still_unknown"),
        (OTHERS_LIMIT - SECOND, "still_unknown"),
        (OTHERS_LIMIT, "needs_review"),
    ):
        outcome = await looked(Platform(error=error), waited, others_settling=True)
        assert (outcome.kind, outcome.code) == (kind, "unclaimed_posts")
    assert timedelta(minutes=10) == OTHERS_LIMIT


@pytest.mark.parametrize(("waited", "seconds"), [(0, 1), (1, 1), (2, 1), (10, 5), (600, 300), (7200, 300)])
def test_looks_come_ever_more_seldom(waited: float, seconds: float) -> None:
    assert next_look(timedelta(seconds=waited)) == timedelta(seconds=seconds)
    assert timedelta(minutes=5) == LONGEST_LOOK
