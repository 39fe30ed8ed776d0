"""Post endpoints: create, list, read, change and cancel."""

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.http.dependencies import IfMatch, Reader, ServicesDep, Writer, parse_if_match, version_etag
from api.http.idempotency import Repeatable, answer_once, answer_once_grouped, render_answer
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, link_to_next
from api.http.response_cache import remember
from api.http.schemas import Page, problems
from api.http.services import Services
from api.posts.rendered import RenderedPage, render_pages
from api.posts.responses import answer_changed, answer_post, answer_saved, render_dry_run
from api.posts.schemas import DryRunOut, PostCreate, PostDetail, PostOut, PostPatch, PostStatus
from api.posts.schemas_approvals import ApprovalState
from api.posts.views import render_post_detail
from warehouse.lake.archive import read_ledgers
from warehouse.planning import posts as planned_posts
from warehouse.planning.editing import BegunChange, begin_change, send_edits
from warehouse.planning.times import is_advised
from warehouse.platforms import parse_platform
from warehouse.scheduling.local_times import needs_zone, resolve_time
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.posts.list_rows import PageQuestion
from warehouse.store.posts.reads import PostFilter, get_post, list_publications

router = APIRouter(prefix="/posts", tags=["Posts"])

PostId = Annotated[str, Path(max_length=40, examples=["post_01jt3s5yqf3w1k6vhdq6mt4x2e"])]
PostPage = Page[PostOut]
_UTC = ZoneInfo("UTC")
_SIMPLE = frozenset({PostFilter(), PostFilter(origin=None)})
DryRun = Annotated[bool, Query(description="Check everything, save nothing.")]


@router.post(
    "",
    operation_id="create_post",
    summary="Create a post",
    status_code=201,
    response_model=PostOut,
    responses={
        200: {
            "model": DryRunOut,
            "description": "With `dry_run=true`: the post is valid; nothing was saved.",
        },
        **problems(401, 403, 409, 413, 422, 429),
    },
)
async def create_post(
    body: PostCreate, services: ServicesDep, caller: Writer, repeat: Repeatable, *, dry_run: DryRun = False
) -> Response:
    """Create a post with one publication per target account.

    It is sent at `scheduled_at`, or at once if that is omitted. With `dry_run=true` nothing is saved: the
    response is 200 and says what would be sent.
    """

    def preview() -> Response:
        with services.store.read() as session:
            plan = planned_posts.preview_post(services.planning(session, caller.workspace_id), body)
        return Response(render_dry_run(plan).model_dump_json(), media_type="application/json")

    def work(session: StoreSession) -> StoredAnswer:
        saved = planned_posts.create_post(services.planning(session, caller.workspace_id), body)
        return answer_saved(saved, 201, {"Location": f"/api/v1/posts/{saved.post.id}"})

    if dry_run:
        return await run_in_threadpool(preview)
    if is_advised(
        body.scheduled_at
    ):  # reads more than its own post, and perhaps the lake: nobody else waits for it
        return await run_in_threadpool(answer_once, services, repeat, work)
    return await answer_once_grouped(services, repeat, caller.workspace_id, work)


@router.get(
    "",
    operation_id="list_posts",
    summary="List posts",
    response_model=PostPage,
    responses=problems(401, 403, 404, 422, 429),
)
async def list_posts_page(
    request: Request,
    services: ServicesDep,
    caller: Reader,
    *,
    status: Annotated[list[PostStatus] | None, Query(description="Repeatable.")] = None,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=40)] = None,
    from_: Annotated[
        str | None, Query(alias="from", max_length=64, description="scheduled_at from here.")
    ] = None,
    to: Annotated[str | None, Query(max_length=64, description="scheduled_at before here.")] = None,
    recurrence_id: Annotated[str | None, Query(max_length=40, description="Posts of one rule.")] = None,
    approval: Annotated[
        ApprovalState | None, Query(description="`pending` lists posts that wait for approval.")
    ] = None,
    origin: Annotated[
        str,
        Query(pattern="^(socialflow|external|any)$", description="external = found in an account's history."),
    ] = "socialflow",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """List posts, newest first."""
    path, query = request.url.path, request.query_params.multi_items()

    async def answer() -> Response:
        zone = _UTC
        if any(given and needs_zone(given) for given in (from_, to)):
            zone = await run_in_threadpool(_read_zone, services, caller.workspace_id)
        wanted = PostFilter(
            statuses=tuple(status or ()),
            platform=None if platform is None else parse_platform(platform),
            account_id=account_id,
            scheduled_from=resolve_time(from_, zone, field="from").at if from_ else None,
            scheduled_to=resolve_time(to, zone, field="to").at if to else None,
            recurrence_id=recurrence_id,
            approval=approval,
            origin=None if origin == "any" else origin,
        )
        bound_to = {"list": "posts", "workspace": caller.workspace_id, "filter": repr(wanted)}
        page = await _read_page(
            services,
            PageQuestion(caller.workspace_id, wanted, decode_cursor(cursor, bound_to), limit),
        )
        next_cursor = encode_cursor(page.last_id, bound_to) if page.last_id and page.has_more else None
        headers = None if next_cursor is None else {"Link": link_to_next(path, query, next_cursor)}
        return Response(page.body(next_cursor), headers=headers, media_type="application/json")

    remember(request, services, again=answer)
    return await answer()


