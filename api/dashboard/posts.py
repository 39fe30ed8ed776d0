"""The list of posts with tabs, filters and actions on many, and the page of one post.

Each form does what the API request of that name does, with the same checks, and leads back to the post.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from api.dashboard.calendar import find_thumb, first_words, shown_status
from api.dashboard.charts import draw_curve
from api.dashboard.frame import Clock
from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, RefusedError, Visitor, VisitorDep, require_form_token
from api.http.callers import Caller
from api.http.dependencies import ServicesDep
from api.http.services import Services
from api.posts.media_hashes import read_media_to_approve
from api.posts.routes_export import send_posts
from connectors.capabilities import CAPABILITIES
from connectors.types import Platform
from warehouse.errors import InvalidInputError, WarehouseError
from warehouse.lake.archive import read_ledgers
from warehouse.lake.queries.posts import get_post_metrics
from warehouse.lake.queries.usual import PostRatio, get_age_bands, get_usual_ratios
from warehouse.planning.posts import find_draft_problems, move_post
from warehouse.planning.unpublishing import unpublish_post
from warehouse.scheduling.calendar_file import write_posts_csv
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts import approvals as store_approvals
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.idempotency import StoreSession
from warehouse.store.posts.posts import list_possible_actions
from warehouse.store.posts.promotion import mark_paid
from warehouse.store.posts.reads import (
    PostFilter,
    get_post,
    list_publications,
    search_posts,
)
from warehouse.store.publishing.story import list_story

LIST = "/dashboard/posts"
PAGE_ROWS = 25
EVERY_STATUS = ("active", "revoked", "imported", "disconnected")
TABS = {
    "all": ("All", PostFilter(), False),
    "coming": ("Coming", PostFilter(statuses=("scheduled", "publishing")), True),
    "drafts": ("Drafts", PostFilter(statuses=("draft",)), False),
    "needs": ("Needs you", PostFilter(publication_statuses=("failed", "needs_review")), False),
    "approval": ("To approve", PostFilter(approval="pending"), True),
    "published": ("Published", PostFilter(statuses=("published", "partially_published")), False),
    "history": ("From history", PostFilter(origin="external"), False),
}
"""Address, name, filter, and whether the earliest comes first."""
PAID_WORDS = {"yes": True, "no": False, "unknown": None}
SAVED = {
    "draft": "Saved as a draft: it is not sent.",
    "now": "On its way: it is sent within seconds.",
    "keep": "Saved.",
}

router = APIRouter(prefix=LIST, include_in_schema=False, route_class=DashboardRoute)

PostId = Annotated[str, Path(max_length=40)]


@dataclass(frozen=True, slots=True)
class ShownPost:
    """One row of the list."""

    row: Post
    status: str
    words: str
    thumb: str | None
    accounts: Sequence[tuple[str, str]]
    """(platform, handle) of each."""
    may: set[str]
    measured: PostRatio | None
    at: datetime | None
    """When it is planned, or when a post from history was published."""


@dataclass(frozen=True, slots=True)
class ShownPublication:
    """A publication with its history."""

    row: Publication
    account: AccountRow | None
    status: str
    story: Sequence[tuple[datetime | None, str]]
    chart: Markup | None
    newest: Mapping[str, Any] | None
    """The newest snapshot."""
    snapshots: Sequence[Mapping[str, Any]]


@router.get("")
def show_posts(
    services: ServicesDep,
    visitor: VisitorDep,
    *,
    tab: Annotated[str, Query(max_length=20)] = "all",
    words: Annotated[str, Query(alias="q", max_length=200)] = "",
    account: Annotated[str, Query(max_length=40)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> HTMLResponse:
    """Show one page of posts."""
    visitor.require("read")
    if tab not in TABS:
        raise InvalidInputError(f"tab: use one of {', '.join(TABS)}", field="tab")
    _name, wanted, soonest = TABS[tab]
    workspace_id = visitor.key.workspace_id
    asked = PostFilter(
        statuses=wanted.statuses,
        origin=wanted.origin,
        approval=wanted.approval,
        publication_statuses=wanted.publication_statuses,
        text=words.strip() or None,
        account_id=account or None,
    )
    with services.store.read() as session:
        known = {row.id: row for row in list_accounts(session, workspace_id, statuses=EVERY_STATUS)}
        rows, more = search_posts(
            session, workspace_id, asked, soonest=soonest, offset=(page - 1) * PAGE_ROWS, limit=PAGE_ROWS
        )
        publications = list_publications(session, [row.id for row in rows])
    ratios: dict[str, PostRatio] = {}
    if visitor.scopes & {"analytics"}:
        measured = [row.id for row in rows if row.status in {"published", "partially_published"}]
        ratios = get_usual_ratios(
            services.lake, workspace_id=workspace_id, post_ids=measured, now=services.clock()
        )
    shown = [_show_row(row, publications[row.id], known, ratios.get(row.id)) for row in rows]
    filters = {name: value for name, value in (("tab", tab), ("q", words), ("account", account)) if value}
    return show(
        "posts.html",
        visitor=visitor,
        services=services,
        posts=shown,
        tabs=TABS,
        tab=tab,
        words=words,
        account=account,
        accounts=[row for row in known.values() if row.status != "disconnected"],
        page_number=page,
        more=more,
        filters=urlencode(filters),
    )


def _show_row(
    row: Post, publications: Sequence[Publication], known: Mapping[str, AccountRow], ratio: PostRatio | None
) -> ShownPost:
    alive = [one for one in publications if one.status != "canceled"] or list(publications)
    names = [(one.platform, known[one.account_id].handle if one.account_id in known else "") for one in alive]
    may = list_possible_actions(row, publications)
    thumb = find_thumb(row.details.get("media") or [])
    at = row.scheduled_at or min((one.published_at for one in publications if one.published_at), default=None)
    return ShownPost(row, shown_status(row, alive), first_words(row.content), thumb, names, may, ratio, at)


@router.post("/many")
def change_many(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> Response:
    """Do the same with all selected posts: cancel, retry or move, each on its own, so that one refusal stops none.

    Or export them: the plan as `posts bulk` reads it, or published ones with their numbers.
    """
    require_form_token(fields, visitor)
    action, ids = field_of(fields, "action"), fields.get("post", [])[:PAGE_ROWS]
    if action not in {"cancel", "retry", "move", "export", "numbers"} or not ids:
        raise InvalidInputError("select at least one post, and what to do with it", field="post")
    if action in {"export", "numbers"}:
        return _export(services, visitor, ids, with_numbers=action == "numbers")
    visitor.require("write")
    done, refused = 0, []
    for post_id in ids:
        try:
            with services.store.write() as session:
                context = services.planning(session, visitor.key.workspace_id)
                if action == "move":
                    move_post(context, post_id, field_of(fields, "at") or "queue")
                elif action == "cancel":
                    store_posts.cancel_post(session, visitor.key.workspace_id, post_id, services.clock())
                else:
                    store_posts.retry_post(session, visitor.key.workspace_id, post_id, services.clock())
            done += 1
        except WarehouseError as error:
            refused.append((post_id, str(error)))
    return show("many.html", visitor=visitor, services=services, action=action, done=done, refused=refused)


def _export(services: Services, visitor: Visitor, ids: Sequence[str], *, with_numbers: bool) -> Response:
    workspace_id = visitor.key.workspace_id
    visitor.require("read")
    with services.store.read() as session:
        posts = [get_post(session, workspace_id, post_id) for post_id in ids]
        rows = list_publications(session, ids)
        zone = parse_timezone(read_settings(session, workspace_id).timezone)
        body = write_posts_csv([(post, rows[post.id]) for post in posts], zone)
    if with_numbers:
        visitor.require("analytics")
        return send_posts(services, workspace_id, "csv", post_ids=ids)
    headers = {"Content-Disposition": 'attachment; filename="posts.csv"'}
    return Response(body, headers=headers, media_type="text/csv")


@router.get("/{post_id}")
def show_post(
    post_id: PostId,
    services: ServicesDep,
    visitor: VisitorDep,
    saved: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show a post: its content, what happened on each account, and its numbers on the band of the usual."""
    visitor.require("read")
    workspace_id, now = visitor.key.workspace_id, services.clock()
    with services.store.read() as session:
        post = get_post(session, workspace_id, post_id)
        clock = Clock(parse_timezone(read_settings(session, workspace_id).timezone), now)
        rows = list_publications(session, [post.id])[post.id]
        attempts = read_ledgers(session, rows, lambda: nullcontext(services.lake))
        known = {row.id: row for row in list_accounts(session, workspace_id, statuses=EVERY_STATUS)}
        stories = {
            row.id: list_story(session, row, attempts.get(row.id, ()), now, clock=clock.full) for row in rows
        }
        may = list_possible_actions(post, rows)
        problems = (
            find_draft_problems(services.planning(session, workspace_id), post, rows)
            if post.status == "draft"
            else []
        )
    measured: dict[str, Mapping[str, Any]] = {}
    ratio = None
    if "analytics" in visitor.scopes and any(row.published_at for row in rows):
        metrics = get_post_metrics(services.lake, workspace_id, post_id)
        measured = {one["publication_id"]: one for one in metrics["publications"]}
        ratio = get_usual_ratios(services.lake, workspace_id=workspace_id, post_ids=[post_id], now=now).get(
            post_id
        )
    shown = [
        _show_publication(services, workspace_id, row, known, stories[row.id], measured, now) for row in rows
    ]
    media = post.details.get("media") or []
    publishes = [row for row in rows if row.status == "published" and row.platform_deleted_at is None]
    return show(
        "post.html",
        visitor=visitor,
        services=services,
        post=post,
        at=post.scheduled_at or min((row.published_at for row in rows if row.published_at), default=None),
        pressing=shown_status(post, [row for row in rows if row.status != "canceled"]),
        publications=shown,
        media=[(find_thumb([item]), item) for item in media],
        may=may,
        problems=problems,
        ratio=ratio,
        said=SAVED.get(saved, "Scheduled." if saved else ""),
        markable=[row for row in rows if row.status == "published"],
        unpublishes=[row for row in publishes if CAPABILITIES[Platform(row.platform)].supports_unpublish],
        editable=post.origin == "socialflow" and "cancel" in may,
    )


