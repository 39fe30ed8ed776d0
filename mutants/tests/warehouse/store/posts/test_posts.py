from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from connectors.types import Platform, PostContent
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.access.workspaces import create_workspace
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.posts import PostDraft, PostFilter, Target, posts
from warehouse.store.posts.reads import list_calendar, list_publications

if TYPE_CHECKING:
    from datetime import datetime

    from conftest import World


HOUR = timedelta(hours=1)


def draft(
    world: World, *platforms: str, text: str = "hello", at: datetime | None = None, **more: object
) -> PostDraft:
    with world.store.read() as session:
        rows = [session.get_one(AccountRow, world.accounts[name]) for name in platforms]
    targets = [Target(row, PostContent(text=text)) for row in rows]
    when = at or (None if more.get("is_draft") else world.at + HOUR)
    return PostDraft(text, targets, when, **more)


def create(world: World, *platforms: str, **more: object) -> Post:
    with world.store.write() as session:
        return posts.create_post(session, world.workspace_id, draft(world, *platforms, **more), world.at)


def publications_of(world: World, post: Post) -> dict[str, Publication]:
    with world.store.read() as session:
        return {row.platform: row for row in list_publications(session, [post.id])[post.id]}


def status_of(world: World, post: Post) -> str:
    with world.store.read() as session:
        return posts.get_post(session, world.workspace_id, post.id).status


def test_one_publication_a_target_account(world: World) -> None:
    post = create(world, "twitter", "mastodon")
    assert post.status == "scheduled"
    rows = publications_of(world, post)
    assert set(rows) == {"twitter", "mastodon"}
    assert {row.status for row in rows.values()} == {"scheduled"}
    assert {row.due_at for row in rows.values()} == {world.at + HOUR}


def test_a_draft_is_not_due(world: World) -> None:
    post = create(world, "twitter", is_draft=True, at=world.at + HOUR)
    assert post.status == "draft"
    assert publications_of(world, post)["twitter"].due_at is None
    world.at += 2 * HOUR
    assert world.claim() == []


def test_a_post_that_is_no_draft_needs_a_target_and_a_time(world: World) -> None:
    for bad in (draft(world), PostDraft("x", draft(world, "twitter").targets, None)):
        with world.store.write() as session, pytest.raises(InvalidInputError):
            posts.create_post(session, world.workspace_id, bad, world.at)
    with world.store.read() as session:
        assert session.scalar(select(func.count()).select_from(Post)) == 0


def test_the_same_content_on_the_same_account_is_a_duplicate(world: World) -> None:
    first = create(world, "twitter")
    with pytest.raises(ConflictError) as raised:
        create(world, "mastodon", "twitter", at=world.at + 24 * HOUR)
    assert (raised.value.code, raised.value.existing_id) == ("duplicate", first.id)
    with world.store.read() as session:
        assert session.scalar(select(func.count()).select_from(Post)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "something else"},
        {"allow_duplicate": True},
        {"is_draft": True},
        {"platforms": ("mastodon",)},
        {"later": 25 * HOUR},
    ],
)
def test_what_is_no_duplicate(world: World, other: dict[str, Any]) -> None:
    create(world, "twitter")
    more = dict(other)
    later = more.pop("later", None)
    at = {"at": world.at + HOUR + later} if later else {}
    assert create(world, *more.pop("platforms", ("twitter",)), **more, **at).id


def test_a_canceled_or_failed_post_may_be_written_again(world: World) -> None:
    first = create(world, "twitter")
    with world.store.write() as session:
        posts.cancel_post(session, world.workspace_id, first.id, world.at)
    second = create(world, "twitter")
    with world.store.write() as session:
        session.get_one(Publication, publications_of(world, second)["twitter"].id).status = "failed"
    assert create(world, "twitter").id


def test_an_edit_changes_what_is_sent_and_when(world: World) -> None:
    post = create(world, "twitter", "mastodon")
    before = publications_of(world, post)
    with world.store.write() as session:
        changed = posts.update_post(
            session,
            world.workspace_id,
            post.id,
            draft(world, "twitter", text="better", at=world.at + 5 * HOUR),
            world.at,
            expected_version=post.version,
        )
    assert changed.version > post.version
    after = publications_of(world, post)
    assert after["mastodon"].status == "canceled"
    assert after["twitter"].id == before["twitter"].id
    assert after["twitter"].content["text"] == "better"
    assert after["twitter"].due_at == world.at + 5 * HOUR
    assert after["twitter"].payload_hash != before["twitter"].payload_hash


