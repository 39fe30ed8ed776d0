"""Who is awake, and whose work is free: by heartbeats, by a certain end, by leases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from tests.warehouse.conftest import LEASE, NOON
from warehouse.store.models import Publication
from warehouse.store.publishing.claims import claim_unknown, has_work
from warehouse.store.publishing.heartbeats import (
    KEPT,
    STALE_AFTER,
    PublisherRow,
    beat,
    begin_beating,
    get_publishers_state,
    list_publishers,
    list_running,
    mark_ended,
)
from warehouse.store.publishing.recovery import expire_leases, needs_recovery

if TYPE_CHECKING:
    from datetime import datetime

    from tests.warehouse.conftest import World
    from warehouse.store.database import Store

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def begin(store: Store, owner: str, at: datetime = NOON) -> None:
    with store.write() as session:
        begin_beating(session, owner, at)


def beats(store: Store, owner: str, at: datetime, skew: float = 0.0, **report: Any) -> bool:
    with store.write() as session:
        return beat(session, owner, at, clock_skew=timedelta(seconds=skew), report=report)


def end(store: Store, *owners: str, at: datetime = NOON) -> None:
    with store.write() as session:
        mark_ended(session, owners, at)


def awake(store: Store, at: datetime) -> int:
    with store.read() as session:
        return get_publishers_state(session, at).awake


def recover(world: World) -> dict[str, int]:
    """Take over, and see that the look without a lock had said the same."""
    with world.store.read() as session:
        expected = needs_recovery(session, now=world.at, max_lateness=HOUR)
    with world.store.write() as session:
        done = expire_leases(session, now=world.at)
    assert expected == (sum(done.values()) > 0)
    return done


def status(world: World, publication_id: str) -> tuple[str, str | None]:
    with world.store.read() as session:
        row = session.get_one(Publication, publication_id)
        return row.status, row.lease_owner


def test_awake_is_who_beats_with_a_right_clock_and_has_not_ended(any_store: Store) -> None:
    begin(any_store, "a")
    begin(any_store, "b")
    assert awake(any_store, NOON + STALE_AFTER - SECOND) == 2
    assert awake(any_store, NOON + STALE_AFTER) == 0
    assert beats(any_store, "a", NOON + 6 * SECOND)
    assert awake(any_store, NOON + STALE_AFTER) == 1
    assert beats(any_store, "a", NOON + 7 * SECOND, skew=-2.1)
    with any_store.read() as session:
        state = get_publishers_state(session, NOON + STALE_AFTER)
    assert (state.awake, state.clock_skew_seconds) == (0, -2.1)
    assert beats(any_store, "a", NOON + 8 * SECOND, skew=1.9, published=4)
    assert awake(any_store, NOON + STALE_AFTER) == 1
    end(any_store, "a")
    assert awake(any_store, NOON + STALE_AFTER) == 0
    assert not beats(any_store, "a", NOON + 9 * SECOND)
    with any_store.read() as session:
        assert list_running(session) == ["b"]
        assert list_running(session, except_owner="b") == []
        (shown, *_) = list_publishers(session, since=NOON + SECOND)
        assert (shown.owner, shown.report) == ("a", {"published": 4})


def test_publishers_that_died_long_ago_are_forgotten(any_store: Store) -> None:
    begin(any_store, "dead")
    begin(any_store, "young", NOON + KEPT)
    begin(any_store, "new", NOON + KEPT + SECOND)
    with any_store.read() as session:
        assert set(session.scalars(select(PublisherRow.owner))) == {"young", "new"}


def test_a_claim_is_free_as_soon_as_its_owner_is_silent(world: World) -> None:
    begin(world.store, "a", world.at)
    (publication,) = world.schedule("mastodon")
    assert len(world.claim("a")) == 1
    world.at += STALE_AFTER - SECOND
    assert recover(world) == {"released": 0, "unknown": 0}
    world.at += SECOND
    assert recover(world) == {"released": 1, "unknown": 0}
    assert status(world, publication) == ("scheduled", None)
    assert world.begin([publication], "a") == {}  # it comes back to life: the claim is no longer its own
    assert len(world.claim("b")) == 1


def test_what_a_silent_publisher_was_sending_stays_its_own_until_its_lease_ends(world: World) -> None:
    begin(world.store, "a", world.at)
    (publication,) = world.schedule("mastodon")
    world.claim("a")
    world.begin([publication], "a")
    world.at += STALE_AFTER * 2
    assert recover(world) == {"released": 0, "unknown": 0}
    assert status(world, publication) == ("sending", "a")
    world.at += LEASE
    assert recover(world) == {"released": 0, "unknown": 1}


def test_what_a_dead_publisher_was_sending_is_looked_up_at_once(world: World) -> None:
    begin(world.store, "a", world.at)
    sending, waiting = world.schedule("mastodon"), world.schedule("mastodon", text="second")
    world.claim("a")
    world.begin(sending, "a")
    end(world.store, "a", at=world.at)
    assert recover(world) == {"released": 1, "unknown": 1}
    assert status(world, sending[0]) == ("unknown", None)
    assert status(world, waiting[0]) == ("scheduled", None)


def test_a_publisher_without_a_heartbeat_row_is_judged_by_its_lease(world: World) -> None:
    world.schedule("mastodon")
    world.claim("of an older version")
    world.at += STALE_AFTER * 2
    assert recover(world) == {"released": 0, "unknown": 0}
    world.at += LEASE
    assert recover(world) == {"released": 1, "unknown": 0}


@pytest.mark.parametrize("silent", [False, True])
def test_what_a_silent_publisher_was_looking_up_is_looked_up_by_another(
    world: World, *, silent: bool
) -> None:
    begin(world.store, "a", world.at)
    (publication,) = world.schedule("mastodon")
    world.claim("dead")
    world.begin([publication], "dead")
    world.at += LEASE
    begin(world.store, "b", world.at)
    recover(world)
    beats(world.store, "a", world.at)
    with world.store.write() as session:
        assert claim_unknown(session, owner="a", now=world.at, limit=5, lease=LEASE)
    world.at += STALE_AFTER
    if not silent:
        beats(world.store, "a", world.at)
    with world.store.read() as session:
        assert has_work(session, now=world.at, horizon=world.at) == silent
    with world.store.write() as session:
        taken = claim_unknown(session, owner="b", now=world.at, limit=5, lease=LEASE)
    assert len(taken) == silent


def test_the_look_for_work_finds_what_can_be_claimed(world: World) -> None:
    def found(ahead: timedelta) -> bool:
        with world.store.read() as session:
            return has_work(session, now=world.at, horizon=world.at + ahead)

    world.schedule("mastodon", after=2 * SECOND)
    assert not found(SECOND)
    assert found(2 * SECOND)
    world.claim(ahead=2 * SECOND)
    assert not found(2 * SECOND)
