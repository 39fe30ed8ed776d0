"""The duplicate guard: the same content twice on one account is almost always a repeated request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from warehouse.errors import ConflictError
from warehouse.store.models import Publication
from warehouse.store.publications import payload_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import PostContent
    from warehouse.store.models import AccountRow

DUPLICATE_WINDOW = timedelta(hours=24)
"""The same content on the same account, planned or published closer together than this, is a duplicate."""


@dataclass(frozen=True, slots=True)
class Target:
    """One account that a post goes to, and exactly what it is to say there."""

    account: AccountRow
    content: PostContent


def refuse_duplicates(
    session: Session, targets: Sequence[Target], scheduled_at: datetime, *, except_post_id: str | None = None
) -> None:
    """Raise ConflictError (code duplicate, with the existing post's id) where a target would say the same twice."""
    at = func.coalesce(Publication.published_at, Publication.scheduled_at)
    for target in targets:
        query = select(Publication.post_id).where(
            Publication.account_id == target.account.id,
            Publication.payload_hash == payload_hash(target.content),
            Publication.status.not_in(("draft", "canceled", "failed")),
            at > scheduled_at - DUPLICATE_WINDOW,
            at < scheduled_at + DUPLICATE_WINDOW,
        )
        if except_post_id is not None:
            query = query.where(Publication.post_id != except_post_id)
        existing = session.scalars(query.order_by(Publication.post_id).limit(1)).one_or_none()
        if existing is not None:
            raise ConflictError(
                f"post {existing} says the same on {target.account.platform} (@{target.account.handle}) "
                "within 24 hours: set allow_duplicate to true if that is intended",
                code="duplicate",
                existing_id=existing,
            )
