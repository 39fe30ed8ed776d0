"""Posting time endpoints: recommended weekly times, times for several posts, and the score of a time."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.http.dependencies import Reader, ServicesDep
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.pagination import Limit
from api.http.schemas import problems
from api.optimal_times.schemas import OptimalTimesOut, ScoreOut, SuggestOut, SuggestRequest
from api.optimal_times.views import render_advice
from warehouse.platforms import parse_platform
from warehouse.scheduling.advised_week import read_advised_week, read_noise, share_week
from warehouse.scheduling.scores import score_time
from warehouse.scheduling.suggestions import parse_weights
from warehouse.scheduling.suggestions import suggest_times as find_times
from warehouse.store.access.workspaces import parse_timezone
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/schedules", tags=["Schedules"])

PlatformFilter = Annotated[str | None, Query(max_length=40)]
AccountFilter = Annotated[str | None, Query(max_length=40)]


@router.get(
    "/optimal-times",
    operation_id="get_optimal_times",
    summary="Get the best times to post",
    responses=problems(401, 403, 404, 422, 429),
)
def read_optimal_times(
    services: ServicesDep,
    caller: Reader,
    *,
    platform: PlatformFilter = None,
    account_id: AccountFilter = None,
    timezone: Annotated[
        str | None,
        Query(max_length=64, description="IANA time zone of the response; default: each account's own."),
    ] = None,
    weight: Annotated[
        Sequence[str],
        Query(
            max_length=20,
            description="platform:number, such as instagram:2: weight of its accounts in `combined`. Repeatable.",
        ),
    ] = (),
    limit: Limit = 10,
) -> OptimalTimesOut:
    """Return the best times to post from the accounts' own history, best first, with ranges and the evidence.

    With several accounts, the best time of each comes before the second best of any; `combined` holds the
    best times for all of them together, and the loss per account. "No reliable timing effect" is a valid
    answer.
    """
    now = services.clock()
    zone = parse_timezone(timezone) if timezone else None
    weights = parse_weights(weight)
    with services.store.read() as session:
        week = read_advised_week(
            session,
            services.lake,
            caller.workspace_id,
            platform=parse_platform(platform) if platform else None,
            account_id=account_id,
            limit=limit,
        )
        combined = share_week(
            session,
            services.lake,
            caller.workspace_id,
            week,
            now,
            timezone=timezone,
            weights=weights,
            limit=limit,
        )
    noise = read_noise(services.lake, caller.workspace_id, week, now)
    return render_advice(week, combined, noise, zone, now, limit)


@router.post(
    "/suggest",
    operation_id="suggest_times",
    summary="Suggest times for several posts",
    response_model=SuggestOut,
    responses=problems(401, 403, 409, 413, 422, 429),
)
def suggest_times(
    body: SuggestRequest, services: ServicesDep, caller: Reader, repeat: Repeatable
) -> Response:
    """Suggest times for several posts: the best free ones, spaced apart.

    Nothing is saved or reserved; if fewer fit than requested, `note` says so.
    """

    def find(session: StoreSession) -> SuggestOut:
        found = find_times(session, services.lake, caller.workspace_id, body, services.clock())
        return SuggestOut.model_validate(found, from_attributes=True)

    if repeat is None:
        with services.store.read() as session:
            found = find(session)
        return Response(found.model_dump_json(by_alias=True), media_type="application/json")

    def work(session: StoreSession) -> StoredAnswer:
        return make_answer(200, find(session))

    return answer_once(services, repeat, work)


@router.get(
    "/score", operation_id="score_time", summary="Score a time", responses=problems(401, 403, 404, 422, 429)
)
def read_score(
    services: ServicesDep,
    caller: Reader,
    *,
    at: Annotated[
        str | None, Query(max_length=64, description="ISO 8601; default: now.", examples=["2030-04-16T18:00"])
    ] = None,
    platform: PlatformFilter = None,
    account_id: AccountFilter = None,
    timezone: Annotated[
        str | None,
        Query(max_length=64, description="IANA zone of a time without offset; default: the workspace's."),
    ] = None,
) -> ScoreOut:
    """Score a time: expected lift with its range, other posts near it, the platform's limits."""
    with services.store.read() as session:
        score = score_time(
            session,
            services.lake,
            caller.workspace_id,
            services.clock(),
            at=at,
            platform=parse_platform(platform) if platform else None,
            account_id=account_id,
            timezone=timezone,
        )
    return ScoreOut.model_validate(score, from_attributes=True)
