"""How late posts went out, and how long snapshots wait, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.types import ListedPost
from warehouse.store.measuring.measurements import measure_waits
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts
from warehouse.store.publishing.lateness import BOUNDS_SECONDS, measure_lateness

if TYPE_CHECKING:
    from conftest import World


def record(world: World, minutes_ago: float, number: int) -> str:
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
        post = ListedPost(f"t-{number}", world.at - timedelta(minutes=minutes_ago), "words", "text")
        recorded = record_external_posts(
            session, account, [post], world.at, next_snapshot_at=lambda published: published
        )
    return recorded.publication_ids[post.external_id]


def test_lateness_is_counted_over_the_last_hour(world: World) -> None:
    for number, (minutes_ago, seconds_late) in enumerate(
        [(1, 0.2), (2, -0.3), (30, 4.0), (59, 7200.0), (61, 9.0)]
    ):
        publication_id = record(world, minutes_ago, number)
        with world.store.write() as session:
            row = session.get_one(Publication, publication_id)
            row.origin = "socialflow"
            assert row.published_at is not None
            row.scheduled_at = row.published_at - timedelta(seconds=seconds_late)
    record(world, 5, 99)  # written elsewhere: it has no time of ours
    with world.store.read() as session:
        found = measure_lateness(session, world.at)
    by_bound = dict(zip([*BOUNDS_SECONDS, "inf"], found.cumulative, strict=True))
    assert (by_bound[0.5], by_bound[2.0], by_bound[5.0], by_bound[3600.0], by_bound["inf"]) == (2, 2, 3, 3, 4)
    assert found.sum_seconds == 0.2 + 4.0 + 7200.0


def test_waits_are_those_of_accounts_that_can_be_read(world: World) -> None:
    record(world, 90, 1)
    record(world, 30, 2)
    with world.store.read() as session:
        assert measure_waits(session, world.at) == {"twitter": (2, 5400.0)}
    with world.store.write() as session:
        session.get_one(AccountRow, world.accounts["twitter"]).rate_limited_until = world.at + timedelta(
            hours=1
        )
    with world.store.read() as session:
        assert measure_waits(session, world.at) == {}
