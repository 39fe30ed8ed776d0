"""What posts earned. Answers carry an ETag made of the lake's snapshot id: unchanged lake, unchanged answer."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel

from api.dependencies import Analyst, ServicesDep
from api.errors import problem_at
from api.post_requests import parse_platform
from api.schemas_analytics import OverviewOut, PostMetricsOut
from api.schemas_common import problems
from api.services import Services
from api.times import resolve_time
from warehouse.lake.overview import get_overview, get_post_metrics
from warehouse.store.accounts import get_account
from warehouse.store.post_reads import get_post
from warehouse.store.workspaces import get_workspace, parse_timezone

router = APIRouter(prefix="/analytics", tags=["Analytics"])

DEFAULT_PERIOD = "30d"
LONGEST_PERIOD = timedelta(days=365)
_PERIOD = re.compile(r"([1-9]\d{0,2})d")
_UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The lake has not changed since the ETag in If-None-Match."}
}

IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="An ETag of an earlier answer.")
]


@router.get(
    "/overview",
    operation_id="get_overview",
    response_model=OverviewOut,
    responses={**_UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_overview(
    services: ServicesDep,
    caller: Analyst,
    *,
    period: Annotated[
        str | None,
        Query(
            max_length=10, description=f"1d to 365d, up to now; default {DEFAULT_PERIOD}.", examples=["30d"]
        ),
    ] = None,
    from_: Annotated[str | None, Query(alias="from", max_length=64, description="Instead of period.")] = None,
    to: Annotated[str | None, Query(max_length=64, description="Excluded; default: now.")] = None,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    as_of: Annotated[
        str | None, Query(max_length=64, description="Look back: only what was measured by then counts.")
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Sum up a period: posts published in it, what they have earned, followers won, the best posts."""
    with services.store.read() as session:
        zone = parse_timezone(get_workspace(session, caller.workspace_id).timezone)
        if account_id is not None:
            get_account(session, caller.workspace_id, account_id)
    start, end = _resolve_period(period, from_, to, zone, services.clock())
    asked: dict[str, Any] = {
        "workspace_id": caller.workspace_id,
        "start": start,
        "end": end,
        "platform": parse_platform(platform) if platform else None,
        "account_id": account_id,
        "as_of": resolve_time(as_of, zone, field="as_of").at if as_of else None,
    }

    def make() -> BaseModel:
        return OverviewOut.model_validate(get_overview(services.lake, **asked))

    return _answer_cached(services, "overview", asked, if_none_match, make)


@router.get(
    "/posts/{post_id}",
    operation_id="get_post_metrics",
    response_model=PostMetricsOut,
    responses={**_UNCHANGED, **problems(401, 403, 404, 422, 429)},
)
def read_post_metrics(
    post_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    caller: Analyst,
    *,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Show how a post did over time: every snapshot of each of its publications."""
    with services.store.read() as session:
        get_post(session, caller.workspace_id, post_id)

    def make() -> BaseModel:
        return PostMetricsOut.model_validate(get_post_metrics(services.lake, caller.workspace_id, post_id))

    return _answer_cached(
        services,
        "post_metrics",
        {"workspace_id": caller.workspace_id, "post_id": post_id},
        if_none_match,
        make,
    )


def _answer_cached(
    services: Services,
    name: str,
    asked: dict[str, Any],
    if_none_match: str | None,
    make: Callable[[], BaseModel],
) -> Response:
    """Answer 304, from the cache, or anew: whichever the lake's present snapshot allows."""
    # The id is read before the figures: a commit in between makes the answer newer than its tag, never older.
    snapshot_id = services.lake.snapshot_id()
    fingerprint = hashlib.sha256(repr((name, sorted(asked.items()))).encode()).hexdigest()[:16]
    etag = f'"{snapshot_id}-{fingerprint}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and etag in (
        tag.strip().removeprefix("W/") for tag in if_none_match.split(",")
    ):
        return Response(status_code=304, headers=headers)
    body = services.answers.get(etag)
    if body is None:
        body = make().model_dump_json(by_alias=True).encode()
        services.answers.put(etag, body)
    return Response(body, headers=headers, media_type="application/json")


def _resolve_period(
    period: str | None, from_: str | None, to: str | None, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """Return [start, end) in UTC.

    "Now" is the end of the running minute: what was published seconds ago counts, and answers can be cached.
    """
    if period is not None and (from_ is not None or to is not None):
        raise problem_at("period", "conflicting_period", "give either period, or from and to")
    this_minute = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if from_ is None:
        if to is not None:
            raise problem_at("from", "missing_from", "'to' needs 'from'")
        days = _PERIOD.fullmatch(period or DEFAULT_PERIOD)
        if days is None or timedelta(days=int(days[1])) > LONGEST_PERIOD:
            raise problem_at("period", "invalid_period", f"{period!r} is no period: use 1d to 365d")
        return this_minute - timedelta(days=int(days[1])), this_minute
    start = resolve_time(from_, zone, field="from").at
    end = resolve_time(to, zone, field="to").at if to else this_minute
    if end <= start:
        raise problem_at("to", "empty_period", "'to' must be after 'from'")
    if end - start > LONGEST_PERIOD + timedelta(days=1):
        raise problem_at("from", "period_too_long", "ask for at most 366 days")
    return start, end
