"""New posts, changes and moves, planned over both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.warehouse.conftest import connect
from warehouse.errors import ConflictError, InvalidInputError, InvalidShapeError, NotFoundError
from warehouse.planning.check import check_post
from warehouse.planning.posts import change_post, create_post, find_draft_problems, move_post, preview_post
from warehouse.planning.times import needs_lake
from warehouse.planning.wish import PostChange, PostWish
from warehouse.scheduling.queue_slots import add_slot
from warehouse.shapes import read_shape
from warehouse.store.access.workspaces import update_workspace
from warehouse.store.models import Post
from warehouse.store.posts.media import add_upload
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.planning.context import PlanningContext

    Planner = Callable[..., AbstractContextManager[PlanningContext]]

LATER = "2026-03-02T15:00:00Z"


def wish(content: str = "hello", **more: Any) -> PostWish:
    return read_shape(PostWish, {"content": content, "platforms": ["mastodon"], **more})


def change(**fields: Any) -> PostChange:
    return read_shape(PostChange, fields)


def count_posts(world: World) -> int:
    with world.store.read() as session:
        return session.query(Post).count()


def test_a_wish_becomes_a_post_with_a_content_for_each_platform(world: World, planner: Planner) -> None:
    asked = wish(
        "for all",
        platforms=["x", "mastodon"],
        scheduled_at="2026-03-02T15:00:00",
        timezone="Europe/Berlin",
        thread=["second part"],
        variants={"mastodon": {"content": "for the fediverse", "thread": []}},
        client_ref="ref-1",
    )
    with planner() as context:
        saved = create_post(context, asked)
        contents = {row.platform: row.content for row in saved.publications}
    assert contents["twitter"]["text"] == "for all"
    assert contents["twitter"]["thread"] == ["second part"]
    assert (contents["mastodon"]["text"], contents["mastodon"]["thread"]) == ("for the fediverse", [])
    with world.store.read() as session:
        post = get_post(session, world.workspace_id, saved.post.id)
    assert (post.status, post.client_ref) == ("scheduled", "ref-1")
    assert post.scheduled_at == world.at + timedelta(hours=2)
    assert post.details["scheduling"] == {
        "requested": "2026-03-02T15:00:00",
        "timezone": "Europe/Berlin",
        "resolution": "exact",
        "note": None,
    }


def test_every_problem_is_listed_with_its_pointer(world: World, planner: Planner) -> None:
    asked = wish(
        "x" * 600,
        platforms=["twitter", "mastodon"],
        variants={"twitter": {"content": "y" * 281}},
        first_comment="too",
    )
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        create_post(context, asked)
    entries = {(entry["pointer"], entry["code"], entry["platform"]) for entry in refused.value.entries}
    assert ("/variants/twitter/content", "text_too_long", "twitter") in entries
    assert ("/content", "text_too_long", "mastodon") in entries
    assert refused.value.code == refused.value.entries[0]["code"]
    assert count_posts(world) == 0


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"content": "x" * 2001}, "content", "content_too_long"),
        ({"platforms": []}, "platforms", "no_target"),
        ({"platforms": ["mastodon", "myspace"]}, "platforms/1", "unknown_platform"),
        ({"platforms": ["bluesky"]}, "platforms", "platform_not_connected"),
        ({"account_ids": ["acct_none"]}, "account_ids", "unknown_account"),
        ({"variants": {"myspace": {}}}, "variants/myspace", "unknown_platform"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at", "invalid_time"),
        ({"scheduled_at": "2026-03-02T11:59:00Z"}, "scheduled_at", "in_the_past"),
        ({"scheduled_at": LATER, "timezone": "Mars/Olympus"}, "timezone", "unknown_timezone"),
        ({"scheduled_at": "queue"}, "scheduled_at", "no_queue_slots"),
        ({"status": "draft", "platforms": [], "scheduled_at": "queue"}, "platforms", "no_target"),
        ({"media": [{"url": "upload:med_none"}]}, "media/0/url", "unknown_upload"),
    ],
)
def test_a_wrong_wish_names_its_field(
    world: World, planner: Planner, fields: dict[str, Any], field: str, code: str
) -> None:
    for plan in (preview_post, create_post):
        with pytest.raises(InvalidInputError) as refused, planner() as context:
            plan(context, wish(**fields))
        assert (refused.value.field, refused.value.code) == (field, code)
        assert refused.value.entries[0]["pointer"] == f"/{field}"
    assert count_posts(world) == 0


def test_a_wrong_shape_lists_every_field() -> None:
    with pytest.raises(InvalidShapeError) as refused:
        read_shape(PostWish, {"contnet": "x", "media": [{"url": 1}], "allow_duplicate": "yes"})
    found = {entry["pointer"]: entry["code"] for entry in refused.value.entries}
    assert found == {
        "/content": "missing",
        "/contnet": "extra_forbidden",
        "/media/0/url": "string_type",
        "/allow_duplicate": "bool_type",
    }


def test_a_time_without_offset_is_read_in_the_workspaces_zone(world: World, planner: Planner) -> None:
    with planner() as context:
        update_workspace(context.session, world.workspace_id, timezone="Asia/Kolkata")
        saved = create_post(context, wish(scheduled_at="2026-03-02T20:30:00"))
        assert saved.post.scheduled_at == world.at + timedelta(hours=3)


def test_posts_of_a_queue_take_one_slot_each(world: World, planner: Planner) -> None:
    with planner() as context:
        for time in ("13:00", "14:00"):
            add_slot(context.session, world.workspace_id, world.accounts["mastodon"], 0, time, world.at)
        times = [create_post(context, wish(text, scheduled_at="queue")).post.scheduled_at for text in "ab"]
    assert times == [world.at + timedelta(hours=1), world.at + timedelta(hours=2)]


def test_a_preview_saves_nothing_and_finds_a_duplicate(world: World, planner: Planner) -> None:
    with planner() as context:
        assert preview_post(context, wish()).draft.scheduled_at == world.at
    assert count_posts(world) == 0
    with planner() as context:
        first = create_post(context, wish()).post.id
    for plan in (preview_post, create_post):
        with pytest.raises(ConflictError) as refused, planner() as context:
            plan(context, wish())
        assert (refused.value.code, refused.value.existing_id) == ("duplicate", first)


def test_a_change_replaces_only_what_is_given(world: World, planner: Planner) -> None:
    with planner() as context:
        post = create_post(context, wish(scheduled_at=LATER, thread=["more"], client_ref="ref")).post
    with planner() as context:
        saved = change_post(context, post.id, change(content="better"), expected_version=post.version)
        (publication,) = saved.publications
        assert (publication.content["text"], publication.content["thread"]) == ("better", ["more"])
        assert (saved.post.client_ref, saved.post.scheduled_at) == ("ref", world.at + timedelta(hours=3))
    with pytest.raises(ConflictError) as stale, planner() as context:
        change_post(context, post.id, change(content="again"), expected_version=post.version)
    assert stale.value.code == "stale"
    with pytest.raises(NotFoundError), planner() as context:
        change_post(context, "post_none", change(content="x"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"scheduled_at": None}, "null_time"),
        ({"timezone": "Europe/Berlin"}, "timezone_without_time"),
        ({"content": "x" * 501}, "text_too_long"),
    ],
)
def test_a_wrong_change_changes_nothing(
    world: World, planner: Planner, fields: dict[str, Any], code: str
) -> None:
    with planner() as context:
        post = create_post(context, wish(scheduled_at=LATER)).post
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        change_post(context, post.id, change(**fields))
    assert refused.value.code == code
    with world.store.read() as session:
        after = get_post(session, world.workspace_id, post.id)
    assert (after.version, after.content, after.scheduled_at) == (post.version, "hello", post.scheduled_at)


def test_a_draft_needs_no_account_and_goes_out_when_it_is_scheduled(world: World, planner: Planner) -> None:
    with planner() as context:
        draft = create_post(context, wish(platforms=[], status="draft")).post
        assert (draft.status, draft.scheduled_at) == ("draft", None)
    with planner() as context:
        sent = change_post(context, draft.id, change(status="scheduled", platforms=["mastodon"]))
        assert (sent.post.status, sent.post.scheduled_at) == ("scheduled", world.at)


def test_a_draft_is_kept_with_its_problems_and_checked_when_it_is_scheduled(
    world: World, planner: Planner
) -> None:
    long = {"content": "x" * 2400, "scheduled_at": LATER}
    with planner() as context:
        assert len(preview_post(context, wish(status="draft", **long)).warnings) == 2
        saved = create_post(context, wish(status="draft", **long))
        assert saved.post.content == long["content"]
        assert ["2400" in words for words in saved.plan.warnings] == [True, True]
        checked = check_post(context, wish(status="draft", **long))
        assert (checked.valid, [one["code"] for one in checked.problems]) == (True, ["text_too_long"])
        assert not check_post(context, wish(**long)).valid
        assert len(find_draft_problems(context, saved.post, saved.publications)) == 2
    draft = saved.post.id
    ways: list[tuple[Callable[..., Any], Any, str]] = [
        (move_post, LATER, "content_too_long"),
        (move_post, None, "content_too_long"),
        (change_post, change(status="scheduled"), "content_too_long"),
        (change_post, change(status="scheduled", content="x" * 501), "text_too_long"),
    ]
    for schedule, asked, code in ways:
        with pytest.raises(InvalidInputError) as refused, planner() as context:
            schedule(context, draft, asked)
        assert refused.value.code == code
    with planner() as context:
        change_post(context, draft, change(content="x" * 501))
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        move_post(context, draft, LATER)
    assert (refused.value.code, refused.value.entries[0]["pointer"]) == ("text_too_long", "/content")
    with world.store.read() as session:
        assert get_post(session, world.workspace_id, draft).status == "draft"
        assert list_publications(session, [draft])[draft][0].due_at is None
    with planner() as context:
        change_post(context, draft, change(content="short"))
        assert move_post(context, draft, LATER).status == "scheduled"


def test_a_draft_needs_its_picture_only_when_it_is_sent(world: World, planner: Planner) -> None:
    connect(world.store, world.workspace_id, "instagram", "instagram-user")
    with planner() as context:
        draft = create_post(context, wish(platforms=["instagram"], status="draft")).post.id
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        move_post(context, draft, None)
    assert refused.value.code == "media_required"
    with planner() as context:
        assert move_post(context, draft, LATER).status == "scheduled", "there is time to add it"


def test_a_draft_whose_time_has_passed_can_be_edited(world: World, planner: Planner) -> None:
    with planner() as context:
        draft = create_post(context, wish(status="draft", scheduled_at=LATER)).post
        draft.scheduled_at = world.at - timedelta(days=1)
    with planner() as context:
        saved = change_post(context, draft.id, change(content="b", scheduled_at="2026-03-01T12:00:00Z"))
        assert (saved.post.content, len(saved.plan.warnings)) == ("b", 1)
    for given in ({"scheduled_at": "2026-03-01T12:30:00Z"}, {"status": "scheduled"}):
        with pytest.raises(InvalidInputError) as refused, planner() as context:
            change_post(context, draft.id, change(**given))
        assert refused.value.code == "in_the_past"


def test_what_was_sent_once_is_not_kept_unchecked(planner: Planner) -> None:
    with planner() as context:
        saved = create_post(context, wish(scheduled_at=LATER))
        saved.publications[0].status = "failed"
        saved.post.status = "failed"
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        change_post(context, saved.post.id, change(status="draft", content="x" * 501))
    assert refused.value.code == "text_too_long"


def test_a_move_takes_a_time_or_none_for_at_once(world: World, planner: Planner) -> None:
    with planner() as context:
        post = create_post(context, wish(scheduled_at=LATER)).post
    with planner() as context:
        moved = move_post(context, post.id, "2026-03-03T12:00:00", timezone="Europe/Berlin")
        assert moved.scheduled_at == world.at + timedelta(hours=23)
    with planner() as context:
        move_post(context, post.id, None)
    with world.store.read() as session:
        (publication,) = list_publications(session, [post.id])[post.id]
        assert publication.scheduled_at == world.at
        assert get_post(session, world.workspace_id, post.id).details["scheduling"]["resolution"] == "now"


def test_media_that_a_platform_cannot_fetch_are_refused(world: World, planner: Planner) -> None:
    connect(world.store, world.workspace_id, "instagram", "instagram-user")
    with planner() as context:
        add_upload(
            context.session,
            world.workspace_id,
            "med_1",
            content_type="video/mp4",
            size=1,
            sha256="0",
            filename="a.mp4",
            now=world.at,
        )
    asked = wish(
        platforms=["instagram"], media=[{"url": "upload:med_1", "kind": "image"}], scheduled_at=LATER
    )
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        create_post(context, asked)
    assert (refused.value.code, refused.value.entries[0]["pointer"]) == ("no_public_address", "/media")
    with planner(media_public_url="https://social.example") as context:
        saved = create_post(context, asked)
        assert saved.publications[0].content["media"][0]["kind"] == "video", "the upload's own kind counts"


def test_a_missing_picture_is_a_warning_while_there_is_time(world: World, planner: Planner) -> None:
    connect(world.store, world.workspace_id, "instagram", "instagram-user")
    with planner() as context:
        saved = create_post(context, wish(platforms=["instagram"], scheduled_at=LATER))
        assert len(saved.plan.warnings) == 1
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        create_post(context, wish(platforms=["instagram"]))
    assert refused.value.code == "media_required"


@pytest.mark.parametrize(
    ("value", "needed"),
    [("optimal", True), (" Optimal ", True), ("queue", False), (LATER, False), (None, False), (7, False)],
)
def test_only_an_advised_time_needs_the_lake(value: object, needed: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    assert needs_lake(value) is needed
