"""Rules in the store: each occurrence once, whoever dies or races; changes reach what is not sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from connectors.types import PostContent
from tests.warehouse.conftest import NOON, World, connect
from warehouse.errors import ConflictError, NotFoundError
from warehouse.scheduling.occurrences import extend_rule, list_due_rules
from warehouse.scheduling.recurrence_rules import parse_rule
from warehouse.scheduling.recurrences import (
    RecurrenceDraft,
    create_recurrence,
    delete_recurrence,
    get_recurrence,
    list_recurrences,
    update_recurrence,
)
from warehouse.store.accounts.accounts import disconnect_account
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.posts import cancel_post, reschedule_post
from warehouse.store.schedules.recurrence_models import Recurrence, RecurrenceOccurrence

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WEEK = timedelta(days=7)


def draft(
    world: World, text: str = "FREQ=DAILY", *, said: str = "again", skipped: tuple[str, ...] = ()
) -> RecurrenceDraft:
    with world.store.read() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
    rule = parse_rule(
        text, datetime.fromisoformat("2026-03-03T09:00"), ZoneInfo("Europe/Berlin"), frozenset(skipped)
    )
    return RecurrenceDraft(rule, said, [Target(account, PostContent(text=said))])


def create(world: World, made: RecurrenceDraft, *, ahead: timedelta = WEEK) -> str:
    with world.store.write() as session:
        return create_recurrence(session, world.workspace_id, made, until=world.at + ahead, now=world.at).id


def change(world: World, recurrence_id: str, made: RecurrenceDraft) -> None:
    with world.store.write() as session:
        update_recurrence(session, world.workspace_id, recurrence_id, made, world.at, until=world.at + WEEK)


def posts_of(world: World, recurrence_id: str) -> list[Post]:
    with world.store.read() as session:
        rows = session.query(RecurrenceOccurrence).filter_by(recurrence_id=recurrence_id)
        ids = [row.post_id for row in rows.order_by(RecurrenceOccurrence.occurrence)]
        return [session.get_one(Post, one) for one in ids if one is not None]


def test_each_occurrence_is_a_post_of_its_own(world: World) -> None:
    recurrence_id = create(world, draft(world))
    made = posts_of(world, recurrence_id)
    assert [post.scheduled_at for post in made] == [
        datetime(2026, 3, day, 8, tzinfo=NOON.tzinfo) for day in range(3, 10)
    ]
    assert {(post.content, post.status) for post in made} == {("again", "scheduled")}
    assert made[0].details["recurrence"] == {"id": recurrence_id, "occurrence": "2026-03-03T09:00:00"}
    with world.store.read() as session:
        assert session.query(Publication).count() == 7


def test_extending_goes_on_where_it_stopped_and_never_repeats(world: World) -> None:
    recurrence_id = create(world, draft(world), ahead=timedelta(days=2))
    assert len(posts_of(world, recurrence_id)) == 2
    for days in (3, 3, 5):
        with world.store.write() as session:
            extend_rule(session, recurrence_id, until=NOON + timedelta(days=days), now=NOON)
    made = posts_of(world, recurrence_id)
    assert len({post.scheduled_at for post in made}) == len(made) == 5


def test_a_death_in_the_middle_leaves_nothing_half_done(world: World) -> None:
    recurrence_id = create(world, draft(world), ahead=timedelta(days=1))

    def die(session: Session) -> None:
        assert extend_rule(session, recurrence_id, until=NOON + WEEK, now=NOON)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), world.store.write() as session:
        die(session)
    assert len(posts_of(world, recurrence_id)) == 1
    with world.store.write() as session:
        extend_rule(session, recurrence_id, until=NOON + WEEK, now=NOON)
    assert len(posts_of(world, recurrence_id)) == 7


def test_several_processes_at_once_make_each_once(world: World) -> None:
    ids = [create(world, draft(world, said=f"rule {n}"), ahead=timedelta(days=1)) for n in range(3)]

    def extend(number: int) -> int:
        made = 0
        for recurrence_id in ids[number % 3 :] + ids[: number % 3]:
            with world.store.write() as session:
                made += len(extend_rule(session, recurrence_id, until=NOON + WEEK, now=NOON))
        return made

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(extend, range(8))) == 18
    assert [len(posts_of(world, one)) for one in ids] == [7, 7, 7]


def test_the_key_itself_forbids_a_second_post(world: World) -> None:
    recurrence_id = create(world, draft(world))
    with world.store.write() as session:
        # As if the note how far the rule is made were lost.
        session.get_one(Recurrence, recurrence_id).made_until = NOON
    with world.store.write() as session:
        assert extend_rule(session, recurrence_id, until=NOON + WEEK, now=NOON) == []
    assert len(posts_of(world, recurrence_id)) == 7


def test_a_finite_rule_ends(world: World) -> None:
    recurrence_id = create(world, draft(world, "FREQ=DAILY;COUNT=3"))
    assert len(posts_of(world, recurrence_id)) == 3
    with world.store.read() as session:
        assert session.get_one(Recurrence, recurrence_id).made_until is None
        assert list_due_rules(session, before=NOON + 10 * WEEK, limit=10) == []


def test_what_came_due_while_nothing_ran_is_made_too(world: World) -> None:
    recurrence_id = create(world, draft(world), ahead=timedelta(days=1))
    late = NOON + timedelta(days=4)
    with world.store.write() as session:
        extend_rule(session, recurrence_id, until=late + timedelta(days=1), now=late)
    # The publisher decides by its lateness; nothing is passed over in silence.
    assert len(posts_of(world, recurrence_id)) == 5


def test_a_change_of_content_reaches_what_is_not_sent(world: World) -> None:
    recurrence_id = create(world, draft(world))
    first, moved, canceled, *rest = (post.id for post in posts_of(world, recurrence_id))
    with world.store.write() as session:
        reschedule_post(session, world.workspace_id, moved, NOON + timedelta(days=2, hours=3), NOON)
        cancel_post(session, world.workspace_id, canceled, NOON)
    world.at = NOON + timedelta(hours=20)
    assert [one.post_id for one in world.claim()] == [first]
    world.at = NOON
    change(world, recurrence_id, draft(world, said="better"))
    said = {post.id: (post.content, post.status) for post in posts_of(world, recurrence_id)}
    assert said[first] == ("again", "publishing")
    assert said[moved] == ("again", "scheduled")
    assert said[canceled] == ("again", "canceled")
    assert {said[one] for one in rest} == {("better", "scheduled")}
    with world.store.read() as session:
        row = session.query(Publication).filter_by(post_id=rest[0]).one()
        assert row.content["text"] == "better"


def test_a_change_of_times_moves_adds_and_cancels(world: World) -> None:
    recurrence_id = create(world, draft(world))
    before = {post.details["recurrence"]["occurrence"]: post.id for post in posts_of(world, recurrence_id)}
    # Tuesday 3 March is left out, and only Tuesdays and Thursdays stay; the rule moves to Tokyo.
    made = draft(world, "FREQ=WEEKLY;BYDAY=TU,TH", skipped=("2026-03-03",))
    made = replace(made, rule=replace(made.rule, zone=ZoneInfo("Asia/Tokyo")))
    change(world, recurrence_id, made)
    (kept,) = posts_of(world, recurrence_id)
    assert kept.id == before["2026-03-05T09:00:00"]
    assert kept.scheduled_at == datetime(2026, 3, 5, 0, tzinfo=NOON.tzinfo)
    with world.store.read() as session:
        statuses = {one: session.get_one(Post, post_id).status for one, post_id in before.items()}
    assert statuses.pop("2026-03-05T09:00:00") == "scheduled"
    assert set(statuses.values()) == {"canceled"}
    # Back again: what the rule canceled is made anew.
    change(world, recurrence_id, draft(world))
    assert len([post for post in posts_of(world, recurrence_id) if post.status == "scheduled"]) == 7


def test_an_occurrence_that_was_canceled_by_hand_is_not_made_again(world: World) -> None:
    recurrence_id = create(world, draft(world))
    gone = posts_of(world, recurrence_id)[2]
    with world.store.write() as session:
        cancel_post(session, world.workspace_id, gone.id, NOON)
    change(world, recurrence_id, draft(world, said="better"))
    assert [post.status for post in posts_of(world, recurrence_id)].count("scheduled") == 6


def test_other_accounts(world: World) -> None:
    recurrence_id = create(world, draft(world))
    made = draft(world)
    with world.store.read() as session:
        other = session.get_one(AccountRow, world.accounts["mastodon"])
    change(world, recurrence_id, replace(made, targets=[Target(other, PostContent(text="again"))]))
    with world.store.read() as session:
        rows = session.query(Publication).all()
    assert {(row.platform, row.status) for row in rows} == {
        ("twitter", "canceled"),
        ("mastodon", "scheduled"),
    }


@pytest.mark.parametrize("cancel_posts", [True, False])
def test_the_end_of_a_rule(world: World, *, cancel_posts: bool) -> None:
    recurrence_id = create(world, draft(world))
    world.at = NOON + timedelta(hours=20)
    assert len(world.claim()) == 1
    with world.store.write() as session:
        _row, canceled = delete_recurrence(
            session, world.workspace_id, recurrence_id, world.at, cancel_posts=cancel_posts
        )
    assert canceled == (6 if cancel_posts else 0)
    with world.store.write() as session:
        assert extend_rule(session, recurrence_id, until=NOON + 3 * WEEK, now=NOON) == []
    with world.store.read() as session, pytest.raises(NotFoundError):
        get_recurrence(session, world.workspace_id, recurrence_id)


def test_rules_come_newest_first_in_pages_without_those_that_ended(world: World) -> None:
    none = timedelta(0)
    first, second, third, ended = (create(world, draft(world, said=said), ahead=none) for said in "1234")
    assert {one.partition("_")[0] for one in (first, second)} == {"rec"}
    with world.store.write() as session:
        delete_recurrence(session, world.workspace_id, ended, world.at, cancel_posts=False)
    with world.store.read() as session:

        def page(before_id: str | None, workspace_id: str = world.workspace_id) -> tuple[list[str], bool]:
            rows, more = list_recurrences(session, workspace_id, before_id=before_id, limit=2)
            return [row.id for row in rows], more

        assert page(None) == ([third, second], True)
        assert page(second) == ([first], False)
        assert page(third) == ([second, first], False)
        assert page(None, "ws_another") == ([], False)


def test_an_account_that_is_gone_makes_no_posts_until_it_is_back(world: World) -> None:
    recurrence_id = create(world, draft(world), ahead=timedelta(days=1))
    with world.store.write() as session:
        disconnect_account(session, world.workspace_id, world.accounts["twitter"], NOON)
    with world.store.write() as session:
        assert extend_rule(session, recurrence_id, until=NOON + WEEK, now=NOON) == []
    connect(world.store, world.workspace_id, "twitter", "twitter-user")
    change(world, recurrence_id, draft(world))
    assert [post.status for post in posts_of(world, recurrence_id)].count("scheduled") == 6


def test_the_same_rule_again_is_refused_unless_meant(world: World) -> None:
    recurrence_id = create(world, draft(world))
    with pytest.raises(ConflictError) as caught:
        create(world, draft(world))
    assert caught.value.existing_id == recurrence_id
    create(world, replace(draft(world), allow_duplicate=True))
