"""Convert posts and reports of the store to API schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.http.errors import ApiError
from api.http.schemas import ProblemEntry
from api.posts.schemas import PlacementOut, PostDetail, PostOut
from api.posts.schemas_bulk import BulkOut
from warehouse.errors import InvalidShapeError
from warehouse.planning.views import describe_placement, describe_post, describe_post_detail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from warehouse.planning.bulk import BulkReport
    from warehouse.store.models import Post, Publication, PublicationAttempt
    from warehouse.store.posts.idempotency import StoreSession as Session


def render_post(post: Post, publications: Sequence[Publication], warnings: Sequence[str] = ()) -> PostOut:
    """Return the response model of a post in lists and after a change."""
    return PostOut.model_validate(describe_post(post, publications, warnings))


def render_post_detail(
    session: Session,
    post: Post,
    publications: Sequence[Publication],
    attempts: Mapping[str, Sequence[PublicationAttempt]],
    now: datetime,
) -> PostDetail:
    """Return the response model of a post with each publication's history."""
    return PostDetail.model_validate(describe_post_detail(session, post, publications, attempts, now))


def render_placement(details: Mapping[str, Any]) -> PlacementOut:
    """Return how the time of a post with these details was found."""
    return PlacementOut.model_validate(describe_placement(details))


def render_bulk(report: BulkReport) -> BulkOut:
    """Return the response model of a bulk report."""
    shown = BulkOut.model_validate(report, from_attributes=True)
    for row, told in zip(report.rows, shown.rows, strict=True):
        if row.code == InvalidShapeError.code:
            told.errors = [ProblemEntry.model_validate({**entry, "in": "body"}) for entry in row.errors]
    return shown


def refuse_rows(report: BulkOut) -> ApiError:
    """Return the problem document for a bulk request that saved nothing because some rows are invalid."""
    bad = [row for row in report.rows if row.status == "failed"]
    first = bad[0].errors[0]
    return ApiError(
        422,
        "rows_refused",
        f"{len(bad)} of {report.total} rows are invalid, so nothing was saved (mode=each saves the others); "
        f"line {bad[0].line}: {first.detail}",
        errors=[
            {**entry.model_dump(), "pointer": f"/{place}{entry.pointer}", "line": row.line}
            for place, row in enumerate(report.rows)
            for entry in row.errors
        ],
        extra={"report": report.model_dump(mode="json")},
    )
