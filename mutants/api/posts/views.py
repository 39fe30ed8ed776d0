"""From the store's rows of a post to the shapes of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.posts.schemas import (
    Attempt,
    PlacementOut,
    PostDetail,
    PostOut,
    PublicationDetail,
    PublicationOut,
    Scheduling,
)
from warehouse.scheduling.explanations import to_percent
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.publishing.story import tell_story
from warehouse.store.schedules.placements import MANUAL, placement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from api.http.times import ResolvedTime
    from warehouse.store.models import Post, Publication, PublicationAttempt
    from warehouse.store.posts.idempotency import StoreSession as Session


def render_post(post: Post, publications: Sequence[Publication], warnings: Sequence[str] = ()) -> PostOut:
    """Return the view of a post in lists and as the answer to a change."""
    return PostOut(
        **_common(post, publications),
        publications=[PublicationOut(**_publication(row)) for row in publications],
        warnings=list(warnings),
    )


def render_post_detail(
    session: Session,
    post: Post,
    publications: Sequence[Publication],
    attempts: Mapping[str, Sequence[PublicationAttempt]],
    now: datetime,
) -> PostDetail:
    """Return the view of one post with each publication's story."""
    return PostDetail(
        **_common(post, publications),
        publications=[
            PublicationDetail(
                **_publication(row),
                content=row.content,
                story=tell_story(session, row, attempts.get(row.id, ()), now),
                ledger_problems=verify_ledger(session, row.id),
                attempts=[
                    Attempt(
                        seq=event.seq,
                        attempt=event.attempt,
                        event=event.event,
                        at=event.at,
                        detail=event.detail,
                    )
                    for event in attempts.get(row.id, ())
                ],
            )
            for row in publications
        ],
    )


def timing_details(resolved: ResolvedTime | None) -> dict[str, Any]:
    """Return how a time was found, as `posts.details` keeps it: under "scheduling" and "placement"."""
    return {
        "scheduling": scheduling_details(resolved),
        "placement": resolved.placement if resolved else None,
    }


def scheduling_details(resolved: ResolvedTime | None) -> dict[str, Any] | None:
    """Return how a time was found, as kept in `posts.details`."""
    if resolved is None:
        return None
    return {
        "requested": resolved.requested or None,
        "timezone": resolved.timezone,
        "resolution": resolved.resolution,
        "note": resolved.note,
    }


def render_placement(details: Mapping[str, Any]) -> PlacementOut:
    """Return how the time of a post with these details was found."""
    known = placement_of(details)
    if known["kind"] == MANUAL:
        return PlacementOut(kind=MANUAL)
    lift = to_percent(known["expected_lift"], known["lift_low"], known["lift_high"])
    return PlacementOut(
        kind=known["kind"],
        reason=known["reason"],
        expected_lift_pct=lift.lift,
        interval_80=(lift.low, lift.high),
        random_share=known["random_share"],
        seed=known["seed"],
        acceptable=known["acceptable"],
    )


def _common(post: Post, publications: Sequence[Publication]) -> dict[str, Any]:
    details = post.details
    scheduling = details.get("scheduling")
    # A canceled publication no longer is a target, unless the whole post was canceled.
    targets = [row for row in publications if row.status != "canceled"] or publications
    return {
        "id": post.id,
        "status": post.status,
        "content": post.content,
        "platforms": list(dict.fromkeys(row.platform for row in targets)),
        "account_ids": [row.account_id for row in targets],
        "scheduled_at": post.scheduled_at,
        "scheduling": Scheduling(**scheduling) if scheduling else None,
        "placement": render_placement(details),
        "media": details.get("media", []),
        "link": details.get("link"),
        "thread": details.get("thread", []),
        "first_comment": details.get("first_comment"),
        "variants": details.get("variants", {}),
        "client_ref": post.client_ref,
        "recurrence": details.get("recurrence"),
        "approval": _approval(post),
        "origin": post.origin,
        "created_at": post.created_at,
        "updated_at": post.updated_at,
        "version": post.version,
    }


def _approval(post: Post) -> dict[str, Any] | None:
    if post.approval_state is None:
        return None
    return {
        "state": post.approval_state,
        "at": post.approval_at,
        "by": post.approval_by,
        "reason": post.approval_reason,
    }


def _publication(row: Publication) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "platform": row.platform,
        "status": row.status,
        "reason_code": row.reason_code,
        "reason": row.reason,
        "scheduled_at": row.scheduled_at,
        "next_attempt_at": row.due_at if row.status == "scheduled" else None,
        "published_at": row.published_at,
        "external_id": row.external_id,
        "permalink": row.permalink,
        "attempt_count": row.attempts,
    }
