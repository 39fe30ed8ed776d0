"""The dashboard's list of planned and published posts, with the actions on each.

Each form does what the API request of that name does, with the same checks, and redirects to the list.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard import views
from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, RefusedError, Visitor, VisitorDep, require_form_token
from api.http.callers import Caller
from api.http.dependencies import ServicesDep
from api.http.services import Services
from api.posts.media_hashes import read_media_to_approve
from warehouse.planning import posts as planned_posts
from warehouse.store.posts import approvals as store_approvals
from warehouse.store.posts import posts as store_posts
from warehouse.store.posts.idempotency import StoreSession

LIST = "/dashboard/posts"

router = APIRouter(prefix=LIST, include_in_schema=False, route_class=DashboardRoute)

PostId = Annotated[str, Path(max_length=40)]


@router.get("")
def show_posts(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show planned and published posts with their history."""
    visitor.require("read")
    return show("posts.html", visitor=visitor, **views.show_posts(services, visitor.key.workspace_id))


@router.post("/{post_id}/move")
def move_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Reschedule what has not been sent; with `now`, send it at once."""

    def work(session: StoreSession, caller: Caller) -> None:
        when = None if "now" in fields else field_of(fields, "at")
        planned_posts.move_post(services.planning(session, caller.workspace_id), post_id, when)

    return _change(services, visitor, fields, work)


@router.post("/{post_id}/cancel")
def cancel_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Cancel what has not been sent."""

    def work(session: StoreSession, caller: Caller) -> None:
        store_posts.cancel_post(session, caller.workspace_id, post_id, services.clock())

    return _change(services, visitor, fields, work)


@router.post("/{post_id}/retry")
def retry_post(
    post_id: PostId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Retry the failed publications of a post."""

    def work(session: StoreSession, caller: Caller) -> None:
        store_posts.retry_post(session, caller.workspace_id, post_id, services.clock())

    return _change(services, visitor, fields, work)


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

    return await asyncio.to_thread(_change, services, visitor, fields, work, scope="approve")


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

    return _change(services, visitor, fields, work, scope="approve")


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

    return _change(services, visitor, fields, work)


def _change(
    services: Services,
    visitor: Visitor,
    fields: dict[str, list[str]],
    work: Callable[[StoreSession, Caller], None],
    *,
    scope: str = "write",
) -> RedirectResponse:
    """Run a form's change in the store, then redirect to the list."""
    require_form_token(fields, visitor)
    visitor.require(scope)
    with services.store.write() as session:
        work(session, visitor.caller)
    return RedirectResponse(LIST, 303)


def _version(fields: dict[str, list[str]]) -> int:
    given = field_of(fields, "version")
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise RefusedError("This form does not belong to your session: reload the page.")
    return int(given)
