"""What is written down of each outcome: status, reason, times, lease, ledger, and what it means for the account."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.types import STEP
from tests.warehouse.conftest import LEASE, NOON, World
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.publishing.ledger import list_events, verify_ledger
from warehouse.store.publishing.outcomes import Granted, Outcome, PartCounts, save_send_states

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.models import PublicationAttempt
    from warehouse.store.publishing.outcomes import OutcomeKind

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def sending(world: World) -> str:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    return publication


def account(world: World, platform: str = "twitter") -> AccountRow:
    with world.store.read() as session:
        return session.get_one(AccountRow, world.accounts[platform])


def last_event(world: World, publication: str) -> PublicationAttempt:
    with world.store.read() as session:
        assert verify_ledger(session, publication) == []
        return list_events(session, publication)[-1]


def test_leave_to_send_is_written_down(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.at += SECOND
    assert world.begin([publication]) == {publication: Granted(1, NOON + SECOND)}
    row = world.get(publication)
    assert (row.status, row.attempts, row.first_attempt_at) == ("sending", 1, NOON + SECOND)
    assert (row.lease_owner, row.lease_until, row.updated_at) == ("a", NOON + SECOND + LEASE, NOON + SECOND)
    event = last_event(world, publication)
    assert (event.event, event.attempt, event.owner, event.at) == ("sending", 1, "a", NOON + SECOND)


def test_a_later_attempt_keeps_the_time_of_the_first(world: World, sending: str) -> None:
    world.record(Outcome(sending, "retry", "rate_limited", "slow down", NOON + MINUTE))
    world.at = NOON + MINUTE
    world.claim()
    assert world.begin([sending]) == {sending: Granted(2, NOON)}
    assert (world.get(sending).attempts, world.get(sending).first_attempt_at) == (2, NOON)


def test_only_what_is_held_is_granted_and_the_rest_goes_back(world: World) -> None:
    (ours,), (theirs,) = world.schedule("twitter"), world.schedule("mastodon")
    world.claim()
    with world.store.write() as session:
        session.get_one(Publication, theirs).lease_owner = "b"
    assert set(world.begin([ours, theirs])) == {ours}
    assert (world.get(theirs).status, world.get(theirs).lease_owner) == ("claimed", "b")
    assert world.begin([]) == {}


def test_what_may_not_be_sent_now_is_released_with_the_reason(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    with world.store.write() as session:
        session.get_one(AccountRow, world.accounts["twitter"]).paused_at = NOON
    assert world.begin([publication]) == {}
    row = world.get(publication)
    assert (row.status, row.lease_owner, row.lease_until) == ("scheduled", None, None)
    assert last_event(world, publication).detail == {"message": "waits until sending is allowed"}


@pytest.mark.parametrize(
    ("kind", "status", "due_at", "unknown"),
    [
        ("retry", "scheduled", LATER, False),
        ("not_found", "scheduled", LATER, False),
        ("unknown", "unknown", LATER, True),
        ("still_unknown", "unknown", LATER, True),
        ("failed", "failed", None, False),
        ("needs_review", "needs_review", None, False),
    ],
)
def test_an_outcome_without_a_receipt(
    *, world: World, sending: str, kind: Any, status: str, due_at: Any, unknown: bool
) -> None:
    world.at += SECOND
    outcome = Outcome(sending, kind, "code", "The reason", LATER)
    assert world.record(outcome) == {sending: status}
    row = world.get(sending)
    assert (row.status, row.reason_code, row.reason) == (status, "code", "The reason")
    assert (row.lease_owner, row.lease_until, row.updated_at) == (None, None, NOON + SECOND)
    assert (row.due_at, row.unknown_since is not None) == (due_at, unknown)
    assert (row.external_id, row.published_at) == (None, None)
    event = last_event(world, sending)
    if kind == "still_unknown":
        assert event.event == "sending", "looked, and no answer: no line for it"
        return
    assert (event.event, event.owner, event.at) == (kind, "a", NOON + SECOND)
    assert event.detail == {"code": "code", "message": "The reason", "next_at": LATER.isoformat()}


def test_a_time_that_is_not_named_is_now(world: World, sending: str) -> None:
    world.record(Outcome(sending, "unknown"))
    assert (world.get(sending).due_at, world.get(sending).unknown_since) == (NOON, NOON)
    assert last_event(world, sending).detail == {}
    world.at += SECOND
    with world.store.write() as session:
        session.get_one(Publication, sending).lease_owner = "a"
    world.record(Outcome(sending, "not_found"))
    assert (world.get(sending).due_at, world.get(sending).unknown_since) == (NOON + SECOND, None)


def test_the_time_since_when_it_is_unknown_stays(world: World, sending: str) -> None:
    world.record(Outcome(sending, "unknown", next_at=NOON))
    for minutes in (1, 2):
        world.at = NOON + minutes * MINUTE
        with world.store.write() as session:
            session.get_one(Publication, sending).lease_owner = "a"
        world.record(Outcome(sending, "still_unknown", next_at=LATER))
    assert (world.get(sending).unknown_since, world.get(sending).due_at) == (NOON, LATER)


@pytest.mark.parametrize("kind", ["published", "found"])
def test_a_receipt_is_written_down(world: World, sending: str, kind: Any) -> None:
    world.record(Outcome(sending, "unknown", "outcome_unknown", "reset"))
    receipt = world.receipt("7")
    world.at += SECOND
    assert world.record(Outcome(sending, kind, receipt=receipt), owner="anybody") == {sending: "published"}
    row = world.get(sending)
    assert (row.external_id, row.permalink, row.published_at) == ("7", receipt.permalink, NOON)
    assert (row.due_at, row.unknown_since, row.reason_code, row.reason) == (None, None, None, None)
    assert row.next_snapshot_at is not None
    event = last_event(world, sending)
    assert event.event == kind
    assert event.detail == {
        "external_id": "7", "permalink": receipt.permalink, "published_at": NOON.isoformat()
    }  # fmt: skip
    # The same receipt once more changes nothing.
    world.record(Outcome(sending, kind, receipt=receipt))
    assert last_event(world, sending).seq == event.seq


@pytest.mark.parametrize("status", ["canceled", "failed", "draft"])
def test_what_is_over_takes_no_receipt(world: World, sending: str, status: str) -> None:
    with world.store.write() as session:
        session.get_one(Publication, sending).status = status
    world.record(Outcome(sending, "published", receipt=world.receipt("7")))
    assert (world.get(sending).status, world.get(sending).external_id) == (status, None)


@pytest.mark.parametrize("status", ["scheduled", "claimed", "sending", "unknown", "needs_review"])
def test_what_is_open_takes_a_receipt_whoever_brings_it(world: World, sending: str, status: str) -> None:
    with world.store.write() as session:
        row = session.get_one(Publication, sending)
        row.status, row.lease_owner = status, "another"
    world.record(Outcome(sending, "published", receipt=world.receipt("7")))
    assert (world.get(sending).status, world.get(sending).external_id) == ("published", "7")


def test_an_outcome_of_another_owner_is_dropped(world: World, sending: str) -> None:
    with world.store.write() as session:
        session.get_one(Publication, sending).lease_owner = "another"
    assert world.record(Outcome(sending, "retry", "not_sent", "refused", LATER)) == {sending: "sending"}
    assert (world.get(sending).status, world.get(sending).reason) == ("sending", None)
    assert last_event(world, sending).event == "sending"


def test_a_second_receipt_never_hides(world: World, sending: str) -> None:
    world.record(Outcome(sending, "published", receipt=world.receipt("7")))
    world.record(Outcome(sending, "published", receipt=world.receipt("8")))
    event = last_event(world, sending)
    assert event.event == "duplicate"
    assert (event.detail["external_id"], event.detail["known"]) == ("8", "7")
    assert world.get(sending).external_id == "7"


def test_a_state_is_kept_for_its_owner_only(world: World, sending: str) -> None:
    world.at += SECOND
    with world.store.write() as session:
        states = {sending: {"container_id": "9"}}
        assert save_send_states(session, states, owner="b", now=world.at) == set()
        assert save_send_states(session, states, owner="a", now=world.at) == {sending}
    row = world.get(sending)
    assert (row.send_state, row.updated_at) == ({"container_id": "9"}, NOON + SECOND)


def test_each_publication_keeps_its_own_state(world: World, sending: str) -> None:
    (other,) = world.schedule("mastodon")
    world.claim()
    world.begin([other])
    with world.store.write() as session:
        states = {sending: {"container_id": "9"}, other: {"container_id": "8"}}
        assert save_send_states(session, states, owner="a", now=world.at) == {sending, other}
    assert [world.get(item).send_state["container_id"] for item in (sending, other)] == ["9", "8"]
    with world.store.write() as session:
        assert save_send_states(session, {other: {}}, owner="a", now=world.at) == {other}
    assert world.get(sending).send_state == {"container_id": "9"}, "another's state is left alone"


def test_the_post_follows_its_publications(world: World, sending: str) -> None:
    world.record(Outcome(sending, "published", receipt=world.receipt("7")))
    with world.store.read() as session:
        assert session.get_one(Post, world.get(sending).post_id).status == "published"


# -- what it means for the account


def test_a_missing_permission_is_named_until_it_is_back(world: World, sending: str) -> None:
    (other,) = world.schedule("mastodon")
    world.claim()
    world.begin([other])
    world.at += SECOND
    world.record(Outcome(sending, "failed", "permission_missing", "X answered 403: no scope"))
    row = account(world)
    assert (row.status, row.status_changed_at) == ("active", NOON + SECOND)
    assert row.status_reason == "X answered 403: no scope; connect the account again with this permission"
    assert account(world, "mastodon").status_reason is None
    # Another account's post says nothing about this one.
    world.record(Outcome(other, "published", receipt=world.receipt("8")))
    assert account(world).status_reason is not None
    (again,) = world.schedule("twitter")
    world.claim()
    world.begin([again])
    world.at += SECOND
    world.record(Outcome(again, "published", receipt=world.receipt("9")))
    row = account(world)
    assert (row.status, row.status_reason, row.status_changed_at) == ("active", None, NOON + 2 * SECOND)


@pytest.mark.parametrize(
    ("kind", "code", "owner"),
    [
        ("failed", "content_rejected", "a"),
        ("failed", "permission_missing", "another"),
        ("unknown", "outcome_unknown", "a"),
    ],
)
def test_other_outcomes_say_nothing_about_permissions(
    world: World, sending: str, kind: Any, code: str, owner: str
) -> None:
    world.record(Outcome(sending, kind, code, "No."), owner=owner)
    assert account(world).status_reason is None


def test_the_reason_of_a_revoked_account_stays(world: World, sending: str) -> None:
    with world.store.write() as session:
        row = session.get_one(AccountRow, world.accounts["twitter"])
        row.status, row.status_reason, row.status_changed_at = (
            "revoked",
            "The token is revoked",
            NOON - MINUTE,
        )
    world.record(Outcome(sending, "failed", "permission_missing", "No."))
    assert account(world).status_reason == "The token is revoked"
    (second,) = world.schedule("twitter")
    with world.store.write() as session:
        row2 = session.get_one(Publication, second)
        row2.status, row2.lease_owner = "sending", "a"
    world.record(Outcome(second, "published", receipt=world.receipt("9")))
    row = account(world)
    assert (row.status, row.status_reason, row.status_changed_at) == (
        "revoked",
        "The token is revoked",
        NOON - MINUTE,
    )


@pytest.mark.parametrize(("scope", "held"), [("account", {"twitter"}), ("app", {"twitter"}), (None, set())])
def test_a_pause_holds_back_what_it_names(world: World, sending: str, scope: Any, held: set[str]) -> None:
    world.record(Outcome(sending, "retry", "rate_limited", "slow down", LATER, pause=scope))
    row = account(world)
    if scope == "account":
        assert (row.rate_limited_until, row.rate_limit_reason) == (LATER, "slow down")
    else:
        assert row.rate_limited_until is None
    waiting = {name: world.schedule(name)[0] for name in ("twitter", "mastodon")}
    claimed = {item.id for item in world.claim()}
    assert {name for name, publication in waiting.items() if publication not in claimed} == held


def test_a_pause_without_words_still_says_why(world: World, sending: str) -> None:
    world.record(Outcome(sending, "retry", next_at=LATER, pause="account"))
    assert account(world).rate_limit_reason == "rate limited"


def test_a_publication_in_parts_waits_for_each_and_ends_with_the_last(world: World) -> None:
    hour = timedelta(hours=1)
    (publication,) = world.schedule("twitter")

    def told(
        out: int, *, rest_at: datetime | None = None, owner: str = "a", kind: OutcomeKind = "published"
    ) -> None:
        parts = PartCounts(out - 1, out, 3)
        outcome = Outcome(publication, kind, receipt=world.receipt(str(out)), parts=parts, rest_at=rest_at)
        world.record(outcome, owner=owner)

    def row() -> tuple[Any, ...]:
        now = world.get(publication)
        return now.status, now.rest, now.rest_at, now.due_at, now.external_id, now.send_state.get(STEP)

    world.claim()
    world.begin([publication])
    told(1, rest_at=NOON + hour)
    assert row() == ("published", "waiting", NOON + hour, NOON + hour, "1", 1)
    assert world.get(publication).first_attempt_at is None
    assert world.claim() == []

    world.at += hour
    (claimed,) = world.claim()
    assert (claimed.scheduled_at, claimed.status) == (NOON + hour, "claimed")
    assert world.begin([publication])[publication].first_attempt_at == NOON + hour
    sending = row()
    assert sending[0] == "sending"
    # What is known to be out, told late, says nothing about the next part.
    told(1, rest_at=NOON + 9 * hour, owner="b", kind="found")
    world.record(Outcome(publication, "found", receipt=world.receipt("9")), owner="b")
    assert row() == sending
    # The receipt of the part that is under way counts, whoever brings it.
    told(2, rest_at=NOON + 2 * hour, owner="b", kind="found")
    assert row() == ("published", "waiting", NOON + 2 * hour, NOON + 2 * hour, "1", 2)

    world.at += hour
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "retry", "http_503", "later", next_at=NOON + 3 * hour))
    assert row() == ("published", "waiting", NOON + 2 * hour, NOON + 3 * hour, "1", 2)
    world.at += hour
    world.claim()
    world.begin([publication])
    told(3)
    assert row() == ("published", None, None, None, "1", 2)
    with world.store.read() as session:
        events = [one for one in list_events(session, publication) if one.event not in {"claimed", "sending"}]
    assert [one.event for one in events] == [
        "scheduled",
        "published",
        "part_found",
        "retry",
        "part_published",
    ]
    assert [one.detail.get("parts") for one in events[1:]] == [
        {"before": 0, "out": 1, "of": 3},
        {"before": 1, "out": 2, "of": 3},
        None,
        {"before": 2, "out": 3, "of": 3},
    ]
    assert events[1].detail["rest_at"] == (NOON + hour).isoformat()


@pytest.mark.parametrize(
    ("kind", "status", "rest"),
    [("failed", "published", "failed"), ("needs_review", "needs_review", "waiting")],
)
def test_a_later_part_that_is_not_out(world: World, kind: OutcomeKind, status: str, rest: str) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    parts = PartCounts(0, 1, 2)
    world.record(Outcome(publication, "published", receipt=world.receipt("1"), parts=parts, rest_at=NOON))
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, kind, "refused", "too spicy", parts=parts))
    row = world.get(publication)
    assert (row.status, row.rest, row.due_at, row.reason, row.external_id) == (
        status,
        rest,
        None,
        "too spicy",
        "1",
    )
    assert world.claim() == []
    with world.store.read() as session:
        last = list_events(session, publication)[-1]
    assert last.event == ("part_failed" if kind == "failed" else kind)
