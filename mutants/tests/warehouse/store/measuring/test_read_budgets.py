"""Paid reads: never more than the day's budget, oldest due first, what waits is counted; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.types import ListedPost
from warehouse.store.measuring.measurements import list_due_snapshots, put_off_young
from warehouse.store.measuring.read_budgets import KEEP_CHARGES, count_reads, forget_reads, grant_reads
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from conftest import World

    from warehouse.store.measuring.read_budgets import Grant


def add_posts(world: World, platform: str, *hours_ago: float) -> list[str]:
    """Record posts of that age, due at that age too; return their publications, the oldest first."""
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts[platform])
        posts = [
            ListedPost(f"{platform}-{hours}", world.at - timedelta(hours=hours), "", "text")
            for hours in sorted(hours_ago, reverse=True)
        ]
        recorded = record_external_posts(
            session, account, posts, world.at, next_snapshot_at=lambda published: published
        )
    return [recorded.publication_ids[post.external_id] for post in posts]


def grant(world: World, limit: int) -> Grant:
    with world.store.write() as session:
        due = list_due_snapshots(session, world.at, 100)
        return grant_reads(session, due, {"twitter": limit}, world.at)


def granted(grant: Grant, platform: str = "twitter") -> list[str]:
    return [
        row.id for item in grant.accounts if item.account.platform == platform for row in item.publications
    ]


def test_a_budget_takes_the_longest_due_and_leaves_the_rest_for_another_day(world: World) -> None:
    oldest, older, newest = add_posts(world, "twitter", 9, 5, 1)
    free = add_posts(world, "mastodon", 2, 3)
    first = grant(world, 2)
    assert granted(first) == [oldest, older]
    assert first.held_back == {"twitter": 1}
    assert granted(first, "mastodon") == free, "a platform without a budget has none"

    # The same posts again on the same day cost nothing; a new one would.
    again = grant(world, 2)
    assert (granted(again), again.held_back) == ([oldest, older], {"twitter": 1})
    with world.store.read() as session:
        assert count_reads(session, "twitter", world.at) == 2
    world.at += timedelta(days=1)
    assert granted(grant(world, 3)) == [oldest, older, newest]


def test_two_runs_share_one_budget(world: World) -> None:
    publications = add_posts(world, "twitter", 9, 5, 1)
    with world.store.read() as session:
        due = list_due_snapshots(session, world.at, 100)
    grants = []
    for _ in range(2):
        with world.store.write() as session:
            grants.append(granted(grant_reads(session, due, {"twitter": 2}, world.at)))
    assert set(grants[0]) | set(grants[1]) == set(publications[:2])


def test_a_budget_of_nothing_reads_nothing_and_old_charges_go(world: World) -> None:
    add_posts(world, "twitter", 1)
    assert grant(world, 0).accounts == []
    grant(world, 5)
    with world.store.write() as session:
        assert forget_reads(session, world.at) == 0
        assert forget_reads(session, world.at + KEEP_CHARGES + timedelta(days=1)) == 1
        assert count_reads(session, "twitter", world.at) == 0


def test_a_platforms_own_ages_put_the_first_reading_off(world: World) -> None:
    (young,) = add_posts(world, "twitter", 2)
    (other,) = add_posts(world, "mastodon", 2)
    ages = {"twitter": (timedelta(days=1), timedelta(days=7))}
    with world.store.write() as session:
        due = put_off_young(session, list_due_snapshots(session, world.at, 100), world.at, ages)
    assert [row.id for item in due for row in item.publications] == [other]
    with world.store.read() as session:
        row = session.get_one(Publication, young)
        assert row.next_snapshot_at == world.at + timedelta(hours=22)
    world.at += timedelta(hours=22)
    with world.store.write() as session:
        due = put_off_young(session, list_due_snapshots(session, world.at, 100), world.at, ages)
    assert {row.id for item in due for row in item.publications} == {young, other}
