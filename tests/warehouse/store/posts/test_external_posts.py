from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from connectors.types import ListedPost
from warehouse.errors import InvalidInputError
from warehouse.store.imports.imports import create_import
from warehouse.store.imports.models import ImportedPublication
from warehouse.store.imports.posts import FiledPosts, file_posts
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts import posts
from warehouse.store.posts.external_posts import RecordedPosts, record_external_posts
from warehouse.store.posts.posts import PostFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import World


def listed(world: World, *minutes_ago: int) -> list[ListedPost]:
    return [
        ListedPost(f"x{ago}", world.at - timedelta(minutes=ago), f"text {ago}", "photo")
        for ago in minutes_ago
    ]


def record(world: World, items: Sequence[ListedPost], **more: object) -> RecordedPosts:
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
        return record_external_posts(session, account, items, world.at, **more)


def test_each_post_is_recorded_once(world: World) -> None:
    first = record(world, listed(world, 1, 2, 3))
    assert (first.inserted, first.existing, first.skipped) == (3, 0, 0)
    again = record(world, listed(world, 2, 3, 4))
    assert (again.inserted, again.existing) == (1, 2)
    assert again.publication_ids["x2"] == first.publication_ids["x2"]
    with world.store.read() as session:
        rows, _ = posts.list_posts(session, world.workspace_id, PostFilter(origin="external"))
        assert [row.content for row in rows] == ["text 1", "text 2", "text 3", "text 4"]
        assert {row.status for row in rows} == {"published"}
        row = session.get_one(Publication, first.publication_ids["x1"])
        assert (row.content_kind, row.published_at) == ("photo", world.at - timedelta(minutes=1))
        assert row.next_snapshot_at is None


def test_ids_are_the_same_whoever_records_them(world: World) -> None:
    first = record(world, listed(world, 5))
    with world.store.write() as session:
        session.execute(delete(Publication))
        session.execute(delete(Post))
    assert record(world, listed(world, 5)).publication_ids == first.publication_ids


def test_the_next_snapshot_follows_the_posts_age(world: World) -> None:
    made = record(world, listed(world, 7), next_snapshot_at=lambda at: at + timedelta(hours=1))
    with world.store.read() as session:
        row = session.get_one(Publication, made.publication_ids["x7"])
        assert row.next_snapshot_at == world.at - timedelta(minutes=7) + timedelta(hours=1)


def test_our_own_post_is_known_by_its_receipt(world: World) -> None:
    (ours,) = world.schedule("twitter")
    with world.store.write() as session:
        row = session.get_one(Publication, ours)
        row.status, row.external_id, row.published_at = "published", "x1", world.at
    result = record(world, listed(world, 1))
    assert (result.inserted, result.existing) == (0, 1)
    assert result.publication_ids == {"x1": ours}


@pytest.mark.parametrize("status", ["sending", "unknown"])
def test_what_may_be_our_own_post_under_way_is_left_for_later(world: World, status: str) -> None:
    (ours,) = world.schedule("twitter")
    with world.store.write() as session:
        row = session.get_one(Publication, ours)
        row.status, row.first_attempt_at = status, world.at - timedelta(minutes=10)
    result = record(world, listed(world, 5, 15))
    assert (result.inserted, result.skipped) == (1, 1)
    assert "x5" not in result.publication_ids
    with world.store.write() as session:
        session.get_one(Publication, ours).status = "failed"
    assert record(world, listed(world, 5, 15)).inserted == 1


def test_a_post_in_whole_seconds_or_by_a_slower_clock_may_be_ours_too(world: World) -> None:
    (ours,) = world.schedule("twitter")
    started = world.at.replace(microsecond=300_000)
    with world.store.write() as session:
        row = session.get_one(Publication, ours)
        row.status, row.first_attempt_at = "sending", started
    items = [
        ListedPost("whole", started.replace(microsecond=0), "ours", "text"),
        ListedPost("slow", started - timedelta(seconds=90), "ours", "text"),
        ListedPost("older", started - timedelta(minutes=3), "another", "text"),
    ]
    result = record(world, items)
    assert (list(result.publication_ids), result.skipped) == (["older"], 2)


def test_a_post_before_1970_is_refused(world: World) -> None:
    with pytest.raises(InvalidInputError) as raised:
        record(world, [ListedPost("old", datetime(1969, 12, 31, tzinfo=UTC), "", "text")])
    assert raised.value.field == "published_at"


def test_an_import_notes_its_posts_and_what_it_changed(world: World) -> None:
    """On both databases: rows are inserted by the driver itself."""
    at = world.at - timedelta(minutes=9)
    idless = ListedPost("row-1", at, "", "text")
    fresh = ListedPost(
        "x2", at - timedelta(days=1), "caf\u00e9 \U0001f375", "photo", "https://x.com/a/status/2"
    )

    def bring(*items: ListedPost) -> FiledPosts:
        with world.store.write() as session:
            row = create_import(
                *(session, world.workspace_id, world.at), filename="a.csv", size=1, sha256="0", options={}
            )
            account = session.get_one(AccountRow, world.accounts["twitter"])
            return file_posts(session, row.id, account, items, world.at, exact_times=[True] * len(items))

    first = bring(idless, fresh, fresh)
    assert (len(first.created), sorted(first.known)) == (2, [0, 1, 2])
    second = bring(ListedPost("x1", at, "Tea", "text"), fresh)
    assert (second.created, len(second.before)) == (set(), 1)
    with world.store.read() as session:
        notes = session.query(ImportedPublication).all()
        assert sorted((note.created, note.before is None) for note in notes) == [
            (False, False),
            (False, True),
            (True, True),
            (True, True),
        ]
        rows = session.query(Publication).order_by(Publication.published_at).all()
        assert [(row.external_id, row.content["text"], row.send_state) for row in rows] == [
            ("x2", fresh.text, {}),
            ("x1", "Tea", {}),
        ]
