"""Endpoints of post metrics: a ranking at equal age, and the metrics of one post over time."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from api.analytics.schemas import Age, Metric, PostMetricsOut, RankingOut
from api.http.dependencies import Analyst, ServicesDep
from api.http.errors import problem_at
from api.http.lake_responses import UNCHANGED, IfNoneMatch, answer_cached
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.periods import AskedPeriodDep
from api.http.schemas import problems
from warehouse.lake.queries.posts import get_post_metrics, rank_posts
from warehouse.platforms import parse_platform
from warehouse.scheduling.periods import AskedPeriod
from warehouse.store.accounts.accounts import get_account
from warehouse.store.posts.reads import get_post

router = APIRouter(prefix="/analytics/posts", tags=["Analytics"])


@router.get(
    "",
    operation_id="rank_posts",
    summary="Rank the posts of a period",
    response_model=RankingOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_ranking(
    request: Request,
    services: ServicesDep,
    caller: Analyst,
    period: AskedPeriodDep,
    *,
    sort: Annotated[Metric, Query(description="Best first.")] = "engagement",
    age: Annotated[
        Age,
        Query(description="Compare posts at this age; latest = by their newest metrics, regardless of age."),
    ] = "24h",
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Rank the posts published in a period at equal age; only publications that match the filter count.

    A post without a measurement near that age is not ranked; `unranked` counts those posts.
    """
    if account_id is not None:
        with services.store.read() as session:
            get_account(session, caller.workspace_id, account_id)
    asked: dict[str, Any] = {
        "workspace_id": caller.workspace_id,
        "metric": sort,
        "age": None if age == "latest" else age,
        "platform": parse_platform(platform) if platform else None,
        "account_id": account_id,
    }
    bound_to = {"list": "ranked_posts", "period": period.written, **asked}
    place = _read_place(decode_cursor(cursor, bound_to))
    if place is None:
        snapshot_id, after = services.lake.snapshot_id(), None
    else:
        # Later pages use the time and the snapshot of the first page.
        snapshot_id, period, after = place
    asked |= {"start": period.start, "end": period.end, "after": after, "limit": limit}

    def make() -> RankingOut:
        found = rank_posts(services.lake, snapshot_id=snapshot_id, **asked)
        next_cursor = None
        if found.has_more:
            last = found.rows[-1]
            next_cursor = encode_cursor(_write_place(snapshot_id, period, last), bound_to)
        return RankingOut.model_validate(
            {
                "data": found.rows,
                "has_more": found.has_more,
                "next_cursor": next_cursor,
                "age": age,
                "sort": sort,
                "period": {"from": period.start, "to": period.end},
                "ranked": found.ranked,
                "unranked": found.unranked,
            }
        )

    response = answer_cached(services, "ranked_posts", asked, if_none_match, make, snapshot_id=snapshot_id)
    if response.body and (following := orjson.loads(response.body)["next_cursor"]):
        response.headers["Link"] = next_link(request, following)
    return response


def _write_place(snapshot_id: int, period: AskedPeriod, last: dict[str, Any]) -> str:
    edges = (period.start.isoformat(), period.end.isoformat())
    return orjson.dumps([snapshot_id, *edges, last["value"], last["post_id"]]).decode()


def _read_place(text: str | None) -> tuple[int, AskedPeriod, tuple[float, str]] | None:
    """Return snapshot, period and last post of a cursor.

    Raises a 422 for a cursor that this API did not issue.
    """
    if text is None:
        return None
    try:
        snapshot_id, start, end, value, post_id = orjson.loads(text)
        period = AskedPeriod(
            datetime.fromisoformat(start).astimezone(UTC), datetime.fromisoformat(end).astimezone(UTC), ()
        )
        place = (int(snapshot_id), period, (float(value), str(post_id)))
    except (ValueError, TypeError, OverflowError):
        place = None
    if place is None or not 0 <= place[0] < 2**63 or not math.isfinite(place[2][0]):
        raise problem_at("cursor", "invalid_cursor", "the cursor is damaged: start again without it")
    return place


@router.get(
    "/{post_id}",
    operation_id="get_post_metrics",
    summary="Get the metrics of a post over time",
    response_model=PostMetricsOut,
    responses={**UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_post_metrics(
    post_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    caller: Analyst,
    *,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return a post's metrics over time: every snapshot of each publication."""
    with services.store.read() as session:
        get_post(session, caller.workspace_id, post_id)
    asked = {"workspace_id": caller.workspace_id, "post_id": post_id}
    return answer_cached(
        services,
        "post_metrics",
        asked,
        if_none_match,
        lambda: PostMetricsOut.model_validate(get_post_metrics(services.lake, **asked)),
    )
