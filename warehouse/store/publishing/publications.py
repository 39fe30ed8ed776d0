"""The state machine of a publication before it is sent: schedule, edit, cancel, derive the post's status.

    draft -> scheduled -> claimed -> sending -> published
                  ^          |          |-> failed       the platform rejected it
                  |          |          |-> scheduled    certainly not sent: retry
                  |          |          '-> unknown      may be published -> published | scheduled | needs_review
                  '---- lease expired, nothing sent yet
    scheduled -> canceled

This module has the transitions made by users; `claims`, `outcomes` and `recovery` have the publisher's.
Every transition appends to the ledger and refreshes the post's derived status in the same transaction.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.models import Post, Publication
from warehouse.store.publishing.events import announce_outcomes
from warehouse.store.publishing.later_parts import (
    CANCELED,
    FAILED,
    WAITING,
    cancel_rest,
    count_parts,
    end_rest,
)
from warehouse.store.publishing.ledger import LedgerEvent, append_event, append_events

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import PostContent

MAX_EXTERNAL_ID = 300
"""Characters; the length of the column."""
EDITABLE = frozenset({"draft", "scheduled", "needs_review", "failed"})
IN_FLIGHT = frozenset({"claimed", "sending", "unknown"})


def payload_hash(content: PostContent) -> str:
    """Return the sha256 of the content's canonical JSON, which is exactly what is sent."""
    return hash_payload(content.model_dump(mode="json"))


def hash_payload(payload: Mapping[str, Any]) -> str:
    """Return the fingerprint of a content that is already JSON."""
    return hashlib.sha256(canonical_payload(payload).encode()).hexdigest()


def canonical_payload(payload: Mapping[str, Any]) -> str:
    """Return the JSON that the fingerprint of a content is made from."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))


def get_publication(session: Session, workspace_id: str, publication_id: str) -> Publication:
    """Return the publication, locked for the caller's transaction. Raises NotFoundError."""
    query = select(Publication).where(
        Publication.id == publication_id, Publication.workspace_id == workspace_id
    )
    # The lock (a no-op on SQLite, which has one writer) keeps a publisher from claiming it meanwhile.
    publication = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if publication is None:
        raise NotFoundError(f"there is no publication {publication_id} in this workspace")
    return publication


def reschedule_publication(
    session: Session,
    publication: Publication,
    scheduled_at: datetime,
    now: datetime,
    *,
    event: str = "scheduled",
) -> None:
    """Set the publishing time; a draft becomes scheduled. Raises ConflictError once claimed."""
    require_editable(publication)
    _require_not_ambiguous(publication)
    publication.status = "scheduled"
    publication.scheduled_at = publication.due_at = scheduled_at
    publication.reason_code = publication.reason = None
    publication.updated_at = now
    append_event(session, publication.id, event, now=now, scheduled_at=scheduled_at.isoformat())
    refresh_post_status(session, [publication.post_id], now)


def change_content(session: Session, publication: Publication, content: PostContent, now: datetime) -> None:
    """Replace the content. Raises ConflictError once claimed, and for a partly published thread."""
    require_editable(publication)
    _require_not_ambiguous(publication)
    if publication.send_state.get("sent_parts"):
        raise ConflictError(
            "part of this thread is already published: cancel it, or retry it unchanged",
            code="partly_published",
        )
    publication.content = content.model_dump(mode="json")
    publication.content_kind = content.kind
    publication.payload_hash = payload_hash(content)
    # The connector's saved state belongs to the old content (a container, a full record).
    publication.send_state = {}
    publication.first_attempt_at = None
    publication.updated_at = now
    append_event(session, publication.id, "edited", now=now)


def cancel_publication(session: Session, publication: Publication, now: datetime) -> None:
    """Cancel an unsent publication, or the later parts of a published one.

    Raises ConflictError once claimed, and if nothing is left to send.
    """
    if publication.status == "canceled":
        return
    if publication.rest == WAITING and publication.status in {"published", "needs_review"}:
        cancel_rest(session, publication, now, "the unpublished parts were canceled")
        refresh_post_status(session, [publication.post_id], now)
        return
    require_editable(publication)
    publication.status = "canceled"
    publication.due_at = None
    publication.reason_code = publication.reason = None
    publication.updated_at = now
    append_event(session, publication.id, "canceled", now=now)
    refresh_post_status(session, [publication.post_id], now)


def retry_publication(session: Session, publication: Publication, now: datetime) -> None:
    """Send a failed publication again, at once. Raises ConflictError for any other status."""
    if publication.status == "published" and publication.rest == FAILED:
        publication.rest, publication.rest_at, publication.due_at = WAITING, now, now
        publication.reason_code = publication.reason = None
        publication.updated_at = now
        append_event(session, publication.id, "retry_by_hand", now=now)
        refresh_post_status(session, [publication.post_id], now)
        return
    if publication.status != "failed":
        remedy = (
            "decide it with resolve"
            if publication.status == "needs_review"
            else "only a failed one is retried"
        )
        raise ConflictError(f"the publication is {publication.status}: {remedy}", code="not_failed")
    reschedule_publication(session, publication, now, now, event="retry_by_hand")


