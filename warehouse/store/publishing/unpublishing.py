"""Deletion of published posts on their platforms: what may be deleted, and the ledger of each deletion.

`begin` commits the wish before a platform is asked, `record` its answer afterwards. Deleting is safe to repeat, so an
interrupted deletion is simply asked for again. The post stays published in the sense of its metrics, which are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from connectors.capabilities import get_capabilities
from connectors.types import Platform
from warehouse.errors import ConflictError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.publishing.events import announce_deleted
from warehouse.store.publishing.later_parts import FAILED, WAITING, cancel_rest
from warehouse.store.publishing.ledger import append_event

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Deletion:
    """One publication to delete, or the reason why it cannot be."""

    publication_id: str
    account_id: str
    platform: str
    external_id: str | None
    state: Mapping[str, Any]
    refusal: tuple[str, str] | None = None
    """Outcome and detail, where no platform is asked."""


def begin_unpublishing(
    session: Session, workspace_id: str, post_id: str, publication_ids: Collection[str], now: datetime
) -> list[Deletion]:
    """Return the publications of a post to delete; [] for `publication_ids` means all that are published.

    Raises NotFoundError, and ConflictError (code not_published) if none of them is published.
    """
    post = session.scalar(select(Post).where(Post.id == post_id, Post.workspace_id == workspace_id))
    if post is None:
        raise NotFoundError(f"there is no post {post_id} in this workspace")
    query = select(Publication).where(Publication.post_id == post_id).order_by(Publication.id)
    rows = list(session.scalars(query.with_for_update().execution_options(populate_existing=True)))
    known = {row.id for row in rows}
    for wanted in publication_ids:
        if wanted not in known:
            raise NotFoundError(f"there is no publication {wanted} of this post")
    if publication_ids:
        rows = [row for row in rows if row.id in set(publication_ids)]
    if not any(row.status == "published" for row in rows):
        raise ConflictError(
            "nothing of this post is published: cancel it instead, or resolve what needs review first",
            code="not_published",
        )
    deletions = [_plan(session, row) for row in rows if row.status == "published" or publication_ids]
    for deletion in deletions:
        if deletion.refusal is None:
            row = next(row for row in rows if row.id == deletion.publication_id)
            if row.rest in {WAITING, FAILED}:
                message = "the unpublished parts are canceled: the post is to be deleted"
                cancel_rest(session, row, now, message)
            append_event(session, deletion.publication_id, "unpublish_requested", now=now)
    asked = [one.publication_id for one in deletions if one.refusal is None]
    if asked:
        record(session, "post_unpublished", workspace_id, now, post_id, {"publications": asked})
    return deletions


def _plan(session: Session, row: Publication) -> Deletion:
    return Deletion(
        publication_id=row.id,
        account_id=row.account_id,
        platform=row.platform,
        external_id=row.external_id,
        state=row.send_state,
        refusal=_refuse(session, row),
    )


def _refuse(session: Session, row: Publication) -> tuple[str, str] | None:
    capabilities = get_capabilities(Platform(row.platform))
    account = session.get_one(AccountRow, row.account_id)
    if row.status != "published":
        return "not_published", f"the publication is {row.status}"
    if row.platform_deleted_at is not None:
        return "already_deleted", "it was deleted before"
    if not capabilities.supports_unpublish:
        return "unsupported", f"{capabilities.label} lets no app delete posts: delete it there"
    if row.external_id is None:
        return "unsupported", "its id on the platform is not known: delete it there"
    if account.credentials is None:
        return "failed", f"account {account.id} is {account.status}: connect it again first"
    return None


def record_unpublished(
    session: Session,
    publication_id: str,
    now: datetime,
    *,
    outcome: str,
    code: str | None,
    message: str | None,
) -> None:
    """Record the platform's answer in the ledger: outcome deleted, failed or unknown."""
    row = session.scalar(
        select(Publication)
        .where(Publication.id == publication_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError(f"there is no publication {publication_id}")
    if outcome != "deleted":
        append_event(session, row.id, f"unpublish_{outcome}", now=now, code=code, message=message)
        return
    if row.platform_deleted_at is None:
        row.platform_deleted_at = now
        row.next_snapshot_at = None
        row.updated_at = now
        post = session.get_one(Post, row.post_id)
        post.version += 1
        post.updated_at = now
        append_event(session, row.id, "unpublished", now=now)
        session.flush()
        announce_deleted(session, [row.id], now)
