"""A person's word on whether published posts were promoted for money, which the optimal times obey.

It counts before what the platform or an imported file says, and can be taken back. The lake learns of it with the next
run that computes optimal times (`warehouse.lake.dimensions.sync_marks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.errors import ConflictError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.posts.reads import get_post
from warehouse.store.posts.versions import lock_publications, touch

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import Post


def mark_paid(
    session: Session,
    workspace_id: str,
    post_id: str,
    paid: bool | None,  # noqa: FBT001 (three values, none of which is a switch)
    now: datetime,
    *,
    publication_ids: Collection[str] = (),
) -> Post:
    """Mark the published publications of a post as promoted (True), not promoted (False), or take the mark back (None).

    `publication_ids`: only these; none = all that are published. Marking again changes nothing. Raises NotFoundError,
    and ConflictError (code not_published) if one of those named, or all, are not published.
    """
    post = get_post(session, workspace_id, post_id)
    rows = lock_publications(session, post)
    if unknown := set(publication_ids) - {row.id for row in rows}:
        raise NotFoundError(f"post {post_id} has no publication {min(unknown)}")
    named = [row for row in rows if row.id in set(publication_ids)]
    chosen = named or [row for row in rows if row.status == "published"]
    waiting = next((row for row in chosen if row.status != "published"), None)
    if not chosen or waiting is not None:
        what = f"publication {waiting.id} is {waiting.status}" if waiting else f"the post is {post.status}"
        raise ConflictError(f"{what}: only what is published is marked as promoted", code="not_published")
    changed = [row for row in chosen if row.marked_paid is not paid]
    for row in changed:
        row.marked_paid = paid
        row.updated_at = now
    if changed:
        detail = {"publications": [row.id for row in changed], "paid": paid}
        record(session, "post_marked_paid", workspace_id, now, post_id, detail)
        touch(session, post, now)
    return post
