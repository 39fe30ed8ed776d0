"""Recurring post endpoints: a rule creates individual posts ahead of their time."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.http.dependencies import IfMatch, Reader, ServicesDep, Writer, parse_if_match, version_etag
from api.http.idempotency import Repeatable, answer_once, make_answer
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from api.schedules.schemas_recurrences import (
    PreviewOut,
    RecurrenceCreate,
    RecurrenceDeleted,
    RecurrenceOut,
    RecurrencePatch,
)
from api.schedules.views_recurrences import render_preview, render_recurrence
from warehouse.planning import recurrences as planned_recurrences
from warehouse.planning.recurrences import list_warnings, read_rule
from warehouse.scheduling import recurrences as store_recurrences
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/recurrences", tags=["Recurring posts"])

RecurrenceId = Annotated[str, Path(max_length=40, examples=["rec_01jt3s5yqf3w1k6vhdq6mt4x2e"])]


@router.post(
    "",
    operation_id="create_recurrence",
    summary="Create a recurring post",
    status_code=201,
    response_model=RecurrenceOut,
    responses=problems(401, 403, 409, 413, 422, 429),
)
def create_recurrence(
    body: RecurrenceCreate, services: ServicesDep, caller: Writer, repeat: Repeatable
) -> Response:
    """Create a rule. The posts of its first two weeks are created at once, later posts automatically.

    Local times stay the same across daylight saving changes. Platforms mean the accounts connected now.
    """

    def work(session: StoreSession) -> StoredAnswer:
        context = services.planning(session, caller.workspace_id)
        row, warnings = planned_recurrences.create_recurrence(context, body)
        headers = {"Location": f"/api/v1/recurrences/{row.id}", "ETag": version_etag(row.version)}
        return make_answer(201, render_recurrence(session, row, context.now, warnings), headers)

    return answer_once(services, repeat, work)


@router.get(
    "",
    operation_id="list_recurrences",
    summary="List recurring posts",
    responses=problems(401, 403, 422, 429),
)
def list_recurrences_page(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: Reader,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[RecurrenceOut]:
    """List the active rules, newest first."""
    bound_to = {"list": "recurrences", "workspace": caller.workspace_id}
    now = services.clock()
    with services.store.read() as session:
        rows, has_more = store_recurrences.list_recurrences(
            session, caller.workspace_id, before_id=decode_cursor(cursor, bound_to), limit=limit
        )
        data = [render_recurrence(session, row, now) for row in rows]
    next_cursor = encode_cursor(rows[-1].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    return Page(data=data, has_more=has_more, next_cursor=next_cursor)


@router.get(
    "/preview",
    operation_id="preview_recurrence",
    summary="Preview the occurrences of a rule",
    responses=problems(401, 403, 422, 429),
)
def preview_recurrence(
    services: ServicesDep,
    caller: Reader,
    *,
    rrule: Annotated[str, Query(max_length=500, examples=["FREQ=MONTHLY;BYDAY=-1FR"])],
    starts_at: Annotated[str, Query(max_length=64, examples=["2030-04-15T09:00:00"])],
    timezone: Annotated[str | None, Query(max_length=64, description="Default: the workspace's.")] = None,
    exdate: Annotated[list[str] | None, Query(max_length=500, description="Repeatable.")] = None,
    limit: Limit = 10,
) -> PreviewOut:
    """Preview the next times of a rule without saving it."""
    with services.store.read() as session:
        context = services.planning(session, caller.workspace_id)
        rule = read_rule(context, rrule, starts_at, timezone=timezone, exdates=exdate or ())
    data, has_more = render_preview(rule, context.now, limit)
    return PreviewOut(
        rrule=rule.text,
        starts_at=rule.starts_at.isoformat(),
        timezone=rule.zone.key,
        warnings=list_warnings(rule),
        data=data,
        has_more=has_more,
    )


@router.get(
    "/{recurrence_id}",
    operation_id="get_recurrence",
    summary="Get a recurring post",
    responses=problems(401, 403, 404, 422, 429),
)
def read_recurrence(
    recurrence_id: RecurrenceId, response: Response, services: ServicesDep, caller: Reader
) -> RecurrenceOut:
    """Get a rule and its next times. `GET /posts?recurrence_id=` lists its posts."""
    with services.store.read() as session:
        row = store_recurrences.get_recurrence(session, caller.workspace_id, recurrence_id)
        shown = render_recurrence(session, row, services.clock())
    response.headers["ETag"] = version_etag(shown.version)
    return shown


@router.patch(
    "/{recurrence_id}",
    operation_id="update_recurrence",
    summary="Change a recurring post",
    response_model=RecurrenceOut,
    responses=problems(401, 403, 404, 409, 412, 413, 422, 429),
)
def update_recurrence(
    recurrence_id: RecurrenceId,
    body: RecurrencePatch,
    services: ServicesDep,
    caller: Writer,
    *,
    if_match: IfMatch = None,
) -> Response:
    """Change a rule. Its unsent posts change too, except those that were changed by hand."""

    def work(session: StoreSession) -> StoredAnswer:
        context = services.planning(session, caller.workspace_id)
        row, warnings = planned_recurrences.change_recurrence(
            context, recurrence_id, body, expected_version=parse_if_match(if_match)
        )
        shown = render_recurrence(session, row, context.now, warnings)
        return make_answer(200, shown, {"ETag": version_etag(row.version)})

    return answer_once(services, None, work)


@router.delete(
    "/{recurrence_id}",
    operation_id="delete_recurrence",
    summary="Delete a recurring post",
    response_model=RecurrenceDeleted,
    responses=problems(401, 403, 404, 412, 422, 429),
)
def delete_recurrence(
    recurrence_id: RecurrenceId,
    services: ServicesDep,
    caller: Writer,
    *,
    posts: Annotated[
        Literal["cancel", "keep"], Query(description="What to do with its unsent posts.")
    ] = "cancel",
    if_match: IfMatch = None,
) -> Response:
    """End a rule. Posts that are sent or being sent stay."""

    def work(session: StoreSession) -> StoredAnswer:
        row, canceled = store_recurrences.delete_recurrence(
            session,
            caller.workspace_id,
            recurrence_id,
            services.clock(),
            cancel_posts=posts == "cancel",
            expected_version=parse_if_match(if_match),
        )
        return make_answer(200, RecurrenceDeleted(id=row.id, canceled_posts=canceled))

    return answer_once(services, None, work)
