"""How the time of each post was chosen, and a workspace's policy for timing experiments.

A post placed by the advice has the key "placement" in `posts.details`:

    {"kind": "recommended" | "random" | "exploration", "random_share": 0.2, "seed": 123, "acceptable": 97, ...}

A post without that key was placed by hand (`manual`): its author chose the time. Moving a post by hand removes the
key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Boolean, Float, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.errors import InvalidInputError
from warehouse.store.models import Base, Post, Publication, Workspace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import Session

MANUAL = "manual"
LARGEST_SHARE = 0.5
"""A larger random share than this would not speed up learning."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 500


class PlacementPolicy(Base):
    """A workspace's policy for timing experiments. No row = no experiments: always the best time."""

    __tablename__ = "placement_policies"

    workspace_id: Mapped[str] = mapped_column(String(40), ForeignKey("workspaces.id"), primary_key=True)
    random_share: Mapped[float] = mapped_column(Float, default=0.0)
    """Share of the posts placed by the advice that get a random acceptable time instead, 0 to LARGEST_SHARE."""
    weekly_exploration: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether one post a week tries a possibly better time with few measurements."""
    updated_at: Mapped[datetime]


class Planned(NamedTuple):
    """One post on one account that is scheduled, being sent, or published."""

    publication_id: str
    post_id: str
    account_id: str
    at: datetime
    """UTC: publishing time if published, else the scheduled time."""
    placement: str


def get_policy(session: Session, workspace_id: str) -> PlacementPolicy:
    """Return the workspace's policy, or a policy with everything off if none is set."""
    known = session.get(PlacementPolicy, workspace_id)
    return known or PlacementPolicy(
        workspace_id=workspace_id, random_share=0.0, weekly_exploration=False, updated_at=_NEVER
    )


def set_policy(
    session: Session,
    workspace_id: str,
    now: datetime,
    *,
    random_share: float | None = None,
    weekly_exploration: bool | None = None,
) -> PlacementPolicy:
    """Change the given values (None = unchanged) and return the policy. Raises InvalidInputError."""
    if random_share is not None and not 0 <= random_share <= LARGEST_SHARE:
        raise InvalidInputError(
            f"random_share is {random_share}: use 0 (off) to {LARGEST_SHARE}",
            field="random_share",
            code="invalid_share",
        )
    # Two concurrent first changes must not both create the row.
    session.execute(select(Workspace.id).where(Workspace.id == workspace_id).with_for_update())
    policy = get_policy(session, workspace_id)
    if random_share is not None:
        policy.random_share = random_share
    if weekly_exploration is not None:
        policy.weekly_exploration = weekly_exploration
    policy.updated_at = now
    session.add(policy)
    session.flush()
    return policy


def list_planned(
    session: Session,
    account_ids: Collection[str],
    *,
    start: datetime,
    end: datetime,
    except_post_id: str | None = None,
) -> list[Planned]:
    """Return all posts within [start, end) on these accounts, earliest first, also those published elsewhere.

    A published post counts at its publishing time. Drafts without a time, failed and canceled posts do not count.
    """
    at = Publication.scheduled_at
    found: list[Planned] = []
    for moment, statuses in (
        (at, ("scheduled", "claimed", "sending", "unknown", "needs_review")),
        (Publication.published_at, ("published",)),
    ):
        query = (
            select(Publication.id, Publication.post_id, Publication.account_id, moment, Post.details)
            .join(Post, Post.id == Publication.post_id)
            .where(
                Publication.account_id.in_(list(account_ids)),
                Publication.status.in_(statuses),
                moment >= start,
                moment < end,
            )
        )
        if except_post_id is not None:
            query = query.where(Publication.post_id != except_post_id)
        found += [
            Planned(publication_id, post_id, account_id, when, placement_of(details)["kind"])
            for publication_id, post_id, account_id, when, details in session.execute(query)
        ]
    return sorted(found, key=lambda planned: (planned.at, planned.publication_id))


def list_placements(session: Session, post_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return how each of these posts was placed, by post id; external posts are left out."""
    wanted = sorted(post_ids)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = select(Post.id, Post.details).where(
            Post.id.in_(wanted[start : start + _CHUNK]), Post.origin == "socialflow"
        )
        found |= {post_id: placement_of(details) for post_id, details in session.execute(query)}
    return found


def list_client_refs(session: Session, post_ids: Collection[str]) -> dict[str, str]:
    """Return the authors' own references of these posts, by post id; posts without one are left out."""
    wanted = sorted(post_ids)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = select(Post.id, Post.client_ref).where(
            Post.id.in_(wanted[start : start + _CHUNK]), Post.client_ref.is_not(None)
        )
        found |= {post_id: client_ref for post_id, client_ref in session.execute(query) if client_ref}
    return found


def placement_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a post with these details was placed: at least {"kind": ...}."""
    known: dict[str, Any] | None = details.get("placement")
    return known or {"kind": MANUAL}