def _read_zone(services: Services, workspace_id: str) -> ZoneInfo:
    with services.store.read() as session:
        return parse_timezone(read_settings(session, workspace_id).timezone)


async def _read_page(services: Services, question: PageQuestion) -> RenderedPage:
    """Return a page, read together with those that others ask for at the same time."""
    # The simple ones are read along an index; others may take longer and are waited for by their like only.
    kind = "posts" if question.wanted in _SIMPLE else "posts by a filter"
    page: RenderedPage = await services.grouped_reads.ask(
        kind, partial(render_pages, services.store, services.renderings), question
    )
    return page


@router.get(
    "/{post_id}",
    operation_id="get_post",
    summary="Get a post with the story of its publications",
    responses=problems(401, 403, 404, 422, 429),
)
def read_post(post_id: PostId, response: Response, services: ServicesDep, caller: Reader) -> PostDetail:
    """Get a post with the full history of each publication, including the reason if it was not sent."""
    with services.store.read() as session:
        post = get_post(session, caller.workspace_id, post_id)
        publications = list_publications(session, [post.id])[post.id]
        attempts = read_ledgers(session, publications, lambda: nullcontext(services.lake))
        detail = render_post_detail(session, post, publications, attempts, services.clock())
    response.headers["ETag"] = version_etag(post.version)
    return detail


@router.patch(
    "/{post_id}",
    operation_id="update_post",
    summary="Change a post",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 412, 413, 422, 429),
)
async def update_post(
    post_id: PostId, body: PostPatch, services: ServicesDep, caller: Writer, *, if_match: IfMatch = None
) -> Response:
    """Change a post. What is published is edited on its platform where it edits posts; its metrics are kept.

    Of a published post the content, link, texts of a thread and some options can change (GET /platforms: `editing`).
    `publications[].edit` and `warnings` say what became of it on each account: an edit with the state failed or unknown
    is safe to repeat. 409 `not_editable` if no platform can make the change. Posts that are just being sent: 409.
    """

    def begin() -> BegunChange:
        with services.store.write() as session:
            return begin_change(
                services.planning(session, caller.workspace_id),
                post_id,
                body,
                may_approve="approve" in caller.scopes,
                expected_version=parse_if_match(if_match),
            )

    begun = await asyncio.to_thread(begin)
    if not begun.edits:
        return render_answer(answer_changed(begun.post, begun.publications, begun.warnings))
    failed = await send_edits(services.store, services.connectors.edit_post, begun.edits, services.clock)

    def show() -> StoredAnswer:
        with services.store.read() as session:
            post = get_post(session, caller.workspace_id, post_id)
            publications = list_publications(session, [post.id])[post.id]
            return answer_changed(post, publications, [*begun.warnings, *failed])

    return render_answer(await asyncio.to_thread(show))


@router.delete(
    "/{post_id}",
    operation_id="cancel_post",
    summary="Cancel a post",
    response_model=PostOut,
    responses=problems(401, 403, 404, 409, 412, 422, 429),
)
def cancel_post(
    post_id: PostId, services: ServicesDep, caller: Writer, *, if_match: IfMatch = None
) -> Response:
    """Cancel the unsent publications of a post. Canceling again has no effect."""

    def work(session: StoreSession) -> StoredAnswer:
        post = store_posts.cancel_post(
            session,
            caller.workspace_id,
            post_id,
            services.clock(),
            expected_version=parse_if_match(if_match),
        )
        return answer_post(session, post, 200)

    return answer_once(services, None, work)
