"""The state machine of a publication, on both databases: every arrow of the drawing, and the guards between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from connectors.types import PostContent
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.store.models import AccountRow, Post, Publication, PublicationAttempt, Workspace
from warehouse.store.publishing.claims import (
    claim_unknown,
    pause_account_until,
    pause_platform_until,
    release_claims,
    renew_leases,
)
from warehouse.store.publishing.ledger import list_events, verify_ledger
from warehouse.store.publishing.outcomes import Outcome, save_send_states
from warehouse.store.publishing.publications import (
    cancel_publication,
    change_content,
    derive_post_status,
    get_publication,
    reschedule_publication,
    resolve_review,
    retry_publication,
)
from warehouse.store.publishing.recovery import expire_leases, fail_unusable, review_overdue, review_unaskable
from warehouse.store.publishing.story import tell_story

if TYPE_CHECKING:
    from conftest import World

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def events_of(world: World, publication_id: str) -> list[str]:
    with world.store.read() as session:
        assert verify_ledger(session, publication_id) == []
        return [row.event for row in list_events(session, publication_id)]


def post_status(world: World, publication_id: str) -> str:
    with world.store.read() as session:
        return session.get_one(Post, world.get(publication_id).post_id).status


def test_published(world: World) -> None:
    (publication,) = world.schedule("twitter")
    assert [row.id for row in world.claim()] == [publication]
    assert post_status(world, publication) == "publishing"
    granted = world.begin([publication])[publication]
    assert (granted.attempt, granted.first_attempt_at) == (1, world.at)
    world.record(Outcome(publication, "published", receipt=world.receipt("77")))
    row = world.get(publication)
    assert (row.status, row.external_id, row.published_at, row.lease_owner) == (
        "published",
        "77",
        world.at,
        None,
    )
    assert post_status(world, publication) == "published"
    assert events_of(world, publication) == ["scheduled", "claimed", "sending", "published"]


def test_nothing_is_claimed_before_its_look_ahead(world: World) -> None:
    world.schedule("twitter", after=11 * SECOND)
    assert world.claim(ahead=10 * SECOND) == []
    assert len(world.claim(ahead=11 * SECOND)) == 1


def test_two_publishers_never_hold_the_same(world: World) -> None:
    world.schedule("twitter", "mastodon")
    first, second = world.claim("a"), world.claim("b")
    assert len(first) == 2
    assert second == []


def test_only_the_holder_may_begin(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim("a")
    assert world.begin([publication], owner="b") == {}
    assert world.get(publication).status == "claimed"


def test_an_expired_lease_may_not_begin(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim("a")
    world.at += timedelta(seconds=91)
    assert world.begin([publication], owner="a") == {}


def test_a_claim_of_a_dead_publisher_is_free_again(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim("a")
    world.at += timedelta(seconds=91)
    with world.store.write() as session:
        assert expire_leases(session, now=world.at) == {"released": 1, "unknown": 0}
    assert [row.id for row in world.claim("b")] == [publication]


def test_a_send_of_a_dead_publisher_is_unknown_and_not_sent_again(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim("a")
    world.begin([publication])
    world.at += timedelta(seconds=91)
    with world.store.write() as session:
        assert expire_leases(session, now=world.at) == {"released": 0, "unknown": 1}
    assert world.claim("b") == []
    assert post_status(world, publication) == "publishing"
    with world.store.write() as session:
        taken = claim_unknown(session, owner="b", now=world.at, limit=5, lease=timedelta(seconds=90))
        assert [row.id for row in taken] == [publication]
    with world.store.write() as session:
        again = claim_unknown(session, owner="c", now=world.at, limit=5, lease=timedelta(seconds=90))
        assert again == []


def test_unknown_then_found(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "unknown", "outcome_unknown", "reset", world.at))
    with world.store.write() as session:
        claim_unknown(session, owner="b", now=world.at, limit=5, lease=timedelta(seconds=90))
    world.record(Outcome(publication, "found", receipt=world.receipt("9")), owner="b")
    assert world.get(publication).status == "published"
    assert events_of(world, publication)[-2:] == ["unknown", "found"]


def test_unknown_then_not_there_is_sent_again_with_the_same_first_attempt(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    first = world.begin([publication])[publication].first_attempt_at
    world.record(Outcome(publication, "unknown", "outcome_unknown", "reset", world.at))
    with world.store.write() as session:
        claim_unknown(session, owner="a", now=world.at, limit=5, lease=timedelta(seconds=90))
    world.at += 20 * SECOND
    world.record(Outcome(publication, "not_found", next_at=world.at))
    world.claim()
    granted = world.begin([publication])[publication]
    assert (granted.attempt, granted.first_attempt_at) == (2, first)


def test_an_outcome_from_a_lost_lease_is_dropped_but_a_receipt_is_kept(world: World) -> None:
    one, two = world.schedule("twitter", "mastodon")
    world.claim("a")
    world.begin([one, two])
    world.at += timedelta(seconds=91)
    with world.store.write() as session:
        expire_leases(session, now=world.at)
    world.record(Outcome(one, "failed", "refused", "no"), owner="a")
    world.record(Outcome(two, "published", receipt=world.receipt("5")), owner="a")
    assert world.get(one).status == "unknown"
    assert world.get(two).status == "published"


def test_a_second_receipt_shows_as_duplicate(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "published", receipt=world.receipt("1")))
    world.record(Outcome(publication, "published", receipt=world.receipt("1")))
    world.record(Outcome(publication, "published", receipt=world.receipt("2")))
    assert world.get(publication).external_id == "1"
    assert events_of(world, publication)[-2:] == ["published", "duplicate"]


def test_retry_waits_for_its_time(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "retry", "not_sent", "refused", world.at + 5 * SECOND))
    assert world.claim() == []
    world.at += 5 * SECOND
    assert [row.id for row in world.claim()] == [publication]


def test_a_rate_limit_holds_back_its_account_only(world: World) -> None:
    limited, _ = world.schedule("twitter", "mastodon")
    (later,) = world.schedule("twitter", text="next")
    world.claim()
    world.begin([limited])
    until = world.at + timedelta(minutes=15)
    world.record(Outcome(limited, "retry", "rate_limited", "slow down", until, pause="account"))
    # Claimed before the pause came: it is given back instead of being sent into it.
    assert world.begin([later]) == {}
    assert world.get(later).status == "scheduled"
    assert world.claim("b") == []
    (other,) = world.schedule("mastodon", text="other")
    assert [row.id for row in world.claim("b")] == [other]
    world.at = until
    assert {row.id for row in world.claim("b")} == {limited, later}


def test_an_app_limit_holds_back_its_platform_only(world: World) -> None:
    world.schedule("twitter", "mastodon")
    with world.store.write() as session:
        pause_platform_until(session, "twitter", world.at + SECOND, "app limit")
        pause_platform_until(session, "twitter", world.at, "shorter ones do not shorten it")
    assert [row.platform for row in world.claim()] == ["mastodon"]


def test_a_shorter_pause_does_not_shorten_a_longer_one(world: World) -> None:
    account = world.accounts["twitter"]
    with world.store.write() as session:
        pause_account_until(session, account, world.at + 60 * SECOND, "long")
        pause_account_until(session, account, world.at + SECOND, "short")
    with world.store.read() as session:
        assert session.get_one(AccountRow, account).rate_limited_until == world.at + 60 * SECOND


@pytest.mark.parametrize("what", ["account", "workspace"])
def test_a_pause_by_a_person(world: World, what: str) -> None:
    world.schedule("twitter")
    model, column = (AccountRow, "paused_at") if what == "account" else (Workspace, "publishing_paused_at")
    with world.store.write() as session:
        session.execute(update(model).values({column: world.at}))
    assert world.claim() == []
    with world.store.write() as session:
        session.execute(update(model).values({column: None}))
    assert len(world.claim()) == 1


def test_accounts_take_turns(world: World) -> None:
    for number in range(5):
        world.schedule("twitter", text=f"busy {number}")
    (single,) = world.schedule("mastodon", text="single", after=SECOND)
    assert single in {row.id for row in world.claim(ahead=SECOND, limit=2)}


def test_too_late_waits_for_a_person(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.at += timedelta(hours=1, seconds=1)
    with world.store.write() as session:
        assert review_overdue(session, now=world.at, max_lateness=timedelta(hours=1)) == 1
    row = world.get(publication)
    assert (row.status, row.reason_code) == ("needs_review", "too_late")
    assert world.claim() == []


def test_a_little_late_goes_out(world: World) -> None:
    world.schedule("twitter")
    world.at += timedelta(minutes=59)
    with world.store.write() as session:
        assert review_overdue(session, now=world.at, max_lateness=timedelta(hours=1)) == 0
    assert len(world.claim()) == 1


def test_a_revoked_account_fails_what_is_due_and_leaves_the_rest(world: World) -> None:
    due, _ = world.schedule("twitter", "mastodon")
    (later,) = world.schedule("twitter", text="later", after=timedelta(hours=1))
    with world.store.write() as session:
        row = session.get_one(AccountRow, world.accounts["twitter"])
        row.status, row.status_reason = "revoked", "the user removed the app"
    with world.store.write() as session:
        assert fail_unusable(session, now=world.at) == 1
    failed = world.get(due)
    assert failed.status == "failed"
    assert "the user removed the app" in (failed.reason or "")
    assert world.get(later).status == "scheduled"
    assert [row.platform for row in world.claim()] == ["mastodon"]


def test_unknown_on_a_revoked_account_is_for_a_person(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "unknown", "outcome_unknown", "reset", world.at))
    with world.store.write() as session:
        session.get_one(AccountRow, world.accounts["twitter"]).status = "revoked"
    with world.store.write() as session:
        assert claim_unknown(session, owner="a", now=world.at, limit=9, lease=SECOND) == []
        assert review_unaskable(session, now=world.at) == 1
    assert world.get(publication).status == "needs_review"


def test_release_gives_back_only_what_was_not_begun(world: World) -> None:
    one, two = world.schedule("twitter", "mastodon")
    world.claim()
    world.begin([one])
    with world.store.write() as session:
        release_claims(session, owner="a", now=world.at)
    assert (world.get(one).status, world.get(two).status) == ("sending", "scheduled")


def test_renewal_and_state_need_the_lease(world: World) -> None:
    one, two = world.schedule("twitter", "mastodon")
    world.claim("a")
    until = world.at + timedelta(minutes=5)
    with world.store.write() as session:
        assert renew_leases(session, [one, two], owner="b", until=until) == set()
        assert renew_leases(session, [one], owner="a", until=until) == {one}
        assert renew_leases(session, [], owner="a", until=until + SECOND) == set()
        states = {one: {"container": "1"}, two: {"container": "2"}}
        assert save_send_states(session, states, owner="b", now=world.at) == set()
        assert save_send_states(session, states, owner="a", now=world.at) == {one, two}
    assert world.get(two).send_state == {"container": "2"}
    assert (world.get(one).lease_until, world.get(two).lease_until) == (until, world.at + 90 * SECOND)


@pytest.mark.parametrize("status", ["claimed", "sending", "unknown", "published"])
def test_what_is_on_its_way_cannot_be_changed(world: World, status: str) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    if status != "claimed":
        world.begin([publication])
    if status == "unknown":
        world.record(Outcome(publication, "unknown", next_at=world.at))
    if status == "published":
        world.record(Outcome(publication, "published", receipt=world.receipt("1")))
    before = events_of(world, publication)
    with world.store.write() as session:
        row = get_publication(session, world.workspace_id, publication)
        with pytest.raises(ConflictError):
            cancel_publication(session, row, world.at)
        with pytest.raises(ConflictError):
            reschedule_publication(session, row, world.at + SECOND, world.at)
        with pytest.raises(ConflictError):
            change_content(session, row, PostContent(text="something else"), world.at)
        with pytest.raises(ConflictError):
            retry_publication(session, row, world.at)
    assert events_of(world, publication) == before


def test_cancel_then_nothing_is_sent(world: World) -> None:
    (publication,) = world.schedule("twitter")
    with world.store.write() as session:
        cancel_publication(session, get_publication(session, world.workspace_id, publication), world.at)
    assert world.claim() == []
    assert post_status(world, publication) == "canceled"


@pytest.mark.parametrize(
    ("decision", "status"), [("published", "published"), ("send", "scheduled"), ("discard", "canceled")]
)
def test_a_person_decides(world: World, decision: str, status: str) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "needs_review", "cannot_find_out", "look yourself"))
    with world.store.write() as session:
        row = get_publication(session, world.workspace_id, publication)
        with pytest.raises(ConflictError):
            reschedule_publication(session, row, world.at + SECOND, world.at)
        resolve_review(session, row, decision, world.at, external_id="3" if decision == "published" else None)
    assert world.get(publication).status == status


def test_a_failed_one_is_retried_at_once(world: World) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "failed", "content_rejected", "too spicy"))
    assert post_status(world, publication) == "failed"
    with world.store.write() as session:
        retry_publication(session, get_publication(session, world.workspace_id, publication), world.at)
    assert [row.id for row in world.claim()] == [publication]


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"draft": 2}, "draft"),
        ({"scheduled": 2}, "scheduled"),
        ({"scheduled": 1, "canceled": 1}, "scheduled"),
        ({"claimed": 1, "scheduled": 1}, "publishing"),
        ({"published": 1, "scheduled": 1}, "publishing"),
        ({"unknown": 1, "published": 1}, "publishing"),
        ({"needs_review": 1}, "publishing"),
        ({"published": 2}, "published"),
        ({"published": 1, "failed": 1}, "partially_published"),
        ({"published": 1, "canceled": 1}, "published"),
        ({"failed": 2}, "failed"),
        ({"canceled": 2}, "canceled"),
        ({}, "canceled"),
    ],
)
def test_a_posts_status_follows_from_its_publications(counts: dict[str, int], status: str) -> None:
    assert derive_post_status(counts) == status


@pytest.mark.parametrize("damage", ["change", "remove_middle", "remove_last"])
def test_a_damaged_ledger_shows(world: World, damage: str) -> None:
    (publication,) = world.schedule("twitter")
    world.claim()
    world.begin([publication])
    with world.store.write() as session:
        rows = list_events(session, publication)
        if damage == "change":
            rows[1].detail = {"message": "nothing happened"}
        elif damage == "remove_middle":
            session.delete(rows[1])
        else:
            session.delete(rows[-1])
    with world.store.read() as session:
        assert session.query(PublicationAttempt).count() in {2, 3}
        assert verify_ledger(session, publication) != []


def test_an_id_that_is_another_publication_is_refused(world: World) -> None:
    known, doubtful = world.schedule("twitter")[0], world.schedule("twitter", text="doubtful")[0]
    world.claim()
    world.begin([known, doubtful])
    world.record(
        Outcome(known, "published", receipt=world.receipt("7")),
        Outcome(doubtful, "needs_review", "cannot_find_out", "look yourself"),
    )
    with world.store.write() as session:
        row = get_publication(session, world.workspace_id, doubtful)
        with pytest.raises(ConflictError, match="is known as publication"):
            resolve_review(session, row, "published", world.at, external_id="7")
        with pytest.raises(InvalidInputError, match="at most 300"):
            resolve_review(session, row, "published", world.at, external_id="7" * 301)
    assert world.get(doubtful).status == "needs_review"


def story_of(world: World, publication_id: str) -> list[str]:
    with world.store.read() as session:
        row = session.get_one(Publication, publication_id)
        return tell_story(session, row, list_events(session, publication_id), world.at)


def test_the_story_tells_what_happened_and_how_it_stands(world: World) -> None:
    (publication,) = world.schedule("twitter", after=SECOND)
    assert story_of(world, publication)[-1] == "Not sent yet: its time is 2026-03-02 12:00:01Z."
    world.at += SECOND
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "retry", "not_sent", "connection refused", world.at + 5 * SECOND))
    assert story_of(world, publication)[-2:] == [
        "2026-03-02 12:00:01Z not sent: connection refused; next at 2026-03-02 12:00:06Z.",
        "Not sent yet: its next try is 2026-03-02 12:00:06Z.",
    ]
    world.at += 5 * SECOND
    world.claim()
    world.begin([publication])
    world.record(Outcome(publication, "published", receipt=world.receipt("77")))
    assert story_of(world, publication)[-3:] == [
        "2026-03-02 12:00:06Z attempt 2 began, +5.000 s from its time.",
        "2026-03-02 12:00:06Z accepted by the platform as 77.",
        "It is published: https://social.example/77.",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"paused_at": NOON}, "the account is paused since"),
        ({"status": "revoked"}, "the account is revoked; reconnect it"),
        (
            {"rate_limited_until": NOON + 60 * SECOND, "rate_limit_reason": "slow down"},
            "wait until 2026-03-02 12:01",
        ),
    ],
)
def test_the_story_says_what_holds_it_back(world: World, change: dict[str, object], says: str) -> None:
    (publication,) = world.schedule("twitter")
    with world.store.write() as session:
        session.execute(update(AccountRow).values(change))
    assert says in story_of(world, publication)[-1]
