"""Nothing is sent before it is approved, whatever path it takes; late approvals meet the lateness rule."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.types import PostContent
from tests.warehouse.conftest import NOON, World
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.store.access.workspaces import update_workspace
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.approvals import approve_post, reject_post
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.posts import (
    PostDraft,
    create_post,
    list_possible_actions,
    reschedule_post,
    resolve_publication,
    retry_post,
    update_post,
)
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.publishing.outcomes import Outcome
from warehouse.store.publishing.queue_state import get_queue_state
from warehouse.store.publishing.recovery import fail_unusable, review_overdue

if TYPE_CHECKING:
    from warehouse.store.models import Post as PostRow

HOUR = timedelta(hours=1)


@pytest.fixture
def governed(world: World) -> World:
    set_required(world, required=True)
    return world


def set_required(world: World, *, required: bool) -> None:
    with world.store.write() as session:
        update_workspace(session, world.workspace_id, approval_required=required)


def approve(world: World, publication_id: str, **more: int) -> PostRow:
    with world.store.write() as session:
        post_id = session.get_one(Publication, publication_id).post_id
        return approve_post(
            session,
            world.workspace_id,
            post_id,
            "key_boss",
            world.at,
            max_lateness=HOUR,
            media_hashes={},
            **more,
        )


def reject(world: World, publication_id: str, reason: str = "no") -> PostRow:
    with world.store.write() as session:
        post_id = session.get_one(Publication, publication_id).post_id
        return reject_post(session, world.workspace_id, post_id, "key_boss", reason, world.at)


def edit(world: World, publication_id: str, text: str) -> None:
    row = world.get(publication_id)
    with world.store.write() as session:
        account = session.get_one(AccountRow, row.account_id)
        draft = PostDraft(text, [Target(account, PostContent(text=text))], NOON + HOUR, allow_duplicate=True)
        update_post(session, world.workspace_id, row.post_id, draft, world.at)


def claimed(world: World, publication_id: str) -> bool:
    return publication_id in {one.id for one in world.claim(ahead=timedelta(days=9))}


def test_it_waits_and_then_goes_at_its_time(governed: World) -> None:
    (waiting,) = governed.schedule("twitter", after=HOUR)
    row = governed.get(waiting)
    assert (row.status, row.due_at, row.reason_code) == ("scheduled", None, "pending_approval")
    assert not claimed(governed, waiting)
    approve(governed, waiting)
    row = governed.get(waiting)
    assert (row.status, row.due_at, row.reason_code) == ("scheduled", NOON + HOUR, None)
    assert not {one.id for one in governed.claim()}
    assert claimed(governed, waiting)
    with governed.store.read() as session:
        assert verify_ledger(session, waiting) == []
        post = session.get_one(Post, row.post_id)
        assert (post.status, post.approval_state, post.approval_by) == ("publishing", "approved", "key_boss")


def test_where_nobody_asks_nothing_waits(world: World) -> None:
    (free,) = world.schedule("twitter")
    with world.store.read() as session:
        assert session.get_one(Post, world.get(free).post_id).approval_state is None
    with pytest.raises(ConflictError, match="does not wait for approval"):
        approve(world, free)
    assert claimed(world, free)


def test_what_waits_is_neither_late_nor_failed(governed: World) -> None:
    (waiting,) = governed.schedule("twitter")
    late = NOON + 9 * HOUR
    with governed.store.write() as session:
        session.get_one(AccountRow, governed.accounts["twitter"]).status = "revoked"
    with governed.store.write() as session:
        assert review_overdue(session, now=late, max_lateness=HOUR) == 0
        assert fail_unusable(session, now=late) == 0
        assert get_queue_state(session, late).late == 0
    assert governed.get(waiting).status == "scheduled"


@pytest.mark.parametrize(("late", "status"), [(0.9, "scheduled"), (1.1, "needs_review")])
def test_an_approval_after_its_time(governed: World, late: float, status: str) -> None:
    (waiting,) = governed.schedule("twitter")
    governed.at = NOON + late * HOUR
    approve(governed, waiting)
    row = governed.get(waiting)
    assert (row.status, row.reason_code) == (status, "too_late" if status == "needs_review" else None)
    assert claimed(governed, waiting) == (status == "scheduled")


def test_a_change_after_the_approval_asks_anew(governed: World) -> None:
    (waiting,) = governed.schedule("twitter", after=HOUR)
    approve(governed, waiting)
    edit(governed, waiting, "something else")
    assert not claimed(governed, waiting)
    approve(governed, waiting)
    with governed.store.write() as session:
        reschedule_post(
            session, governed.workspace_id, governed.get(waiting).post_id, NOON + 2 * HOUR, governed.at
        )
    assert not claimed(governed, waiting)
    approve(governed, waiting)
    assert claimed(governed, waiting)


def test_a_failed_one_that_was_changed_is_not_retried_unapproved(governed: World) -> None:
    (failed,) = governed.schedule("twitter")
    post_id = governed.get(failed).post_id
    approve(governed, failed)
    assert claimed(governed, failed)
    governed.begin([failed])
    governed.record(Outcome(failed, "failed", "content_rejected", "no"))
    with governed.store.write() as session:
        retry_post(session, governed.workspace_id, post_id, governed.at)
    # Unchanged, it is what was approved.
    assert claimed(governed, failed)
    governed.begin([failed])
    governed.record(Outcome(failed, "failed", "content_rejected", "no"))
    edit(governed, failed, "mended")
    with governed.store.write() as session:
        session.get_one(Publication, failed).status = "failed"
    with governed.store.write() as session:
        retry_post(session, governed.workspace_id, post_id, governed.at)
    assert not claimed(governed, failed)


def test_a_decision_to_send_does_not_replace_an_approval(governed: World) -> None:
    (waiting,) = governed.schedule("twitter")
    post_id = governed.get(waiting).post_id
    with governed.store.write() as session:
        # As a store of before the approval might hold it.
        session.get_one(Publication, waiting).status = "needs_review"
    with governed.store.write() as session:
        resolve_publication(session, governed.workspace_id, post_id, waiting, "send", governed.at)
    assert not claimed(governed, waiting)


def test_a_rejected_one_is_a_draft_again_with_the_reason(governed: World) -> None:
    (waiting,) = governed.schedule("twitter", after=HOUR)
    with pytest.raises(InvalidInputError):
        reject(governed, waiting, " ")
    post = reject(governed, waiting, "the link is dead")
    row = governed.get(waiting)
    assert (post.status, post.approval_state, post.approval_reason) == (
        "draft",
        "rejected",
        "the link is dead",
    )
    assert (row.status, row.reason) == ("draft", "rejected: the link is dead")
    with pytest.raises(ConflictError):
        approve(governed, waiting)
    edit(governed, waiting, "mended")
    assert (governed.get(waiting).status, claimed(governed, waiting)) == ("scheduled", False)
    approve(governed, waiting)
    assert claimed(governed, waiting)


def test_a_draft_asks_for_nothing(governed: World) -> None:
    with governed.store.write() as session:
        draft = PostDraft("later", [], None, is_draft=True)
        assert create_post(session, governed.workspace_id, draft, NOON).approval_state is None


def test_switching_approval_off_lets_nothing_slip_through(governed: World) -> None:
    (waiting,) = governed.schedule("twitter", after=HOUR)
    set_required(governed, required=False)
    assert not claimed(governed, waiting)
    edit(governed, waiting, "changed")
    assert not claimed(governed, waiting)
    approve(governed, waiting)
    assert claimed(governed, waiting)


def test_only_what_was_read_is_approved(governed: World) -> None:
    (waiting,) = governed.schedule("twitter", after=HOUR)
    with governed.store.read() as session:
        version = session.get_one(Post, governed.get(waiting).post_id).version
    edit(governed, waiting, "changed behind the approver's back")
    with pytest.raises(ConflictError) as caught:
        approve(governed, waiting, expected_version=version)
    assert caught.value.code == "stale"
    assert not claimed(governed, waiting)


@pytest.mark.parametrize("reason", ["", " ", "x" * 2001])
def test_a_rejection_needs_a_reason_of_readable_length(governed: World, reason: str) -> None:
    (waiting,) = governed.schedule("mastodon")
    post_id = governed.get(waiting).post_id
    with pytest.raises(InvalidInputError) as refused, governed.store.write() as session:
        reject_post(session, governed.workspace_id, post_id, "key_boss", reason, governed.at)
    assert refused.value.field == "reason"
    with governed.store.read() as session:
        assert session.get_one(Post, post_id).approval_state == "pending"
        assert "approve" in list_possible_actions(session.get_one(Post, post_id), [governed.get(waiting)])
