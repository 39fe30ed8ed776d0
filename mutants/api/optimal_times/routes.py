"""When to post: the advised week, times for a batch of posts, and what a given time is worth."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.http.dependencies import Reader, ServicesDep
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.pagination import Limit
from api.http.schemas import problems
from api.optimal_times.advised_times import advise, parse_weights
from api.optimal_times.schemas import OptimalTimesOut, ScoreOut, SuggestOut, SuggestRequest
from api.optimal_times.scores import score_time
from api.optimal_times.suggestions import suggest
from api.posts.requests import parse_platform
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/schedules", tags=["Schedules"])

PlatformFilter = Annotated[str | None, Query(max_length=40)]
AccountFilter = Annotated[str | None, Query(max_length=40)]


@router.get("/optimal-times", operation_id="get_optimal_times", responses=problems(401, 403, 404, 422, 429))
def read_optimal_times(
    services: ServicesDep,
    caller: Reader,
    *,
    platform: PlatformFilter = None,
    account_id: AccountFilter = None,
    timezone: Annotated[
        str | None,
        Query(max_length=64, description="IANA zone to tell times in; default: each account's own."),
    ] = None,
    weight: Annotated[
        Sequence[str],
        Query(
            max_length=20,
            description="platform:number, such as instagram:2: how much its accounts count in `combined`. Repeat it.",
        ),
    ] = (),
    limit: Limit = 10,
) -> OptimalTimesOut:
    """Advise when to post, from the accounts' own history: best first, with ranges and the evidence.

    With several accounts, the best time of each comes before the second best of any; `combined` holds the times
    that suit all of them together, and what each gives up. "No reliable timing effect" is a valid answer.
    """
    return advise(
        services,
        caller,
        platform=parse_platform(platform) if platform else None,
        account_id=account_id,
        timezone=timezone,
        weights=parse_weights(weight),
        limit=limit,
    )


@router.post(
    "/suggest",
    operation_id="suggest_times",
    response_model=SuggestOut,
    responses=problems(401, 403, 409, 413, 422, 429),
)
def suggest_times(
    body: SuggestRequest, services: ServicesDep, caller: Reader, repeat: Repeatable
) -> Response:
    """Find times for several posts: the most promising free ones, with room between them.

    Nothing is saved or reserved; when fewer fit than asked, `note` says so.
    """
    if repeat is None:
        with services.store.read() as session:
            found = suggest(services, caller, body, session)
        return Response(found.model_dump_json(by_alias=True), media_type="application/json")

    def work(session: StoreSession) -> StoredAnswer:
        return make_answer(200, suggest(services, caller, body, session))

    return answer_once(services, repeat, work)


@router.get("/score", operation_id="score_time", responses=problems(401, 403, 404, 422, 429))
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
    """Tell what a time is worth: the expected lift with its range, other posts near it, the platform's limits."""
    return score_time(
        services,
        caller,
        at=at,
        platform=parse_platform(platform) if platform else None,
        account_id=account_id,
        timezone=timezone,
    )
