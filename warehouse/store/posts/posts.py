"""Create and change posts, each with one publication per target account.

The caller checks the platforms' limits. This module checks the store's rules: allowed accounts, changes that are too
late, and duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.access.workspaces import read_settings
from warehouse.store.bulk import complete_rows, insert_new, load_rows
from warehouse.store.database import new_id
from warehouse.store.models import Post, Publication, PublicationAttempt
from warehouse.store.posts.approvals import PENDING, ask_for_approval, hold_unapproved
from warehouse.store.posts.duplicates import Target, refuse_duplicates
from warehouse.store.posts.external_posts import RecordedPosts, record_external_posts
from warehouse.store.posts.media import find_used_uploads, note_uses
from warehouse.store.posts.reads import PostFilter, get_post, list_posts
from warehouse.store.posts.staging import staged_in, write_directly
from warehouse.store.posts.versions import lock_publications, require_version, touch
from warehouse.store.publishing.later_parts import WAITING
from warehouse.store.publishing.ledger import insert_opened, open_ledger
from warehouse.store.publishing.publications import (
    EDITABLE,
    IN_FLIGHT,
    cancel_publication,
    change_content,
    get_publication,
    require_editable,
    reschedule_publication,
    resolve_review,
    retry_publication,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.posts.staging import Staged

__all__ = [
    "PostDraft",
    "PostFilter",
    "RecordedPosts",
    "Target",
    "cancel_post",
    "create_post",
    "create_post_and_publications",
    "get_post",
    "list_possible_actions",
    "list_posts",
    "record_external_posts",
    "reschedule_post",
    "resolve_publication",
    "retry_post",
    "update_post",
]


@dataclass(frozen=True, slots=True)
class PostDraft:
    """A post as planned, already checked against the platforms' limits."""

    content: str
    targets: Sequence[Target]
    scheduled_at: datetime | None
    """UTC; None only for a draft without a time."""
    is_draft: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    """The other fields of the request, as JSON."""
    client_ref: str | None = None
    allow_duplicate: bool = False


def create_post(session: Session, workspace_id: str, draft: PostDraft, now: datetime) -> Post:
    """Save a post and one publication per target.

    Raises ConflictError (code duplicate, with the existing post's id) for a duplicate.
    """
    return create_post_and_publications(session, workspace_id, draft, now)[0]


