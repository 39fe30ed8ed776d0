"""What a person does changes exactly what it says, and nothing that is out is sent again. On SQLite."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from connectors.types import PostContent
from tests.warehouse.conftest import NOON, World, connect
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.models import Post, Publication
from warehouse.store.publishing.ledger import list_events
from warehouse.store.publishing.publications import (
    cancel_publication,
    change_content,
    derive_post_status,
    get_publication,
    hash_payload,
    payload_hash,
    refresh_post_status,
    reschedule_publication,
    resolve_review,
    retry_publication,
)
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.models import WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from warehouse.store.database import Store

SECOND = timedelta(seconds=1)
NOW = NOON + 60 * SECOND
REVIEWED = {
    "status": "needs_review", "reason_code": "cannot_find_out", "reason": "look yourself", "unknown_since": NOON,
    "first_attempt_at": NOON, "attempts": 1,
}  # fmt: skip
THREAD = PostContent(text="one", thread=("two", "three")).model_dump(mode="json")
TWO_OUT = {"sent_parts": [{"id": "1"}], "container": "c"}


@pytest.fixture
def world(store: Store) -> World:
    with store.write() as session:
        made = World(store, ensure_default_workspace(session, NOON).id)
    for platform in ("twitter", "mastodon"):
        made.accounts[platform] = connect(store, made.workspace_id, platform, f"{platform}-user")
    return made


def put(world: World, **values: Any) -> str:
    """Schedule a post for `NOON` and set columns of its publication."""
    (publication,) = world.schedule("twitter")
    with world.store.write() as session:
        row = session.get_one(Publication, publication)
        for column, value in values.items():
            setattr(row, column, value)
        refresh_post_status(session, [row.post_id], NOON)
    return publication


def act(world: World, publication: str, action: Callable[[Session, Publication], None]) -> dict[str, Any]:
    """Apply an action; return the columns that it changed, and the event it wrote as `event`."""
    with world.store.read() as session:
        row = session.get_one(Publication, publication)
        before = {column.key: getattr(row, column.key) for column in Publication.__table__.columns}
        seen = len(list_events(session, publication))
    with world.store.write() as session:
        action(session, get_publication(session, world.workspace_id, publication))
    with world.store.read() as session:
        row = session.get_one(Publication, publication)
        changed = {
            key: getattr(row, key)
            for key, value in before.items()
            if getattr(row, key) != value and not key.startswith("ledger_")
        }
        events = [(one.event, one.at, one.detail) for one in list_events(session, publication)[seen:]]
    return changed | ({"event": events[0]} if len(events) == 1 else {"events": events} if events else {})


def post_of(world: World, publication: str) -> tuple[str, Any]:
    with world.store.read() as session:
        post = session.get_one(Post, session.get_one(Publication, publication).post_id)
        return post.status, post.updated_at


CLEARED = {"reason_code": None, "reason": None, "updated_at": NOW}
RESOLVED = CLEARED | {"unknown_since": None}
WAITS = {"rest": "waiting", "rest_at": NOON, "due_at": NOON, "published_at": NOON}


def resolved(decision: str, external_id: str | None = None) -> dict[str, Any]:
    return {"event": ("resolved", NOW, {"decision": decision, "external_id": external_id})}


def part(external_id: str) -> dict[str, Any]:
    return {"id": external_id, "permalink": None, "published_at": NOW.isoformat(), "cid": None}


@pytest.mark.parametrize(
    ("before", "decision", "after", "post"),
    [
        (
            REVIEWED,
            ("published", "3"),
            RESOLVED
            | resolved("published", "3")
            | {
                "status": "published",
                "external_id": "3",
                "published_at": NOON,
                "next_snapshot_at": NOW,
                "due_at": None,
            },
            "published",
        ),
        (
            REVIEWED,
            ("published", None),
            RESOLVED | resolved("published") | {"status": "published", "published_at": NOON, "due_at": None},
            "published",
        ),
        (
            REVIEWED | {"first_attempt_at": None},
            ("published", "3" * 300),
            RESOLVED
            | resolved("published", "3" * 300)
            | {
                "status": "published",
                "external_id": "3" * 300,
                "published_at": NOW,
                "next_snapshot_at": NOW,
                "due_at": None,
            },
            "published",
        ),
        (
            REVIEWED,
            ("send", None),
            RESOLVED | resolved("send") | {"status": "scheduled", "scheduled_at": NOW, "due_at": NOW},
            "scheduled",
        ),
        (
            REVIEWED,
            ("discard", None),
            RESOLVED | resolved("discard") | {"status": "canceled", "due_at": None},
            "canceled",
        ),
        (
            REVIEWED | WAITS | {"content": THREAD, "send_state": TWO_OUT},
            ("send", None),
            RESOLVED | resolved("send") | {"status": "published", "rest_at": NOW, "due_at": NOW},
            "published",
        ),
        (
            REVIEWED | WAITS | {"content": THREAD, "send_state": TWO_OUT},
            ("discard", None),
            RESOLVED
            | resolved("discard")
            | {"status": "published", "rest": "canceled", "rest_at": None, "due_at": None},
            "published",
        ),
        (
            REVIEWED | WAITS | {"content": THREAD, "send_state": TWO_OUT},
            ("published", "2"),
            RESOLVED
            | resolved("published", "2")
            | {
                "status": "published",
                "rest": "canceled",
                "rest_at": None,
                "due_at": None,
                "send_state": TWO_OUT | {"sent_parts": [{"id": "1"}, part("2")]},
            },
            "published",
        ),
        (
            REVIEWED | WAITS | {"content": THREAD, "send_state": {"sent_parts": [{"id": "1"}, {"id": "2"}]}},
            ("published", None),
            RESOLVED
            | resolved("published")
            | {"status": "published", "rest": None, "rest_at": None, "due_at": None},
            "published",
        ),
        (
            REVIEWED | WAITS | {"content": THREAD, "send_state": {}},
            ("published", "1"),
            RESOLVED
            | resolved("published", "1")
            | {
                "status": "published",
                "rest": "canceled",
                "rest_at": None,
                "due_at": None,
                "send_state": {"sent_parts": [part("1")]},
            },
            "published",
        ),
    ],
)
def test_a_decision_changes_what_it_says(
    world: World,
    before: dict[str, Any],
    decision: tuple[str, str | None],
    after: dict[str, Any],
    post: str,
) -> None:
    publication = put(world, **before)
    with world.store.write() as session:
        create_endpoint(
            session, world.store.cipher, world.workspace_id, url="https://hooks.example/all", now=NOON,
            events=["post.published"],
        )  # fmt: skip
    decide = lambda session, row: resolve_review(session, row, decision[0], NOW, external_id=decision[1])  # noqa: E731 (one expression)
    assert act(world, publication, decide) == after
    assert post_of(world, publication) == (post, NOW)
    with world.store.read() as session:
        told = [(one.type, one.created_at) for one in session.scalars(select(WebhookEvent))]
    assert told == ([("post.published", NOW)] if decision[0] == "published" else [])


FAILED = {"status": "failed", "reason_code": "content_rejected", "reason": "too spicy", "due_at": None}
LEFT_OUT = "the unpublished parts were canceled"
LATER = NOON + 3600 * SECOND


@pytest.mark.parametrize(
    ("before", "action", "after", "post"),
    [
        (
            FAILED,
            retry_publication,
            CLEARED
            | {
                "status": "scheduled",
                "scheduled_at": NOW,
                "due_at": NOW,
                "event": ("retry_by_hand", NOW, {"scheduled_at": NOW.isoformat()}),
            },
            "scheduled",
        ),
        (
            {"status": "published", "rest": "failed", "reason_code": "x", "reason": "y", "due_at": None},
            retry_publication,
            CLEARED | {"rest": "waiting", "rest_at": NOW, "due_at": NOW, "event": ("retry_by_hand", NOW, {})},
            "published",
        ),
        (
            {},
            cancel_publication,
            {"status": "canceled", "due_at": None, "updated_at": NOW, "event": ("canceled", NOW, {})},
            "canceled",
        ),
        (
            FAILED,
            cancel_publication,
            CLEARED | {"status": "canceled", "event": ("canceled", NOW, {})},
            "canceled",
        ),
        ({"status": "canceled", "due_at": None}, cancel_publication, {}, "canceled"),
        (
            WAITS | {"status": "published"},
            cancel_publication,
            {
                "rest": "canceled",
                "rest_at": None,
                "due_at": None,
                "updated_at": NOW,
                "reason_code": "later_parts_canceled",
                "reason": LEFT_OUT,
                "event": ("parts_canceled", NOW, {"message": LEFT_OUT}),
            },
            "published",
        ),
        (
            WAITS | REVIEWED,
            cancel_publication,
            {
                "status": "published",
                "rest": "canceled",
                "rest_at": None,
                "due_at": None,
                "unknown_since": None,
                "updated_at": NOW,
                "reason_code": "later_parts_canceled",
                "reason": LEFT_OUT,
                "event": ("parts_canceled", NOW, {"message": LEFT_OUT}),
            },
            "published",
        ),
        (
            {"status": "draft", "scheduled_at": None, "due_at": None},
            "reschedule",
            {
                "status": "scheduled",
                "scheduled_at": LATER,
                "due_at": LATER,
                "updated_at": NOW,
                "event": ("scheduled", NOW, {"scheduled_at": LATER.isoformat()}),
            },
            "scheduled",
        ),
        (
            FAILED,
            "reschedule",
            CLEARED
            | {
                "status": "scheduled",
                "scheduled_at": LATER,
                "due_at": LATER,
                "event": ("scheduled", NOW, {"scheduled_at": LATER.isoformat()}),
            },
            "scheduled",
        ),
        (
            REVIEWED | {"attempts": 0, "unknown_since": None, "first_attempt_at": None},
            "reschedule",
            CLEARED
            | {
                "status": "scheduled",
                "scheduled_at": LATER,
                "due_at": LATER,
                "event": ("scheduled", NOW, {"scheduled_at": LATER.isoformat()}),
            },
            "scheduled",
        ),
    ],
)
def test_an_action_changes_what_it_says(
    world: World, before: dict[str, Any], action: Any, after: dict[str, Any], post: str
) -> None:
    publication = put(world, **before)
    earlier = post_of(world, publication)

    def do(session: Session, row: Publication) -> None:
        if action == "reschedule":
            reschedule_publication(session, row, LATER, NOW)
        else:
            action(session, row, NOW)

    assert act(world, publication, do) == after
    assert post_of(world, publication) == (earlier if earlier[0] == post else (post, NOW))


def test_a_new_content_starts_anew(world: World) -> None:
    publication = put(world, **FAILED, send_state={"container": "c"}, first_attempt_at=NOON)
    content = PostContent(text="another")
    assert act(world, publication, lambda session, row: change_content(session, row, content, NOW)) == {
        "content": content.model_dump(mode="json"),
        "payload_hash": payload_hash(content),
        "send_state": {},
        "first_attempt_at": None,
        "updated_at": NOW,
        "event": ("edited", NOW, {}),
    }


def change(session: Session, row: Publication) -> None:
    change_content(session, row, PostContent(text="another"), NOW)


def reschedule(session: Session, row: Publication) -> None:
    reschedule_publication(session, row, LATER, NOW)


def cancel(session: Session, row: Publication) -> None:
    cancel_publication(session, row, NOW)


def retry(session: Session, row: Publication) -> None:
    retry_publication(session, row, NOW)


IN_FLIGHT = "the publication on twitter is {}: it is being sent and can no longer be changed"
FINAL = "the publication on twitter is {}: that is final"
PARTLY_OUT = "part of this thread is already published: cancel it, or retry it unchanged"
ONLY_FAILED = "the publication is {}: only a failed one is retried"
RESOLVE_FIRST = "this publication may already be published: resolve it first (published, send or discard)"


@pytest.mark.parametrize(
    ("before", "action", "code", "message"),
    [
        *(
            ({"status": status}, action, "already_claimed", IN_FLIGHT.format(status))
            for status in ("claimed", "sending", "unknown")
            for action in (change, reschedule, cancel)
        ),
        *(
            ({"status": "published"}, action, "final_status", FINAL.format("published"))
            for action in (change, reschedule, cancel)
        ),
        ({"status": "canceled"}, reschedule, "final_status", FINAL.format("canceled")),
        (WAITS | {"status": "sending"}, cancel, "already_claimed", IN_FLIGHT.format("sending")),
        (REVIEWED, change, "needs_review", RESOLVE_FIRST),
        (REVIEWED, reschedule, "needs_review", RESOLVE_FIRST),
        (FAILED | {"send_state": TWO_OUT}, change, "partly_published", PARTLY_OUT),
        ({}, retry, "not_failed", ONLY_FAILED.format("scheduled")),
        (REVIEWED, retry, "not_failed", "the publication is needs_review: decide it with resolve"),
        (WAITS | {"status": "published"}, retry, "not_failed", ONLY_FAILED.format("published")),
        (
            {},
            lambda session, row: resolve_review(session, row, "send", NOW),
            "not_in_review",
            "the publication is scheduled: there is nothing to decide",
        ),
    ],
)
def test_what_its_state_forbids_is_refused_with_the_reason(
    world: World,
    before: dict[str, Any],
    action: Callable[[Session, Publication], None],
    code: str,
    message: str,
) -> None:
    publication = put(world, **before)
    with pytest.raises(ConflictError) as refused:
        act(world, publication, action)
    assert (refused.value.code, refused.value.message) == (code, message)
    assert act(world, publication, lambda *_: None) == {}


@pytest.mark.parametrize("before", [REVIEWED, REVIEWED | WAITS])
def test_a_decision_that_is_none_is_refused(world: World, before: dict[str, Any]) -> None:
    publication = put(world, **before)
    with pytest.raises(InvalidInputError) as refused:
        act(world, publication, lambda session, row: resolve_review(session, row, "later", NOW))
    assert refused.value.field == "decision"
    assert refused.value.message == "unknown decision 'later': use published, send or discard"
    with pytest.raises(InvalidInputError) as refused:
        act(
            world,
            publication,
            lambda session, row: resolve_review(session, row, "published", NOW, external_id="3" * 301),
        )
    assert (refused.value.field, refused.value.code) == ("external_id", "external_id_too_long")


def test_an_id_is_taken_on_its_own_account_only(world: World) -> None:
    known = put(world, status="published", external_id="7", published_at=NOON, due_at=None)
    doubtful = put(world, **REVIEWED)
    publish = lambda session, row: resolve_review(session, row, "published", NOW, external_id="7")  # noqa: E731 (one expression)
    with pytest.raises(ConflictError) as refused:
        act(world, doubtful, publish)
    post_id = world.get(known).post_id
    assert (refused.value.code, refused.value.existing_id) == ("external_id_taken", post_id)
    assert refused.value.message == (
        f"7 is known as publication {known} of {post_id}: check the id, or leave it out"
    )
    with world.store.write() as session:
        row = session.get_one(Publication, doubtful)
        row.account_id, row.platform = world.accounts["mastodon"], "mastodon"
    assert act(world, doubtful, publish)["external_id"] == "7"


def test_a_publication_of_another_workspace_is_not_there(world: World) -> None:
    publication = put(world)
    with world.store.write() as session:
        for workspace, one in (("another", publication), (world.workspace_id, "pub_none")):
            with pytest.raises(NotFoundError, match=f"there is no publication {one} in this workspace"):
                get_publication(session, workspace, one)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([("published", "failed")], "partially_published"),
        ([("sending", "waiting")], "published"),
        ([("needs_review", "waiting")], "publishing"),
        ([("published", "canceled"), ("published", None)], "published"),
        ([("claimed", "waiting"), ("failed", None)], "partially_published"),
    ],
)
def test_a_post_with_a_first_part_out_counts_as_published(
    world: World, rows: list[tuple[str, str | None]], status: str
) -> None:
    ids = world.schedule(*("twitter", "mastodon")[: len(rows)])
    with world.store.write() as session:
        for publication, (state, rest) in zip(ids, rows, strict=True):
            row = session.get_one(Publication, publication)
            row.status, row.rest = state, rest
        version = session.get_one(Post, row.post_id).version
        refresh_post_status(session, [row.post_id], NOW)
        refresh_post_status(session, [row.post_id], NOW + SECOND)
        post = session.get_one(Post, row.post_id)
        assert (post.status, post.updated_at, post.version) == (status, NOW, version + 1)


def test_a_status_without_publications_does_not_count_and_a_draft_waits_for_a_plan() -> None:
    assert derive_post_status({"draft": 1, "scheduled": 1}) == "scheduled"
    assert derive_post_status({"published": 1, "failed": 0}) == "published"
    assert derive_post_status({"needs_review": 1, "published": 1}) == "publishing"


def test_the_fingerprint_is_of_the_canonical_text() -> None:
    assert hash_payload({"b": "ü", "a": [1, 2]}) == hash_payload({"a": [1, 2], "b": "ü"})
    # sha256 of {"a":[1,2],"b":"\u00fc"}: stored fingerprints must stay comparable.
    assert hash_payload({"b": "ü", "a": [1, 2]}) == (
        "9d81bb050737cdc344038ad3abd802fe3ae77f0b1ffe8ee4511b84b1ba175fba"
    )
