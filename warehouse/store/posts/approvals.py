"""Approvals: if a workspace requires approval, a post is sent only after its content and time are approved.

A waiting publication has the status `scheduled`, a reason, and no due time, so that no publisher query can find it.
A change after the approval needs a new approval. The ledger records who decided what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from connectors.capabilities import get_capabilities
from connectors.types import Media, Platform, PostContent
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.store.access.workspaces import read_settings
from warehouse.store.audit.log import record
from warehouse.store.models import Post, Publication
from warehouse.store.posts.reads import get_post
from warehouse.store.posts.versions import lock_publications, require_version, touch
from warehouse.store.publishing.events import announce_outcomes
from warehouse.store.publishing.ledger import LedgerEvent, append_events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session


MAX_REASON = 2000
PENDING, APPROVED, REJECTED = "pending", "approved", "rejected"
WAITING_CODE = "pending_approval"
WAITING_REASON = "waits for approval: nothing is sent before"


def ask_for_approval(session: Session, post: Post, now: datetime) -> None:
    """Request approval after a change if the workspace requires it or one is pending. Drafts need no approval.

    Call it in the transaction of the change, after the publications have their final state.
    """
    session.flush()
    rows = _publications(session, post)
    if all(row.status in ("draft", "canceled") for row in rows):
        return
    post.approved_media = None
    if read_settings(session, post.workspace_id).approval_required or post.approval_state == PENDING:
        post.approval_state = PENDING
        post.approval_at = now
        post.approval_by = post.approval_reason = None
    elif post.approval_state == REJECTED:
        post.approval_state = post.approval_at = post.approval_by = post.approval_reason = None
    hold_unapproved(session, post, now)


def hold_unapproved(session: Session, post: Post, now: datetime) -> None:
    """Remove the due time of the scheduled publications of a post that waits for approval."""
    if post.approval_state != PENDING:
        return
    session.flush()
    held = [
        row for row in _publications(session, post) if row.status == "scheduled" and row.due_at is not None
    ]
    for row in held:
        row.due_at = None
        row.reason_code, row.reason = WAITING_CODE, WAITING_REASON
        row.updated_at = now
    session.flush()
    append_events(session, [LedgerEvent(row.id, "approval_requested") for row in held], now=now)


def approve_post(
    session: Session,
    workspace_id: str,
    post_id: str,
    decided_by: str,
    now: datetime,
    *,
    max_lateness: timedelta,
    media_hashes: Mapping[str, str],
    expected_version: int | None = None,
) -> Post:
    """Approve a post: it is published at its time, or immediately if that has passed.

    `media_hashes`: SHA-256 (hex) of what `list_media_to_approve` returned, by URL, as
    `warehouse.planning.approvals.hash_media` reads it. Only these bytes are sent.
    A publication later than `max_lateness` needs a decision, like any late post. Raises ConflictError: nothing
    waits for approval, the post's media changed since they were read, or `expected_version` is not the current
    version (both code stale).
    """
    post = _lock_pending(session, workspace_id, post_id, expected_version)
    urls = [item.url for item in _fetched_media(session, post)]
    if not media_hashes.keys() >= set(urls):
        raise ConflictError(
            "the post's media were changed meanwhile: read the post again, then approve it", code="stale"
        )
    post.approved_media = {url: media_hashes[url] for url in urls} or None
    post.approval_state, post.approval_at, post.approval_by = APPROVED, now, decided_by
    post.approval_reason = None
    events = []
    for row in _waiting(session, post):
        row.updated_at = now
        if row.scheduled_at is not None and row.scheduled_at < now - max_lateness:
            row.status, row.reason_code = "needs_review", "too_late"
            row.reason = (
                "its time had passed when it was approved: send it now, set a new time, or discard it"
            )
        else:
            row.due_at = row.scheduled_at
            row.reason_code = row.reason = None
        detail = {"by": decided_by} | ({"message": row.reason} if row.reason else {})
        events.append(LedgerEvent(row.id, "approved", detail))
    append_events(session, events, now=now)
    touch(session, post, now)
    record(session, "post_approved", workspace_id, now, post_id, {"version": post.version})
    late = [event for event in events if "message" in event.detail]
    announce_outcomes(session, [LedgerEvent(event.publication_id, "needs_review") for event in late], now)
    return post


def list_media_to_approve(session: Session, workspace_id: str, post_id: str) -> list[Media]:
    """Return the media at URLs, each URL once, of a post that waits for approval; [] = nothing to read.

    Uploads are not among them: their bytes cannot change.
    """
    post = session.get(Post, post_id)
    if post is None or post.workspace_id != workspace_id or post.approval_state != PENDING:
        return []
    return _fetched_media(session, post)


def _fetched_media(session: Session, post: Post) -> list[Media]:
    media: dict[str, Media] = {}
    for row in _waiting(session, post):
        content = PostContent.model_validate(row.content)
        named = get_capabilities(Platform(row.platform)).options.of(content).list_media().values()
        media |= {item.url: item for item in (*content.all_media, *named) if item.upload_id is None}
    return list(media.values())


def reject_post(  # noqa: PLR0917 (who decides what, when)
    session: Session,
    workspace_id: str,
    post_id: str,
    decided_by: str,
    reason: str,
    now: datetime,
    *,
    expected_version: int | None = None,
) -> Post:
    """Return a post to its author as a draft, with the reason. Raises like `approve_post`, and without a reason."""
    if not reason.strip():
        raise InvalidInputError("give a reason, so that the author can correct the post", field="reason")
    if len(reason) > MAX_REASON:
        raise InvalidInputError(
            f"the reason has {len(reason)} characters, the limit is {MAX_REASON}: shorten it",
            field="reason",
            code="reason_too_long",
        )
    post = _lock_pending(session, workspace_id, post_id, expected_version)
    post.approval_state, post.approval_at, post.approval_by = REJECTED, now, decided_by
    post.approval_reason = reason.strip()
    rows = _waiting(session, post)
    for row in rows:
        row.status, row.scheduled_at = "draft", None
        row.reason_code, row.reason = "rejected", f"rejected: {post.approval_reason}"
        row.updated_at = now
    detail = {"by": decided_by, "message": post.approval_reason}
    append_events(session, [LedgerEvent(row.id, "rejected", detail) for row in rows], now=now)
    touch(session, post, now)
    record(session, "post_rejected", workspace_id, now, post_id, {"version": post.version})
    return post


def _lock_pending(session: Session, workspace_id: str, post_id: str, expected_version: int | None) -> Post:
    post = get_post(session, workspace_id, post_id)
    lock_publications(session, post)
    # Another request may have decided while this one waited for the lock, so read the current state.
    session.refresh(post)
    require_version(post, expected_version)
    if post.approval_state != PENDING or not _waiting(session, post):
        raise ConflictError(
            f"the post is {post.status} and does not wait for approval", code="not_pending_approval"
        )
    return post


def _waiting(session: Session, post: Post) -> list[Publication]:
    rows = _publications(session, post)
    return [row for row in rows if row.status == "scheduled" and row.due_at is None]


def _publications(session: Session, post: Post) -> list[Publication]:
    query = select(Publication).where(Publication.post_id == post.id).order_by(Publication.id)
    return list(session.scalars(query))