def _show_publication(  # noqa: PLR0917 (a publication and what is known about it)
    services: Services,
    workspace_id: str,
    row: Publication,
    known: Mapping[str, AccountRow],
    story: Sequence[tuple[datetime | None, str]],
    measured: Mapping[str, Mapping[str, Any]],
    now: datetime,
) -> ShownPublication:
    account = known.get(row.account_id)
    snapshots = measured[row.id]["snapshots"] if row.id in measured else []
    points = [(one["age_hours"], one["engagement"]) for one in snapshots if one["engagement"] is not None]
    chart = None
    if points:
        bands = get_age_bands(services.lake, workspace_id=workspace_id, account_id=row.account_id, now=now)
        band = [(float(one["age_hours"]), one["low"], one["middle"], one["high"]) for one in bands]
        name = f"Engagement by age on {CAPABILITIES[Platform(row.platform)].label}"
        chart = draw_curve([(max(float(age), 0.0), float(value)) for age, value in points], band, name)
    status = "deleted" if row.platform_deleted_at is not None else row.status
    return ShownPublication(
        row, account, status, story, chart, snapshots[-1] if snapshots else None, snapshots
    )


@router.post("/{post_id}/unpublish")
async def unpublish(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> HTMLResponse:
    """Delete the published publications of a post on their platforms, after a confirmation."""
    require_form_token(fields, visitor)
    visitor.require("write")
    results: list[dict[str, Any]] = []
    if "sure" in fields:
        results = await unpublish_post(
            services.store,
            services.connectors.delete_post,
            visitor.key.workspace_id,
            post_id,
            publication_ids=fields.get("publication", []),
            clock=services.clock,
        )
    return await asyncio.to_thread(
        show,
        "unpublish.html",
        visitor=visitor,
        services=services,
        post_id=post_id,
        chosen=fields.get("publication", []),
        results=results,
    )


@router.post("/{post_id}/cancel")
def cancel_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Cancel what has not been sent."""

    def work(session: StoreSession, caller: Caller) -> None:
        store_posts.cancel_post(session, caller.workspace_id, post_id, services.clock())

    return _change(services, visitor, fields, post_id, work)


@router.post("/{post_id}/retry")
def retry_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Retry the failed publications of a post."""

    def work(session: StoreSession, caller: Caller) -> None:
        store_posts.retry_post(session, caller.workspace_id, post_id, services.clock())

    return _change(services, visitor, fields, post_id, work)


@router.post("/{post_id}/approve")
async def approve_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Approve a post that waits for approval, in the version the page showed."""
    require_form_token(fields, visitor)
    visitor.require("approve")
    hashes = await read_media_to_approve(services, visitor.key.workspace_id, post_id)

    def work(session: StoreSession, caller: Caller) -> None:
        store_approvals.approve_post(
            session,
            caller.workspace_id,
            post_id,
            caller.key_id,
            services.clock(),
            max_lateness=services.max_lateness,
            media_hashes=hashes,
            expected_version=_version(fields),
        )

    return await asyncio.to_thread(_change, services, visitor, fields, post_id, work, scope="approve")


@router.post("/{post_id}/reject")
def reject_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Reject a post that waits for approval: it goes back to its author as a draft."""

    def work(session: StoreSession, caller: Caller) -> None:
        store_approvals.reject_post(
            session,
            caller.workspace_id,
            post_id,
            caller.key_id,
            field_of(fields, "reason"),
            services.clock(),
            expected_version=_version(fields),
        )

    return _change(services, visitor, fields, post_id, work, scope="approve")


@router.post("/{post_id}/publications/{publication_id}/resolve")
def resolve_publication(
    post_id: PostId,
    publication_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> RedirectResponse:
    """Resolve a publication whose outcome is unknown."""

    def work(session: StoreSession, caller: Caller) -> None:
        store_posts.resolve_publication(
            session,
            caller.workspace_id,
            post_id,
            publication_id,
            field_of(fields, "decision"),
            services.clock(),
        )

    return _change(services, visitor, fields, post_id, work)


@router.post("/{post_id}/mark-paid")
def mark_post_paid(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Mark publications as promoted for money, as not promoted, or take the mark back."""
    said = field_of(fields, "paid")
    if said not in PAID_WORDS:
        raise InvalidInputError(f"paid must be one of {', '.join(PAID_WORDS)}", field="paid")

    def work(session: StoreSession, caller: Caller) -> None:
        mark_paid(
            session,
            caller.workspace_id,
            post_id,
            PAID_WORDS[said],
            services.clock(),
            publication_ids=fields.get("publication", []),
        )

    return _change(services, visitor, fields, post_id, work)


def _change(
    services: Services,
    visitor: Visitor,
    fields: dict[str, list[str]],
    post_id: str,
    work: Callable[[StoreSession, Caller], None],
    *,
    scope: str = "write",
) -> RedirectResponse:
    """Run a form's change in the store, then lead back to the post."""
    require_form_token(fields, visitor)
    visitor.require(scope)
    with services.store.write() as session:
        work(session, visitor.caller)
    return RedirectResponse(f"{LIST}/{post_id}", 303)


def _version(fields: dict[str, list[str]]) -> int:
    given = field_of(fields, "version")
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise RefusedError("This form does not belong to your session: reload the page.")
    return int(given)
