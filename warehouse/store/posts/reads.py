"""Read posts: one post, a page, a calendar, and the ledger of each publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from warehouse.errors import NotFoundError
from warehouse.store.models import Post, Publication, PublicationAttempt
from warehouse.store.schedules.recurrence_models import RecurrenceOccurrence

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from connectors.types import Platform


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Filter for a list of posts. Empty = all."""

    statuses: tuple[str, ...] = ()
    platform: Platform | None = None
    account_id: str | None = None
    scheduled_from: datetime | None = None
    scheduled_to: datetime | None = None
    """Exclusive."""
    recurrence_id: str | None = None
    approval: str | None = None
    """pending, approved or rejected."""
    origin: str | None = "socialflow"
    """socialflow, external (found in an account's history), or None for both."""
    text: str | None = None
    """Words that the content contains, in any case."""
    publication_statuses: tuple[str, ...] = ()
    """A publication of the post has one of these."""


def get_post(session: Session, workspace_id: str, post_id: str) -> Post:
    """Return the post. Raises NotFoundError, also for a post of another workspace."""
    post = session.get(Post, post_id)
    if post is None or post.workspace_id != workspace_id or post.deleted_at is not None:
        raise NotFoundError(f"there is no post {post_id} in this workspace")
    return post


def find_contents(session: Session, workspace_id: str, post_ids: Collection[str]) -> dict[str, str]:
    """Return the common texts of those of these posts that have one, by post id."""
    if not post_ids:
        return {}
    query = select(Post.id, Post.content).where(Post.workspace_id == workspace_id, Post.id.in_(post_ids))
    return {post_id: content for post_id, content in session.execute(query) if content.strip()}


def list_posts(
    session: Session, workspace_id: str, wanted: PostFilter, *, before_id: str | None = None, limit: int = 20
) -> tuple[list[Post], bool]:
    """Return one page of posts, newest first, and whether more follow.

    The page starts after `before_id`: ids sort by creation, so concurrent changes do not shift pages.
    """
    query = select(Post).where(Post.workspace_id == workspace_id, *list_conditions(wanted))
    if before_id is not None:
        query = query.where(Post.id < before_id)
    rows = list(session.scalars(query.order_by(Post.id.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def search_posts(
    session: Session, workspace_id: str, wanted: PostFilter, *, soonest: bool, offset: int, limit: int
) -> tuple[list[Post], bool]:
    """Return one page of posts by their time, and whether more follow. `soonest`: earliest first, else latest first.

    A post without a time counts by its last change, one from a history by its publication, which its id begins with.
    For pages that a person leafs through: a change may shift them.
    """
    at = func.coalesce(Post.scheduled_at, Post.updated_at)
    order: tuple[Any, ...] = (at, Post.id) if soonest else (at.desc(), Post.id.desc())
    if wanted.origin == "external":
        order = order[1:]
    query = select(Post).where(Post.workspace_id == workspace_id, *list_conditions(wanted)).order_by(*order)
    rows = list(session.scalars(query.offset(offset).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def list_conditions(wanted: PostFilter) -> list[ColumnElement[bool]]:  # noqa: C901 (one condition a field)
    """Return the conditions of a filter, without that of the workspace."""
    conditions: list[ColumnElement[bool]] = [Post.deleted_at.is_(None)]
    if wanted.origin is not None:
        conditions.append(Post.origin == wanted.origin)
    if wanted.statuses:
        conditions.append(Post.status.in_(wanted.statuses))
    if wanted.scheduled_from is not None:
        conditions.append(Post.scheduled_at >= wanted.scheduled_from)
    if wanted.scheduled_to is not None:
        conditions.append(Post.scheduled_at < wanted.scheduled_to)
    if wanted.approval is not None:
        conditions.append(Post.approval_state == wanted.approval)
    if wanted.recurrence_id is not None:
        of_rule = RecurrenceOccurrence.recurrence_id == wanted.recurrence_id
        conditions.append(Post.id.in_(select(RecurrenceOccurrence.post_id).where(of_rule)))
    if wanted.text:
        conditions.append(Post.content.icontains(wanted.text, autoescape=True))
    if wanted.platform is not None or wanted.account_id is not None or wanted.publication_statuses:
        of_post = select(Publication.id).where(Publication.post_id == Post.id)
        if wanted.publication_statuses:
            of_post = of_post.where(Publication.status.in_(wanted.publication_statuses))
        if wanted.platform is not None:
            of_post = of_post.where(Publication.platform == wanted.platform.value)
        if wanted.account_id is not None:
            of_post = of_post.where(Publication.account_id == wanted.account_id)
        conditions.append(of_post.exists())
    return conditions


def list_calendar(
    session: Session,
    workspace_id: str,
    *,
    start: datetime,
    end: datetime,
    account_id: str | None = None,
    limit: int,
) -> list[tuple[Publication, Post]]:
    """Return publications scheduled in [start, end), earliest first, without canceled ones."""
    query = (
        select(Publication, Post)
        .join(Post, Post.id == Publication.post_id)
        .where(
            Post.workspace_id == workspace_id,
            Post.scheduled_at >= start,
            Post.scheduled_at < end,
            Post.deleted_at.is_(None),
            Publication.status != "canceled",
        )
        .order_by(Post.scheduled_at, Publication.id)
        .limit(limit)
    )
    if account_id is not None:
        query = query.where(Publication.account_id == account_id)
    return [(publication, post) for publication, post in session.execute(query)]


def list_history(
    session: Session,
    workspace_id: str,
    *,
    start: datetime,
    end: datetime,
    account_id: str | None = None,
    limit: int,
) -> list[tuple[Publication, Post]]:
    """Return publications found in accounts' histories, published in [start, end), the latest first."""
    query = (
        select(Publication, Post)
        .join(Post, Post.id == Publication.post_id)
        .where(
            Publication.workspace_id == workspace_id,
            Publication.published_at >= start,
            Publication.published_at < end,
            Post.origin == "external",
            Post.deleted_at.is_(None),
        )
        .order_by(Publication.published_at.desc(), Publication.id)
        .limit(limit)
    )
    if account_id is not None:
        query = query.where(Publication.account_id == account_id)
    return [(publication, post) for publication, post in session.execute(query)]


def list_publications(session: Session, post_ids: Collection[str]) -> dict[str, list[Publication]]:
    """Return the publications of these posts by post id, in order of creation."""
    found: dict[str, list[Publication]] = {post_id: [] for post_id in post_ids}
    query = select(Publication).where(Publication.post_id.in_(list(post_ids))).order_by(Publication.id)
    for publication in session.scalars(query):
        found[publication.post_id].append(publication)
    return found


def list_attempts(session: Session, publication_ids: Collection[str]) -> dict[str, list[PublicationAttempt]]:
    """Return the ledger of these publications by publication id, oldest event first."""
    found: dict[str, list[PublicationAttempt]] = {publication_id: [] for publication_id in publication_ids}
    query = (
        select(PublicationAttempt)
        .where(PublicationAttempt.publication_id.in_(list(publication_ids)))
        .order_by(PublicationAttempt.publication_id, PublicationAttempt.seq)
    )
    for row in session.scalars(query):
        found[row.publication_id].append(row)
    return found
