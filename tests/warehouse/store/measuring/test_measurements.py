"""When metrics and histories are read next, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.types import ListedPost
from warehouse.store.measuring.backfills import (
    begin_backfill,
    finish_backfill,
    list_accounts_to_backfill,
    save_backfill_place,
)
from warehouse.store.measuring.measurements import (
    SNAPSHOT_AGES,
    list_due_followers,
    list_due_snapshots,
    next_snapshot_at,
    record_followers_measured,
    record_measured,
)
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts
from warehouse.store.publishing.claims import pause_account_until, pause_platform_until

if TYPE_CHECKING:
    from conftest import World

PUBLISHED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=120))


@given(ages)
def test_the_next_reading_lies_ahead_and_at_one_of_the_ages(age: timedelta) -> None:
    next_at = next_snapshot_at(PUBLISHED, PUBLISHED + age)
    if next_at is None:
        assert age >= SNAPSHOT_AGES[-1] * 0.9
    else:
        assert next_at > PUBLISHED + age
        assert next_at - PUBLISHED in SNAPSHOT_AGES


@given(st.integers(min_value=0, max_value=600))
def test_a_reader_that_is_always_a_little_late_takes_one_reading_an_age(lag_seconds: int) -> None:
    """The ingest comes up to ten minutes after the due time: no age is read twice, and at most the first is missed."""
    at, readings = PUBLISHED + timedelta(seconds=lag_seconds), 0
    while (due := next_snapshot_at(PUBLISHED, at)) is not None:
        at = due + timedelta(seconds=lag_seconds)
        readings += 1
    assert len(SNAPSHOT_AGES) - 1 <= readings <= len(SNAPSHOT_AGES)


def test_a_reading_just_before_an_age_counts_as_the_one_at_that_age() -> None:
    assert next_snapshot_at(PUBLISHED, PUBLISHED + timedelta(minutes=56)) == PUBLISHED + timedelta(hours=3)
    assert next_snapshot_at(PUBLISHED, PUBLISHED + timedelta(minutes=50)) == PUBLISHED + timedelta(hours=1)


def add_history(world: World, platform: str, *hours_ago: float) -> list[str]:
    """Record posts of that age and return their publications, the oldest first; all are due at once."""
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts[platform])
        posts = [
            ListedPost(f"{platform}-{hours}", world.at - timedelta(hours=hours), f"{hours} h", "text")
            for hours in sorted(hours_ago, reverse=True)
        ]
        recorded = record_external_posts(
            session, account, posts, world.at, next_snapshot_at=lambda published: published
        )
    return [recorded.publication_ids[post.external_id] for post in posts]


def due(world: World, limit: int = 100) -> list[list[str]]:
    with world.store.read() as session:
        return [
            [row.id for row in item.publications] for item in list_due_snapshots(session, world.at, limit)
        ]


def row(world: World, publication_id: str) -> Publication:
    with world.store.read() as session:
        return session.get_one(Publication, publication_id)


def test_due_snapshots_come_by_account_and_the_longest_due_first(world: World) -> None:
    twitter = add_history(world, "twitter", 1, 5)
    mastodon = add_history(world, "mastodon", 9, 2)
    assert due(world) == [mastodon, twitter]
    assert due(world, limit=1) == [mastodon[:1], twitter[:1]]


def test_what_was_measured_comes_again_at_the_next_age(world: World) -> None:
    (publication,) = add_history(world, "twitter", 2)
    with world.store.write() as session:
        record_measured(session, world.at, measured=[publication])
    after = row(world, publication)
    assert (after.snapshot_count, after.next_snapshot_at) == (1, world.at + timedelta(hours=1))
    assert due(world) == []
    world.at += timedelta(hours=1)
    assert due(world) == [[publication]]


def test_a_deleted_post_is_never_due_again(world: World) -> None:
    (publication,) = add_history(world, "twitter", 2)
    found_at = world.at
    with world.store.write() as session:
        assert record_measured(session, world.at, deleted=[publication]) == [publication]
    world.at += timedelta(days=30)
    assert due(world) == []
    with world.store.write() as session:
        # Known already: the moment stays the first one, and nobody is told again.
        assert record_measured(session, world.at, deleted=[publication]) == []
    assert row(world, publication).platform_deleted_at == found_at


def test_a_missing_post_is_asked_for_again_after_growing_pauses(world: World) -> None:
    (publication,) = add_history(world, "twitter", 2)
    pauses = []
    for _ in range(10):
        with world.store.write() as session:
            record_measured(session, world.at, missing=[publication])
        again = row(world, publication).next_snapshot_at
        assert again is not None
        pauses.append(again - world.at)
        world.at = again
    assert pauses[:3] == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1)]
    assert pauses[-1] == timedelta(days=1)
    with world.store.write() as session:
        record_measured(session, world.at, measured=[publication])
    assert row(world, publication).snapshot_failures == 0


def test_a_post_that_stays_missing_is_given_up_with_its_age(world: World) -> None:
    (publication,) = add_history(world, "twitter", 2)
    world.at += timedelta(days=90)
    with world.store.write() as session:
        record_measured(session, world.at, missing=[publication])
    assert row(world, publication).next_snapshot_at is None


@pytest.mark.parametrize("hindrance", ["account limit", "platform limit", "revoked", "no credentials"])
def test_an_account_that_cannot_be_read_is_left_alone_and_no_other(world: World, hindrance: str) -> None:
    add_history(world, "twitter", 1)
    mastodon = add_history(world, "mastodon", 1)
    until = world.at + timedelta(minutes=10)
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
        if hindrance == "account limit":
            pause_account_until(session, account.id, until, "429")
        elif hindrance == "platform limit":
            pause_platform_until(session, "twitter", until, "429")
        elif hindrance == "revoked":
            account.status = "revoked"
        else:
            account.credentials = None
    assert due(world) == [mastodon]
    world.at = until
    assert len(due(world)) == (2 if "limit" in hindrance else 1)


def test_followers_are_due_again_when_planned(world: World) -> None:
    with world.store.write() as session:
        assert {account.platform for account in list_due_followers(session, world.at)} == set(world.accounts)
        tomorrow = world.at + timedelta(days=1)
        record_followers_measured(session, list(world.accounts.values()), tomorrow)
    with world.store.read() as session:
        assert list_due_followers(session, world.at) == []
        assert len(list_due_followers(session, tomorrow)) == len(world.accounts)


def test_a_backfill_goes_on_at_its_place_and_later_looks_back_a_little(world: World) -> None:
    account_id = world.accounts["twitter"]
    since = world.at - timedelta(days=182)
    with world.store.write() as session:
        begun = begin_backfill(session, account_id, world.at, first_since=since)
        assert (begun.backfill_since, begun.backfill_cursor) == (since, None)
        save_backfill_place(session, account_id, cursor="page 3", posts=200)
    with world.store.write() as session:
        again = begin_backfill(session, account_id, world.at, first_since=world.at)
        assert (again.backfill_since, again.backfill_cursor) == (since, "page 3")
        finish_backfill(session, account_id, world.at)
    with world.store.read() as session:
        waiting = [account.id for account in list_accounts_to_backfill(session, world.at)]
        assert account_id not in waiting
        named = list_accounts_to_backfill(session, world.at, account_ids=[account_id])
        assert [account.id for account in named] == [account_id]
    later = world.at + timedelta(days=1)
    with world.store.write() as session:
        assert account_id in [account.id for account in list_accounts_to_backfill(session, later)]
        looked = begin_backfill(session, account_id, later, first_since=later)
        assert (looked.backfill_since, looked.backfill_cursor) == (world.at - timedelta(days=2), None)
        assert looked.backfill_posts == 200
