"""Shared steps of every change to a post: lock its publications, check and increase its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from warehouse.errors import ConflictError
from warehouse.store.models import Publication
from warehouse.store.publishing.publications import refresh_post_status

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import Post


def lock_publications(session: Session, post: Post) -> list[Publication]:
    """Return the post's publications, locked for the caller's transaction."""
    query = select(Publication).where(Publication.post_id == post.id).order_by(Publication.id)
    return list(session.scalars(query.with_for_update().execution_options(populate_existing=True)))


def touch(session: Session, post: Post, now: datetime) -> None:
    """Increase the version by at least one, whether or not the derived status changed."""
    session.flush()
    refresh_post_status(session, [post.id], now)
    session.refresh(post)
    post.version += 1
    post.updated_at = now
    session.flush()


def require_version(post: Post, expected_version: int | None) -> None:
    """Raise ConflictError (code stale) if the post is not at the expected version."""
    if expected_version is not None and post.version != expected_version:
        raise ConflictError(
            "the post was changed since it was read: read it again and repeat the change", code="stale"
        )
