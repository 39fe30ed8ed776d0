"""Other publications of an account that a look-up must exclude from its search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from connectors.types import PostContent
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session


_MAYBE_OUT = ("sending", "unknown", "needs_review")


@dataclass(frozen=True, slots=True)
class OtherPublications:
    """The other publications of one account, to exclude their posts from a look-up."""

    taken: frozenset[str]
    """Known ids on the platform that belong to them."""
    open: tuple[PostContent, ...]
    """Contents of those that may be published without a known id: being sent, or outcome unknown."""
    settling: bool
    """Whether some of these are still looking up which post is theirs."""


def read_other_publications(
    session: Session, account_id: str, *, since: datetime, except_id: str
) -> OtherPublications:
    """Return the account's other publications that may have a post on the platform since that time."""
    query = select(
        Publication.status,
        Publication.attempts,
        Publication.external_id,
        Publication.send_state,
        Publication.content,
    ).where(
        Publication.account_id == account_id,
        Publication.id != except_id,
        or_(
            Publication.published_at >= since,
            Publication.updated_at >= since,
            Publication.status.in_(_MAYBE_OUT),
        ),
    )
    taken: set[str] = set()
    contents: list[PostContent] = []
    settling = False
    for row in session.execute(query):
        if row.external_id is not None:
            taken.add(row.external_id)
        taken |= _list_parts(row.send_state)
        if row.external_id is None and row.attempts > 0 and row.status in _MAYBE_OUT:
            contents.append(PostContent.model_validate(row.content))
            settling |= row.status != "needs_review"
    return OtherPublications(frozenset(taken), tuple(contents), settling)


def _list_parts(state: Mapping[str, Any] | None) -> set[str]:
    """Return the ids of the thread parts that are already published, from the connector's saved state."""
    return {str(part["id"]) for part in (state or {}).get("sent_parts", ())}
