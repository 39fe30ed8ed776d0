"""Posts as the API shows them: rows of the store, and reports, become response models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.http.errors import ApiError
from api.http.schemas import ProblemEntry
from api.posts.schemas import (
    Attempt,
    PlacementOut,
    PostDetail,
    PostOut,
    PublicationDetail,
    PublicationOut,
    Scheduling,
)
from api.posts.schemas_bulk import BulkOut
from warehouse.errors import InvalidShapeError
from warehouse.scheduling.explanations import to_percent
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.publishing.story import tell_story
from warehouse.store.schedules.placements import MANUAL, placement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from warehouse.planning.bulk import BulkReport
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


def render_bulk(report: BulkReport) -> BulkOut:
    """Return the view of a report on many posts."""
    shown = BulkOut.model_validate(report, from_attributes=True)
    for row, told in zip(report.rows, shown.rows, strict=True):
        if row.code == InvalidShapeError.code:
            told.errors = [ProblemEntry.model_validate({**entry, "in": "body"}) for entry in row.errors]
    return shown


def refuse_rows(report: BulkOut) -> ApiError:
    """Return the problem of many posts of which nothing was saved since some rows are wrong."""
    bad = [row for row in report.rows if row.status == "failed"]
    first = bad[0].errors[0]
    return ApiError(
        422,
        "rows_refused",
        f"{len(bad)} of {report.total} rows are wrong, so nothing was saved (mode=each saves the others); "
        f"line {bad[0].line}: {first.detail}",
        errors=[
            {**entry.model_dump(), "pointer": f"/{place}{entry.pointer}", "line": row.line}
            for place, row in enumerate(report.rows)
            for entry in row.errors
        ],
        extra={"report": report.model_dump(mode="json")},
    )