def test_an_edit_can_add_an_account_and_send_a_draft(world: World) -> None:
    post = create(world, "twitter", is_draft=True)
    with world.store.write() as session:
        changed = posts.update_post(
            session, world.workspace_id, post.id, draft(world, "twitter", "mastodon"), world.at
        )
    assert changed.status == "scheduled"
    assert {row.status for row in publications_of(world, post).values()} == {"scheduled"}


def test_an_edit_into_a_duplicate_is_refused(world: World) -> None:
    first = create(world, "twitter", text="one")
    second = create(world, "twitter", text="two")
    with world.store.write() as session, pytest.raises(ConflictError) as raised:
        posts.update_post(
            session, world.workspace_id, second.id, draft(world, "twitter", text="one"), world.at
        )
    assert raised.value.existing_id == first.id
    with world.store.write() as session:
        # The post itself is no duplicate of itself.
        posts.update_post(
            session, world.workspace_id, second.id, draft(world, "twitter", text="two"), world.at
        )


def test_a_stale_edit_is_refused(world: World) -> None:
    post = create(world, "twitter")
    change = draft(world, "twitter", text="mine")
    for call in (
        lambda session: posts.update_post(
            session, world.workspace_id, post.id, change, world.at, expected_version=post.version - 1
        ),
        lambda session: posts.cancel_post(
            session, world.workspace_id, post.id, world.at, expected_version=post.version + 1
        ),
        lambda session: posts.reschedule_post(
            session, world.workspace_id, post.id, world.at + HOUR, world.at, expected_version=99
        ),
    ):
        with world.store.write() as session, pytest.raises(ConflictError) as raised:
            call(session)
        assert raised.value.code == "stale"
    assert publications_of(world, post)["twitter"].content["text"] == "hello"


def test_a_scheduled_post_does_not_become_a_draft_again(world: World) -> None:
    post = create(world, "twitter")
    with world.store.write() as session, pytest.raises(ConflictError):
        posts.update_post(
            session, world.workspace_id, post.id, draft(world, "twitter", is_draft=True), world.at
        )
    assert status_of(world, post) == "scheduled"


def test_reschedule_moves_only_what_waits(world: World) -> None:
    post = create(world, "twitter", "mastodon")
    rows = publications_of(world, post)
    with world.store.write() as session:
        session.get_one(Publication, rows["mastodon"].id).status = "failed"
    with world.store.write() as session:
        posts.reschedule_post(
            session, world.workspace_id, post.id, world.at + 9 * HOUR, world.at, details={"note": 1}
        )
    moved = publications_of(world, post)
    assert moved["twitter"].due_at == world.at + 9 * HOUR
    assert moved["mastodon"].due_at == rows["mastodon"].due_at


@pytest.mark.parametrize("status", ["claimed", "sending", "unknown"])
def test_nothing_changes_once_claimed(world: World, status: str) -> None:
    post = create(world, "twitter", "mastodon")
    with world.store.write() as session:
        session.get_one(Publication, publications_of(world, post)["twitter"].id).status = status
    calls: list[Any] = [
        lambda session: posts.update_post(
            session, world.workspace_id, post.id, draft(world, "twitter", text="no"), world.at
        ),
        lambda session: posts.cancel_post(session, world.workspace_id, post.id, world.at),
        lambda session: posts.reschedule_post(
            session, world.workspace_id, post.id, world.at + 9 * HOUR, world.at
        ),
        lambda session: posts.retry_post(session, world.workspace_id, post.id, world.at),
    ]
    for call in calls:
        with world.store.write() as session, pytest.raises(ConflictError):
            call(session)
    rows = publications_of(world, post)
    assert rows["twitter"].status == status
    assert rows["mastodon"].status == "scheduled"
    assert rows["mastodon"].due_at == world.at + HOUR