def resolve_review(
    session: Session,
    publication: Publication,
    decision: str,
    now: datetime,
    *,
    external_id: str | None = None,
) -> None:
    """Apply a person's decision on a `needs_review` publication.

    `published`: it was published (with external_id its metrics can be read); `send`: send it now; `discard`:
    do not send it. Raises ConflictError if no decision is pending, InvalidInputError for another decision.
    """
    if publication.status != "needs_review":
        raise ConflictError(
            f"the publication is {publication.status}: there is nothing to decide", code="not_in_review"
        )
    if external_id is not None and len(external_id) > MAX_EXTERNAL_ID:
        raise InvalidInputError(
            f"the external id has {len(external_id)} characters, at most {MAX_EXTERNAL_ID} are taken: check it",
            field="external_id",
            code="external_id_too_long",
        )
    if publication.rest == WAITING:
        _resolve_rest(publication, decision, external_id, now)
    elif decision == "published":
        _require_free(session, publication, external_id)
        publication.status = "published"
        publication.external_id = external_id
        publication.published_at = publication.first_attempt_at or now
        publication.next_snapshot_at = now if external_id else None
        publication.due_at = None
    elif decision == "send":
        publication.status = "scheduled"
        publication.scheduled_at = publication.due_at = now
    elif decision == "discard":
        publication.status = "canceled"
        publication.due_at = None
    else:
        raise InvalidInputError(
            f"unknown decision {decision!r}: use published, send or discard", field="decision"
        )
    publication.reason_code = publication.reason = None
    publication.unknown_since = None
    publication.updated_at = now
    event = LedgerEvent(publication.id, "resolved", {"decision": decision, "external_id": external_id})
    append_events(session, [event], now=now)
    refresh_post_status(session, [publication.post_id], now)
    announce_outcomes(session, [event], now)


def _resolve_rest(publication: Publication, decision: str, external_id: str | None, now: datetime) -> None:
    """Apply a decision on a later part: the post itself is out in any case."""
    if decision == "send":
        publication.status = "published"
        publication.rest_at = publication.due_at = now
        return
    if decision not in {"published", "discard"}:
        raise InvalidInputError(
            f"unknown decision {decision!r}: use published, send or discard", field="decision"
        )
    sent, total = count_parts(publication)
    if decision == "published" and external_id is not None:
        # Known from here on: deleting the post deletes this part as well.
        part = {"id": external_id, "permalink": None, "published_at": now.isoformat(), "cid": None}
        parts = [*(publication.send_state.get("sent_parts") or ()), part]
        publication.send_state = {**publication.send_state, "sent_parts": parts}
    all_out = decision == "published" and sent + 1 >= total
    end_rest(publication, None if all_out else CANCELED)


def _require_free(session: Session, publication: Publication, external_id: str | None) -> None:
    query = select(Publication).where(
        Publication.account_id == publication.account_id,
        Publication.external_id == external_id,
        Publication.id != publication.id,
    )
    known = session.scalar(query) if external_id else None
    if known is not None:
        raise ConflictError(
            f"{external_id} is known as publication {known.id} of {known.post_id}: check the id, or leave it out",
            code="external_id_taken",
            existing_id=known.post_id,
        )


def require_editable(publication: Publication) -> None:
    """Raise ConflictError, with the reason, unless the publication can still be changed."""
    if publication.status in EDITABLE:
        return
    if publication.status in IN_FLIGHT:
        raise ConflictError(
            f"the publication on {publication.platform} is {publication.status}: it is being sent and can no "
            "longer be changed",
            code="already_claimed",
        )
    raise ConflictError(
        f"the publication on {publication.platform} is {publication.status}: that is final",
        code="final_status",
    )


def _require_not_ambiguous(publication: Publication) -> None:
    if publication.status == "needs_review" and publication.attempts > 0:
        raise ConflictError(
            "this publication may already be published: resolve it first (published, send or discard)",
            code="needs_review",
        )


def _statuses_with_rest(status: str, rest: str | None) -> tuple[str, ...]:
    """Return the statuses for which a publication counts: one whose first part is out is published for its post."""
    if rest == FAILED:
        return ("published", "failed")
    if rest == WAITING and status != "needs_review":
        return ("published",)
    return (status,)


def derive_post_status(counts: Mapping[str, int]) -> str:
    """Return a post's status from the number of its publications in each status."""
    alive = {status for status, count in counts.items() if count and status != "canceled"}
    if not alive:
        return "canceled"
    if len(alive) == 1 and alive <= {"draft", "scheduled", "published", "failed"}:
        return next(iter(alive))
    if alive == {"published", "failed"}:
        return "partially_published"
    if alive == {"draft", "scheduled"}:
        return "scheduled"
    return "publishing"


def refresh_post_status(session: Session, post_ids: Collection[str], now: datetime) -> None:
    """Update `posts.status` from the publications, in the caller's transaction."""
    session.flush()
    columns = (Publication.post_id, Publication.status, Publication.rest)
    query = select(*columns, func.count()).where(Publication.post_id.in_(set(post_ids)))
    counts: dict[str, dict[str, int]] = {}
    for post_id, status, rest, count in session.execute(query.group_by(*columns)):
        of_post = counts.setdefault(post_id, {})
        for shown in _statuses_with_rest(status, rest):
            of_post[shown] = of_post.get(shown, 0) + count
    by_status: dict[str, list[str]] = {}
    for post_id, of_post in counts.items():
        by_status.setdefault(derive_post_status(of_post), []).append(post_id)
    for status, ids in by_status.items():
        session.execute(
            update(Post)
            .where(Post.id.in_(ids), Post.status != status)
            .values(status=status, version=Post.version + 1, updated_at=now)
            .execution_options(synchronize_session="fetch")
        )


def note_publishing(session: Session, post_ids: Collection[str], now: datetime) -> None:
    """Update the status of posts of which a publication has just been claimed: whatever the others are.

    Locked in one order, because publishers claim publications of the same post at the same time.
    """
    if not post_ids:
        return
    ready = select(Post.id).where(Post.id.in_(post_ids), Post.status != "publishing").order_by(Post.id)
    session.execute(
        update(Post)
        .where(Post.id.in_(ready.with_for_update()))
        .values(status="publishing", version=Post.version + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
