"""Taking slots: each once, also by several at the same moment; shared by several accounts; refused in words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.types import Platform, PostContent
from tests.warehouse.conftest import NOON, World
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.scheduling.queue_slots import (
    add_slot,
    change_slot,
    list_slots,
    next_free_slot,
    remove_slot,
)
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.posts import PostDraft, cancel_post, create_post

if TYPE_CHECKING:
    from warehouse.store.models import Post

MONDAY, TUESDAY = 0, 1


def add(world: World, platform: str, weekday: int, at: str) -> str:
    with world.store.write() as session:
        return add_slot(session, world.workspace_id, world.accounts[platform], weekday, at, NOON).id


def queue(world: World, *platforms: str, is_draft: bool = False) -> Post:
    """Choose and take, as one transaction does."""
    with world.store.write() as session:
        accounts = list_target_accounts(
            session, world.workspace_id, platforms=[Platform(one) for one in platforms]
        )
        at = next_free_slot(session, accounts, world.at)
        targets = [Target(account, PostContent(text="x")) for account in accounts]
        draft = PostDraft("x", targets, at, is_draft=is_draft, allow_duplicate=True)
        return create_post(session, world.workspace_id, draft, world.at)


def day(number: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, number, hour, minute, tzinfo=NOON.tzinfo)


def test_slots_fill_in_their_order_and_a_canceled_one_is_free_again(world: World) -> None:
    add(world, "twitter", TUESDAY, "09:00")
    add(world, "twitter", MONDAY, "12:00")
    add(world, "twitter", MONDAY, "18:30")
    # It is Monday noon: the slot of this very moment has passed.
    made = [queue(world, "twitter") for _ in range(4)]
    assert [post.scheduled_at for post in made] == [day(2, 18, 30), day(3, 9), day(9, 12), day(9, 18, 30)]
    with world.store.write() as session:
        cancel_post(session, world.workspace_id, made[1].id, NOON)
    assert queue(world, "twitter").scheduled_at == day(3, 9)
    # A draft keeps its slot: nobody else's post is put on it.
    assert queue(world, "twitter", is_draft=True).scheduled_at == day(10, 9)
    assert queue(world, "twitter").scheduled_at == day(16, 12)


@pytest.mark.parametrize(
    ("status", "is_free"),
    [
        ("failed", True),
        ("canceled", True),
        ("scheduled", False),
        ("published", False),
        ("needs_review", False),
    ],
)
def test_a_failed_post_gives_its_slot_back(world: World, status: str, is_free: bool) -> None:  # noqa: FBT001 (a test's parameter)
    add(world, "twitter", TUESDAY, "09:00")
    first = queue(world, "twitter")
    with world.store.write() as session:
        session.query(Publication).filter_by(post_id=first.id).update({"status": status})
    assert queue(world, "twitter").scheduled_at == (day(3, 9) if is_free else day(10, 9))


def test_many_at_once_take_each_slot_once(world: World) -> None:
    for hour in range(12):
        add(world, "twitter", TUESDAY, f"{hour:02}:00")
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _number: queue(world, "twitter"), range(12)))
    assert sorted(post.scheduled_at for post in made if post.scheduled_at) == [
        day(3, hour) for hour in range(12)
    ]


def test_a_slot_is_read_in_the_accounts_own_zone(world: World) -> None:
    with world.store.write() as session:
        session.get_one(AccountRow, world.accounts["twitter"]).timezone = "Asia/Tokyo"
    add(world, "twitter", TUESDAY, "09:00")
    assert queue(world, "twitter").scheduled_at == day(3, 0)


def test_several_accounts_share_a_slot_or_say_that_they_have_none(world: World) -> None:
    add(world, "twitter", TUESDAY, "09:00")
    with pytest.raises(InvalidInputError) as caught:
        queue(world, "twitter", "mastodon")
    assert (caught.value.field, caught.value.code) == ("scheduled_at", "no_queue_slots")
    other = add(world, "mastodon", TUESDAY, "10:00")
    with pytest.raises(InvalidInputError) as caught:
        queue(world, "twitter", "mastodon")
    assert caught.value.code == "no_common_slot"
    with world.store.write() as session:
        change_slot(session, world.workspace_id, world.accounts["mastodon"], other, local_time="09:00")
    assert queue(world, "mastodon").scheduled_at == day(3, 9)
    # Taken on one of them is taken for both.
    assert queue(world, "twitter", "mastodon").scheduled_at == day(10, 9)


def test_a_full_year_is_said_to_be_full(world: World) -> None:
    add(world, "twitter", TUESDAY, "09:00")
    with world.store.write() as session:
        (account,) = list_target_accounts(session, world.workspace_id, platforms=[Platform.TWITTER])
        for week in range(54):
            at = day(3, 9) + timedelta(days=7 * week)
            draft = PostDraft("x", [Target(account, PostContent(text="x"))], at, allow_duplicate=True)
            create_post(session, world.workspace_id, draft, NOON)
    with pytest.raises(InvalidInputError) as caught:
        queue(world, "twitter")
    assert caught.value.code == "no_free_slot"


def test_a_slot_stands_once_and_can_be_moved_and_removed(world: World) -> None:
    first = add(world, "twitter", MONDAY, "09:00")
    with pytest.raises(ConflictError) as caught:
        add(world, "twitter", MONDAY, "09:00")
    assert caught.value.existing_id == first
    second = add(world, "twitter", TUESDAY, "09:00")
    account_id = world.accounts["twitter"]
    with pytest.raises(ConflictError), world.store.write() as session:
        change_slot(session, world.workspace_id, account_id, second, weekday=MONDAY)
    with world.store.write() as session:
        remove_slot(session, world.workspace_id, account_id, first)
        assert [slot.id for slot in list_slots(session, world.workspace_id, account_id)] == [second]


@pytest.mark.parametrize("text", ["", "25:00", "9:0", "09:00:30", "09:00+01:00", "noon"])
def test_a_time_that_is_none_is_refused(world: World, text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        add(world, "twitter", MONDAY, text)
    assert caught.value.field == "time"
