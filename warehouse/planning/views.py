"""Turn stored posts and recurrence rules into the plain values that all interfaces show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.planning.recurrences import list_upcoming
from warehouse.scheduling.explanations import to_percent
from warehouse.scheduling.occurrences import posts_of, rule_of
from warehouse.store.publishing.editing import describe_edit
from warehouse.store.publishing.later_parts import WAITING, count_parts
from warehouse.store.publishing.ledger import check_ledger
from warehouse.store.publishing.story import tell_story
from warehouse.store.schedules.placements import MANUAL, placement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import Post, Publication, PublicationAttempt
    from warehouse.store.schedules.recurrence_models import Recurrence

UPCOMING = 5
"""Number of upcoming occurrences shown with a rule."""


def describe_post(
    post: Post, publications: Sequence[Publication], warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a post as shown in lists and in the response to a change."""
    shown = _describe_fields(post, publications)
    return {
        **shown,
        "publications": [describe_publication(row) for row in publications],
        "warnings": list(warnings),
    }


def describe_post_detail(
    session: Session,
    post: Post,
    publications: Sequence[Publication],
    attempts: Mapping[str, Sequence[PublicationAttempt]],
    now: datetime,
) -> dict[str, Any]:
    """Return one post with the history of each publication: all its events, as `read_ledgers` returns them."""
    return {
        **_describe_fields(post, publications),
        "publications": [
            {
                **describe_publication(row),
                "content": row.content,
                "story": tell_story(session, row, attempts.get(row.id, ()), now),
                "ledger_problems": check_ledger(row, attempts.get(row.id, ())),
                "attempts": [
                    {
                        "seq": event.seq,
                        "attempt": event.attempt,
                        "event": event.event,
                        "at": event.at,
                        "detail": event.detail,
                    }
                    for event in attempts.get(row.id, ())
                ],
            }
            for row in publications
        ],
    }


def describe_publication(row: Publication) -> dict[str, Any]:
    """Return one publication of a post."""
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
        "deleted_at": row.platform_deleted_at,
        "marked_paid": row.marked_paid,
        "edited_at": row.edited_at,
        "edit": describe_edit(row),
        "attempt_count": row.attempts,
        "later_parts": _describe_rest(row),
    }


def _describe_rest(row: Publication) -> dict[str, Any] | None:
    """Return what becomes of the parts that are published later; None = the publication has none, or all are out."""
    if row.rest is None:
        return None
    sent, total = count_parts(row)
    return {
        "status": row.rest,
        "published": sent,
        "total": total,
        "next_part_at": row.rest_at if row.rest == WAITING else None,
    }


def describe_placement(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the time of a post with these details was found."""
    known = placement_of(details)
    if known["kind"] == MANUAL:
        unplaced = ("reason", "expected_lift_pct", "interval_80", "random_share", "seed", "acceptable")
        return {"kind": MANUAL, **dict.fromkeys(unplaced)}
    lift = to_percent(known["expected_lift"], known["lift_low"], known["lift_high"])
    return {
        "kind": known["kind"],
        "reason": known["reason"],
        "expected_lift_pct": lift.lift,
        "interval_80": (lift.low, lift.high),
        "random_share": known["random_share"],
        "seed": known["seed"],
        "acceptable": known["acceptable"],
    }


def describe_recurrence(
    session: Session, row: Recurrence, now: datetime, warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a recurrence rule with its next occurrences and the posts created for them."""
    upcoming, _ = list_upcoming(rule_of(row), now, UPCOMING)
    posts = posts_of(session, row.id, after=now)
    return {
        "id": row.id,
        "rrule": row.rrule,
        "starts_at": row.starts_at,
        "timezone": row.timezone,
        "exdates": row.skipped,
        "content": row.content,
        "account_ids": sorted(row.contents),
        **_describe_wording(row.details),
        "client_ref": row.client_ref,
        "made_until": row.made_until,
        "upcoming": [{**one._asdict(), "post_id": posts.get(one.occurrence)} for one in upcoming],
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "version": row.version,
        "warnings": list(warnings),
    }


def _describe_fields(post: Post, publications: Sequence[Publication]) -> dict[str, Any]:
    details = post.details
    # A canceled publication is no longer a target, unless the whole post was canceled.
    targets = [row for row in publications if row.status != "canceled"] or publications
    return {
        "id": post.id,
        "status": post.status,
        "content": post.content,
        "platforms": list(dict.fromkeys(row.platform for row in targets)),
        "account_ids": [row.account_id for row in targets],
        "scheduled_at": post.scheduled_at,
        "scheduling": details.get("scheduling") or None,
        "placement": describe_placement(details),
        **_describe_wording(details),
        "client_ref": post.client_ref,
        "recurrence": details.get("recurrence"),
        "approval": _describe_approval(post),
        "origin": post.origin,
        "created_at": post.created_at,
        "updated_at": post.updated_at,
        "version": post.version,
    }


def _describe_wording(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "media": details.get("media", []),
        "link": details.get("link"),
        "thread": details.get("thread", []),
        "first_comment": details.get("first_comment"),
        "options": details.get("options", {}),
        "variants": details.get("variants", {}),
    }


def _describe_approval(post: Post) -> dict[str, Any] | None:
    if post.approval_state is None:
        return None
    return {
        "state": post.approval_state,
        "at": post.approval_at,
        "by": post.approval_by,
        "reason": post.approval_reason,
        "media": [
            {"url": url, "sha256": sha256} for url, sha256 in sorted((post.approved_media or {}).items())
        ],
    }