def create_post_and_publications(
    session: Session, workspace_id: str, draft: PostDraft, now: datetime
) -> tuple[Post, list[Publication]]:
    """Like `create_post`, but return all created rows without reading them back."""
    _require_plan(draft)
    refuse_duplicates_of(session, draft)
    # All publications have the same status, so it is also the post's.
    row = {
        "id": new_id("post"),
        "workspace_id": workspace_id,
        "origin": "socialflow",
        "content": draft.content,
        "details": draft.details,
        "status": "draft" if draft.is_draft else "scheduled",
        "scheduled_at": draft.scheduled_at,
        "client_ref": draft.client_ref,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    contents = [target.content for target in draft.targets]
    asks = (
        bool(draft.targets) and not draft.is_draft and read_settings(session, workspace_id).approval_required
    )
    staged = staged_in(session)
    if staged is not None and not asks and not find_used_uploads(draft.details, contents):
        return _stage(staged, row, draft, now)
    write_directly(session)
    (post,) = insert_new(session, Post, [row])
    publications = _add_publications(session, post, draft.targets, draft, now)
    if staged is not None:
        staged.note_publications([one.__dict__ for one in publications])
    note_uses(session, workspace_id, post.id, draft.details, contents, is_new=True)
    if asks:
        ask_for_approval(session, post, now)
        session.flush()
    return post, publications


def _stage(
    staged: Staged, row: dict[str, Any], draft: PostDraft, now: datetime
) -> tuple[Post, list[Publication]]:
    posts = complete_rows(Post, [row])
    (post,) = load_rows(Post, posts)
    publications, ledger = _new_publications(post, draft.targets, draft, now)
    publications = complete_rows(Publication, publications)
    staged.add(Post, posts)
    staged.add(Publication, publications)
    staged.add(PublicationAttempt, ledger)
    staged.note_publications(publications)
    return post, load_rows(Publication, publications)


def update_post(
    session: Session,
    workspace_id: str,
    post_id: str,
    draft: PostDraft,
    now: datetime,
    *,
    expected_version: int | None = None,
) -> Post:
    """Update a post and its publications to match `draft`, as one change.

    Raises ConflictError: a publication is claimed or published (an edit never publishes again),
    `expected_version` is not the current version (code stale), or the edit makes a duplicate.
    """
    post = get_post(session, workspace_id, post_id)
    require_version(post, expected_version)
    if post.status == "canceled":
        raise ConflictError("the post is canceled: create a new one", code="final_status")
    _require_plan(draft)
    publications = {
        row.account_id: row for row in lock_publications(session, post) if row.status != "canceled"
    }
    for publication in publications.values():
        require_editable(publication)
    refuse_duplicates_of(session, draft, except_post_id=post.id)
    wanted = {target.account.id: target for target in draft.targets}
    for account_id, publication in publications.items():
        if account_id not in wanted:
            cancel_publication(session, publication, now)
    _add_publications(session, post, [wanted[one] for one in wanted if one not in publications], draft, now)
    for account_id, target in wanted.items():
        existing = publications.get(account_id)
        if existing is not None:
            _bring_up_to_date(session, existing, target, draft, now)
    post.content = draft.content
    post.details = draft.details
    post.client_ref = draft.client_ref
    post.scheduled_at = draft.scheduled_at
    if not wanted:
        post.status = "draft"
    contents = [target.content for target in draft.targets]
    note_uses(session, workspace_id, post.id, draft.details, contents, is_new=False)
    ask_for_approval(session, post, now)
    touch(session, post, now)
    return post


def reschedule_post(
    session: Session,
    workspace_id: str,
    post_id: str,
    scheduled_at: datetime,
    now: datetime,
    *,
    details: dict[str, Any] | None = None,
    expected_version: int | None = None,
) -> Post:
    """Move all unsent publications to another time; a draft with targets becomes scheduled.

    `details` are merged into the post's; without a "placement" the new time counts as set by hand.
    Raises ConflictError if a publication is claimed or nothing can move.
    """
    post = get_post(session, workspace_id, post_id)
    require_version(post, expected_version)
    movable = []
    for publication in lock_publications(session, post):
        if publication.status in IN_FLIGHT:
            require_editable(publication)
        # needs_review without an attempt means too late: it was never sent and may get a new time.
        late = publication.status == "needs_review" and publication.attempts == 0
        if publication.status in ("draft", "scheduled") or late:
            movable.append(publication)
    if not movable:
        raise ConflictError(
            f"the post is {post.status}: it has no unsent publication to move", code="nothing_to_reschedule"
        )
    for publication in movable:
        reschedule_publication(session, publication, scheduled_at, now)
    post.scheduled_at = scheduled_at
    post.details = post.details | {"placement": None} | (details or {})
    ask_for_approval(session, post, now)
    touch(session, post, now)
    return post


def cancel_post(
    session: Session, workspace_id: str, post_id: str, now: datetime, *, expected_version: int | None = None
) -> Post:
    """Cancel all unsent publications of a post. Idempotent.

    Raises ConflictError if a publication is claimed, or if everything is already published.
    """
    post = get_post(session, workspace_id, post_id)
    if post.status == "canceled":
        return post
    require_version(post, expected_version)
    publications = lock_publications(session, post)
    for publication in publications:
        if publication.status in IN_FLIGHT:
            require_editable(publication)
    open_ones = [
        row for row in publications if row.status not in ("published", "canceled") or row.rest == WAITING
    ]
    if publications and not open_ones:
        raise ConflictError(
            f"the post is {post.status}: there is nothing left to cancel; delete it on the platform itself",
            code="final_status",
        )
    for publication in open_ones:
        cancel_publication(session, publication, now)
    if not publications:
        post.status = "canceled"
    touch(session, post, now)
    return post


def retry_post(
    session: Session, workspace_id: str, post_id: str, now: datetime, *, publication_ids: Collection[str] = ()
) -> Post:
    """Retry the failed publications of a post immediately; `publication_ids` selects some of them.

    Raises ConflictError if none has failed: a retry never repeats a publication that may have been published.
    """
    post = get_post(session, workspace_id, post_id)
    publications = lock_publications(session, post)
    unknown = set(publication_ids) - {row.id for row in publications}
    if unknown:
        raise NotFoundError(f"post {post_id} has no publication {min(unknown)}")
    picked = [row for row in publications if row.id in publication_ids]
    failed = picked or [row for row in publications if "failed" in {row.status, row.rest}]
    if not failed:
        raise ConflictError(
            f"the post is {post.status}: only failed publications are retried", code="not_failed"
        )
    for publication in failed:
        retry_publication(session, publication, now)
    hold_unapproved(session, post, now)
    touch(session, post, now)
    return post


def resolve_publication(  # noqa: PLR0917 (each names one level of the same address)
    session: Session,
    workspace_id: str,
    post_id: str,
    publication_id: str,
    decision: str,
    now: datetime,
    *,
    external_id: str | None = None,
) -> Post:
    """Apply a user's decision (published, send, discard) to a publication in needs_review."""
    post = get_post(session, workspace_id, post_id)
    publication = get_publication(session, workspace_id, publication_id)
    if publication.post_id != post.id:
        raise NotFoundError(f"post {post_id} has no publication {publication_id}")
    resolve_review(session, publication, decision, now, external_id=external_id)
    hold_unapproved(session, post, now)
    touch(session, post, now)
    return post


def list_possible_actions(post: Post, publications: Sequence[Publication]) -> set[str]:
    """Return the actions possible now: move, cancel, retry, approve. Each action repeats its own checks."""
    statuses = {row.status for row in publications} or {post.status}
    possible: set[str] = set()
    if not statuses & IN_FLIGHT:
        is_waiting = any(row.rest == WAITING for row in publications)
        possible |= {"cancel"} if statuses & EDITABLE or is_waiting else set()
        possible |= {"move"} if statuses & {"draft", "scheduled"} and publications else set()
    if "failed" in statuses | {row.rest for row in publications}:
        possible.add("retry")
    if post.approval_state == PENDING:
        possible.add("approve")
    return possible


def _bring_up_to_date(
    session: Session, publication: Publication, target: Target, draft: PostDraft, now: datetime
) -> None:
    if target.payload_hash != publication.payload_hash:
        change_content(session, publication, target.content, now)
    if draft.is_draft:
        if publication.status == "scheduled":
            raise ConflictError(
                "a scheduled post cannot become a draft again: cancel it or move it",
                code="already_scheduled",
            )
        return
    moved = publication.status == "draft" or publication.scheduled_at != draft.scheduled_at
    if moved and publication.status in ("draft", "scheduled") and draft.scheduled_at is not None:
        reschedule_publication(session, publication, draft.scheduled_at, now)


def _add_publications(
    session: Session, post: Post, targets: Sequence[Target], draft: PostDraft, now: datetime
) -> list[Publication]:
    """Add one publication per target account; those of a draft have no time."""
    rows, ledger = _new_publications(post, targets, draft, now)
    made = insert_new(session, Publication, rows)
    insert_opened(session, ledger)
    return made


def _new_publications(
    post: Post, targets: Sequence[Target], draft: PostDraft, now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the publications, and those that begin their ledgers."""
    scheduled_at = None if draft.is_draft else draft.scheduled_at
    event, at = ("draft", None) if scheduled_at is None else ("scheduled", scheduled_at.isoformat())
    rows: list[dict[str, Any]] = []
    ledger = []
    for target in targets:
        row = {
            "id": new_id("pub"),
            "post_id": post.id,
            "workspace_id": post.workspace_id,
            "account_id": target.account.id,
            "platform": target.account.platform,
            "origin": "socialflow",
            "content": target.payload,
            "content_kind": target.content.kind,
            "payload_hash": target.payload_hash,
            "status": event,
            "scheduled_at": scheduled_at,
            "due_at": scheduled_at,
            "send_state": {},
            "created_at": now,
            "updated_at": now,
        }
        ledger.append(open_ledger(row, event, now, scheduled_at=at))
        rows.append(row)
    return rows, ledger


def _require_plan(draft: PostDraft) -> None:
    if draft.is_draft:
        return
    if not draft.targets:
        raise InvalidInputError("name at least one platform", field="platforms", code="no_target")
    if draft.scheduled_at is None:
        raise InvalidInputError("a post needs a time unless it is a draft", field="scheduled_at")


def refuse_duplicates_of(session: Session, draft: PostDraft, *, except_post_id: str | None = None) -> None:
    """Refuse duplicates of a scheduled post. Drafts are not checked, because they are not sent."""
    if not draft.allow_duplicate and not draft.is_draft and draft.scheduled_at is not None:
        refuse_duplicates(session, draft.targets, draft.scheduled_at, except_post_id=except_post_id)
