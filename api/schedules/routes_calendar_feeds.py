"""Calendar feed endpoints: the iCalendar feed, and the addresses calendar apps read it from."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from api.http.dependencies import Reader, ServicesDep, Writer
from api.http.idempotency import Repeatable, answer_once, make_answer, render_answer
from api.http.schemas import Page, problems
from api.http.services import Services
from api.schedules.calendar_answers import CALENDAR_ANSWER, IfNoneMatch, answer_calendar
from api.schedules.feed_access import FeedWorkspace
from api.schedules.schemas_feeds import FeedCreated, FeedOut
from warehouse.scheduling.calendar import read_feed_span
from warehouse.store.access.workspaces import get_workspace
from warehouse.store.posts.idempotency import RepeatableRequest, StoredAnswer, StoreSession
from warehouse.store.schedules import calendar_feeds as store_feeds
from warehouse.store.schedules.calendar_feeds import FEED_TOKEN, CreatedFeed, describe_feed, feed_path
from warehouse.store.schedules.shapes import FeedCreate

router = APIRouter(tags=["Schedules"])

FeedId = Annotated[str, Path(max_length=40)]
_TOKEN_PARAMETER: dict[str, Any] = {
    "name": FEED_TOKEN,
    "in": "query",
    "required": False,
    "description": "Token of a feed (POST /calendar-feeds), for programs that cannot send a header. Never logged.",
    "schema": {"type": "string", "maxLength": 200},
}


@router.get(
    "/schedules.ics",
    operation_id="get_calendar_feed",
    summary="Read the calendar as iCalendar",
    response_class=Response,
    responses={**problems(401, 403, 404, 422, 429), **CALENDAR_ANSWER},
    openapi_extra={"parameters": [_TOKEN_PARAMETER]},
)
def read_feed(
    services: ServicesDep,
    workspace_id: FeedWorkspace,
    *,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return planned posts as iCalendar: from one month ago to eleven months ahead. For calendar apps."""
    with services.store.read() as session:
        name = get_workspace(session, workspace_id).name
        planned = read_feed_span(session, workspace_id, services.clock(), account_id)
    return answer_calendar(planned, name, if_none_match)


@router.post(
    "/calendar-feeds",
    operation_id="create_calendar_feed",
    summary="Create a calendar feed",
    status_code=201,
    response_model=FeedCreated,
    responses=problems(401, 403, 409, 413, 422, 429),
)
def create_feed(body: FeedCreate, services: ServicesDep, caller: Writer, repeat: Repeatable) -> Response:
    """Create a feed address for a calendar app. Its token only reads the calendar and is shown once."""
    return _answer_with_token(
        services,
        repeat,
        201,
        lambda session: store_feeds.create_feed(
            session,
            services.store.cipher,
            caller.workspace_id,
            body.name,
            caller.key_id,
            services.clock(),
        ),
    )


@router.get(
    "/calendar-feeds",
    operation_id="list_calendar_feeds",
    summary="List calendar feeds",
    responses=problems(401, 403, 422, 429),
)
def list_feeds(services: ServicesDep, caller: Reader) -> Page[FeedOut]:
    """List the feeds, newest first, including revoked ones, all on one page."""
    with services.store.read() as session:
        rows = store_feeds.list_feeds(session, caller.workspace_id)
    return Page(data=[FeedOut(**describe_feed(row)) for row in rows], has_more=False, next_cursor=None)


@router.post(
    "/calendar-feeds/{feed_id}/rotate",
    operation_id="rotate_calendar_feed",
    summary="Rotate the token of a calendar feed",
    response_model=FeedCreated,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def rotate_feed(feed_id: FeedId, services: ServicesDep, caller: Writer, repeat: Repeatable) -> Response:
    """Replace a feed's token. The old address stops working at once."""
    return _answer_with_token(
        services,
        repeat,
        200,
        lambda session: store_feeds.rotate_feed(
            session, services.store.cipher, caller.workspace_id, feed_id, services.clock()
        ),
    )


@router.delete(
    "/calendar-feeds/{feed_id}",
    operation_id="revoke_calendar_feed",
    summary="Revoke a calendar feed",
    response_model=FeedOut,
    responses=problems(401, 403, 404, 422, 429),
)
def revoke_feed(feed_id: FeedId, services: ServicesDep, caller: Writer) -> Response:
    """Revoke a feed: its address stops working. Revoking it again has no effect."""

    def work(session: StoreSession) -> StoredAnswer:
        row = store_feeds.revoke_feed(session, caller.workspace_id, feed_id, services.clock())
        return make_answer(200, FeedOut(**describe_feed(row)))

    return answer_once(services, None, work)


def _answer_with_token(
    services: Services,
    repeat: RepeatableRequest | None,
    status: int,
    make: Callable[[StoreSession], CreatedFeed],
) -> Response:
    shown: list[CreatedFeed] = []

    def work(session: StoreSession) -> StoredAnswer:
        made = make(session)
        shown.append(made)
        # The response stored for the Idempotency-Key contains no secret.
        return make_answer(status, FeedCreated(**describe_feed(made.row), token=None, path=None))

    kept = answer_once(services, repeat, work)
    if not shown:
        return kept
    made = shown[0]
    whole = FeedCreated(**describe_feed(made.row), token=made.token, path=feed_path(made.token))
    return render_answer(make_answer(status, whole, {"Cache-Control": "no-store"}))