def test_cancel_twice_and_what_is_out_stays_out(world: World) -> None:
    post = create(world, "twitter", "mastodon")
    published = publications_of(world, post)["twitter"].id
    with world.store.write() as session:
        session.get_one(Publication, published).status = "published"
    with world.store.write() as session:
        posts.cancel_post(session, world.workspace_id, post.id, world.at)
    assert {name: row.status for name, row in publications_of(world, post).items()} == {
        "twitter": "published",
        "mastodon": "canceled",
    }
    with world.store.write() as session, pytest.raises(ConflictError):
        posts.cancel_post(session, world.workspace_id, post.id, world.at)
    other = create(world, "mastodon")
    for _ in range(2):
        with world.store.write() as session:
            assert posts.cancel_post(session, world.workspace_id, other.id, world.at).status == "canceled"


def test_a_draft_without_targets_can_be_canceled(world: World) -> None:
    post = create(world, is_draft=True)
    assert post.status == "draft"
    with world.store.write() as session:
        assert posts.cancel_post(session, world.workspace_id, post.id, world.at).status == "canceled"


def test_retry_sends_only_what_failed(world: World) -> None:
    post = create(world, "twitter", "mastodon")
    rows = publications_of(world, post)
    with world.store.write() as session:
        session.get_one(Publication, rows["twitter"].id).status = "failed"
        session.get_one(Publication, rows["mastodon"].id).status = "published"
    with world.store.write() as session:
        posts.retry_post(session, world.workspace_id, post.id, world.at)
    after = publications_of(world, post)
    assert (after["twitter"].status, after["twitter"].due_at) == ("scheduled", world.at)
    assert after["mastodon"].status == "published"
    with world.store.write() as session, pytest.raises(ConflictError):
        posts.retry_post(
            session, world.workspace_id, post.id, world.at, publication_ids=[rows["mastodon"].id]
        )


def test_foreign_posts_do_not_exist(world: World) -> None:
    post = create(world, "twitter")
    with world.store.write() as session:
        create_workspace(session, workspace_id="ws_other", name="Other", now=world.at)
        with pytest.raises(NotFoundError):
            posts.get_post(session, "ws_other", post.id)
        assert posts.list_posts(session, "ws_other", PostFilter(origin=None)) == ([], False)
        assert list_calendar(session, "ws_other", start=world.at, end=world.at + 9 * HOUR, limit=9) == []


def test_pages_neither_miss_nor_repeat_while_rows_come_and_go(world: World) -> None:
    made = [create(world, "twitter", text=f"post {number}").id for number in range(25)]
    seen: list[str] = []
    before_id = None
    while True:
        with world.store.read() as session:
            rows, more = posts.list_posts(
                session, world.workspace_id, PostFilter(), before_id=before_id, limit=7
            )
        seen += [row.id for row in rows]
        if not more:
            break
        before_id = rows[-1].id
        create(world, "twitter", text=f"came after {before_id}")
        with world.store.write() as session:
            session.get_one(Post, before_id).deleted_at = world.at
    assert seen == sorted(made, reverse=True)


def test_filters(world: World) -> None:
    early = create(world, "twitter", text="a", at=world.at + HOUR)
    late = create(world, "mastodon", text="b", at=world.at + 5 * HOUR)
    drafted = create(world, is_draft=True)

    def found(**wanted: object) -> set[str]:
        with world.store.read() as session:
            return {row.id for row in posts.list_posts(session, world.workspace_id, PostFilter(**wanted))[0]}

    assert found() == {early.id, late.id, drafted.id}
    assert found(statuses=("draft",)) == {drafted.id}
    assert found(statuses=("draft", "scheduled")) == {early.id, late.id, drafted.id}
    assert found(platform=Platform.MASTODON) == {late.id}
    assert found(account_id=world.accounts["twitter"]) == {early.id}
    assert found(scheduled_from=world.at + 5 * HOUR) == {late.id}
    assert found(scheduled_to=world.at + 5 * HOUR) == {early.id}
    assert found(origin="external") == set()


def test_calendar(world: World) -> None:
    create(world, "twitter", text="b", at=world.at + 5 * HOUR)
    first = create(world, "twitter", text="a", at=world.at + HOUR)
    canceled = create(world, "twitter", text="c", at=world.at + 2 * HOUR)
    with world.store.write() as session:
        posts.cancel_post(session, world.workspace_id, canceled.id, world.at)
    with world.store.read() as session:
        span = {"start": world.at + HOUR, "end": world.at + 5 * HOUR}
        planned = list_calendar(session, world.workspace_id, **span, limit=10)
        assert [post.id for _, post in planned] == [first.id]
