"""Edits of published posts on their platforms: what is asked for, what became of it, and the ledger of each edit.

`begin_edits` commits the wish before a platform is asked, `record_edit` its answer afterwards. From the first to the
second the outcome counts as unknown, so an interruption leaves nothing to repair. An edit is safe to repeat: connectors
read the post first. The publication's content changes only when the platform has confirmed the edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from sqlalchemy import select

from connectors.types import PostContent
from warehouse.errors import ConflictError, NotFoundError
from warehouse.store.models import Post, Publication
from warehouse.store.publishing.events import announce_edited
from warehouse.store.publishing.ledger import append_event
from warehouse.store.publishing.publications import payload_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

EditState = Literal["done", "failed", "refused", "unknown"]
LEASE = timedelta(minutes=3)
"""Longer than the requests of one edit take: until then a second edit of the publication is refused."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit that the store has recorded and the platform is to make."""

    publication_id: str
    account_id: str
    platform: str
    external_id: str
    before: tuple[PostContent, ...]
    """What the post may say now."""
    after: PostContent
    state: Mapping[str, Any]
    """As the connector saved it when it published."""
    token: str
    """Tells this edit from a later one of the same publication."""


def needs_edit(row: Publication, wanted: PostContent) -> bool:
    """Return whether the published post does not certainly say `wanted`."""
    return row.payload_hash != payload_hash(wanted) or bool(_maybe_published(row))


def require_no_edit_in_progress(row: Publication, now: datetime) -> None:
    """Raise ConflictError (code edit_in_progress) while the platform is asked for another edit."""
    until = (row.edit or {}).get("lease_until")
    if until is not None and datetime.fromisoformat(until) > now:
        raise ConflictError(
            f"the post is being edited on {row.platform} right now: repeat this in a minute",
            code="edit_in_progress",
        )


def begin_edit(session: Session, row: Publication, wanted: PostContent, now: datetime) -> Edit:
    """Record that a published post is to say `wanted`. The caller has locked the row and asked `needs_edit`."""
    require_no_edit_in_progress(row, now)
    if row.external_id is None:
        raise ConflictError("the post's id on the platform is not known: edit it there", code="not_editable")
    maybe = _maybe_published(row)
    edit = Edit(
        publication_id=row.id,
        account_id=row.account_id,
        platform=row.platform,
        external_id=row.external_id,
        before=tuple(PostContent.model_validate(content) for content in (row.content, *maybe)),
        after=wanted,
        state=row.send_state,
        token=uuid4().hex,
    )
    row.edit = {
        "state": "unknown",
        "token": edit.token,
        "requested_at": now.isoformat(),
        "lease_until": (now + LEASE).isoformat(),
        "message": "the edit is in progress; if this does not change, repeat the edit",
        "maybe": _add(maybe, wanted),
    }
    row.updated_at = now
    append_event(session, row.id, "edit_requested", now=now)
    return edit


def refuse_edit(session: Session, row: Publication, now: datetime, *, code: str, message: str) -> None:
    """Record that a published post cannot be edited as asked; the platform is not asked."""
    row.edit = {
        "state": "refused",
        "requested_at": now.isoformat(),
        "finished_at": now.isoformat(),
        "code": code,
        "message": message,
        "maybe": _maybe_published(row),
    }
    row.updated_at = now
    append_event(session, row.id, "edit_refused", now=now, code=code, message=message)


def record_edit(
    session: Session,
    edit: Edit,
    now: datetime,
    *,
    outcome: EditState,
    code: str | None = None,
    message: str | None = None,
) -> None:
    """Record the platform's answer: in the ledger, and with the publication unless a later edit has taken over."""
    query = select(Publication).where(Publication.id == edit.publication_id).with_for_update()
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise NotFoundError(f"there is no publication {edit.publication_id}")
    known = row.edit or {}
    if known.get("token") == edit.token:
        maybe = known.get("maybe", [])
        if outcome == "failed":
            # Certainly not made: only what earlier edits left unclear remains so.
            maybe = [_dump(content) for content in edit.before[1:]]
        row.edit = {
            "state": outcome,
            "requested_at": known["requested_at"],
            "finished_at": now.isoformat(),
            "code": code,
            "message": message,
            "maybe": [] if outcome == "done" else maybe,
        }
        row.updated_at = now
        if outcome == "done":
            row.content = _dump(edit.after)
            row.content_kind = edit.after.kind
            row.payload_hash = payload_hash(edit.after)
            row.edited_at = now
        post = session.get_one(Post, row.post_id)
        post.version += 1
        post.updated_at = now
    append_event(session, row.id, f"edit_{outcome}", now=now, code=code, message=message)
    if outcome == "done":
        announce_edited(session, [row.id], now)


def describe_edit(row: Publication) -> dict[str, Any] | None:
    """Return the last edit of a published post as all interfaces show it; None = there was none."""
    if row.edit is None:
        return None
    return {
        "state": row.edit["state"],
        "requested_at": row.edit["requested_at"],
        "finished_at": row.edit.get("finished_at"),
        "code": row.edit.get("code"),
        "detail": row.edit.get("message"),
    }


def _maybe_published(row: Publication) -> list[dict[str, Any]]:
    """Return contents that edits of unknown outcome may have given the post."""
    return list((row.edit or {}).get("maybe") or ())


def _add(contents: list[dict[str, Any]], content: PostContent) -> list[dict[str, Any]]:
    dumped = _dump(content)
    return contents if dumped in contents else [*contents, dumped]


def _dump(content: PostContent) -> dict[str, Any]:
    return content.model_dump(mode="json")
