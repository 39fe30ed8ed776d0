"""The dashboard's form for a new post: text, media, accounts and time.

It does what POST /api/v1/media and POST /api/v1/posts do, with the same checks; errors are shown in the form
next to the input. A form that is submitted twice (double click, reload) creates one post.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from api.dashboard import views
from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import RefusedError, Visitor, current_visitor, refuse_nul, require_form_token
from api.http.dependencies import ServicesDep
from api.http.errors import ApiError, explain
from api.http.idempotency import answer_once, identify_content
from api.http.services import Services
from api.media.routes import MAX_FILES
from api.media.uploads import keep_uploads
from api.posts.responses import answer_saved
from warehouse.errors import WarehouseError
from warehouse.planning.posts import create_post
from warehouse.planning.wish import PostWish
from warehouse.shapes import read_shape
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/dashboard/posts/new", include_in_schema=False, route_class=DashboardRoute)


async def current_author(visitor: Annotated[Visitor, Depends(current_visitor)]) -> Visitor:
    """Return the signed-in visitor with write scope; checked before the upload is read."""
    visitor.require("write")
    return visitor


AuthorDep = Annotated[Visitor, Depends(current_author)]


@router.get("")
def ask_for_post(services: ServicesDep, author: AuthorDep) -> HTMLResponse:
    """Show the form for a new post."""
    return _show_form(services, author, {}, None)


@router.post("")
async def make_post(request: Request, services: ServicesDep, author: AuthorDep) -> Response:
    """Save the uploaded file, then create the post, or (`add`) show the form again with the file."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError(
            "Send the form as the page shows it."
        )  # other media types would be read into memory
    async with request.form(max_files=MAX_FILES, max_fields=200) as form:
        fields = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
        refuse_nul(fields)
        files = [item for item in form.getlist("file") if isinstance(item, UploadFile) and item.filename]
        return await asyncio.to_thread(_make_post, request, services, author, fields, files)


def _make_post(
    request: Request,
    services: Services,
    author: Visitor,
    fields: dict[str, list[str]],
    files: Sequence[UploadFile],
) -> Response:
    require_form_token(fields, author)
    # Identify the upload by its content, not its new id, so that a second submission is recognized as a
    # repeat.
    sent = repr((sorted(fields.items()), [(one.filename, one.size) for one in files]))
    repeat = identify_content(request, author.caller, field_of(fields, "form") or None, sent)
    try:
        fields["media"], fields["alt"] = _list_media(request, services, author, fields, files)
        if "add" in fields:
            return _show_form(services, author, fields, None)
        wish = _read_post(fields)

        def work(session: StoreSession) -> StoredAnswer:
            return answer_saved(
                create_post(services.planning(session, author.caller.workspace_id), wish), 201
            )

        answer_once(services, repeat, work)
    except (ApiError, WarehouseError) as error:
        return _show_form(services, author, fields, explain(error))
    return RedirectResponse("/dashboard/posts", 303)


def _list_media(
    request: Request,
    services: Services,
    author: Visitor,
    fields: dict[str, list[str]],
    files: Sequence[UploadFile],
) -> tuple[list[str], list[str]]:
    """Return the addresses and alt texts of the post's media, the new ones last. All new files are saved, or none."""
    dropped = set(fields.get("drop", ()))
    kept = [(url, alt) for url, alt in _pair_media(fields) if url not in dropped]
    if files:
        answer = keep_uploads(services, author.caller, request, files, key=None)
        urls = [one["url"] for one in orjson.loads(answer.body)["data"]]
        kept += zip(urls, [field_of(fields, "new_alt"), *[""] * (len(urls) - 1)], strict=True)
    return [url for url, _ in kept], [alt for _, alt in kept]


def _pair_media(fields: dict[str, list[str]]) -> list[tuple[str, str]]:
    media, alt = fields.get("media", []), fields.get("alt", [])
    if len(media) != len(alt):
        raise RefusedError("Send the form as the page shows it: each file with its alt text.")
    return list(zip(media, alt, strict=True))


def _read_post(fields: dict[str, list[str]]) -> PostWish:
    when = field_of(fields, "when") or "now"
    values: dict[str, Any] = {
        # Browsers send line breaks as CR LF; posts use LF.
        "content": field_of(fields, "content").replace("\r\n", "\n"),
        "account_ids": fields.get("account", []),
        "media": [{"url": url, "alt_text": alt.strip() or None} for url, alt in _pair_media(fields)],
        "link": field_of(fields, "link") or None,
        "allow_duplicate": "again" in fields,
        "options": {"media": {"fit": True}} if "fit" in fields else {},
    }
    if when == "draft":
        values["status"] = "draft"
    elif when != "now":
        values["scheduled_at"] = field_of(fields, "at") if when == "at" else when
    return read_shape(PostWish, values)


def _show_form(
    services: Services, author: Visitor, fields: dict[str, list[str]], problem: ApiError | None
) -> HTMLResponse:
    key = field_of(fields, "form")
    if (
        problem and problem.code == "idempotency_key_reused"
    ):  # resubmitted by navigating back, not by a double click
        key = ""
    return show(
        "new_post.html",
        problem.status if problem else 200,
        visitor=author,
        problem=problem,
        form=key or secrets.token_urlsafe(16),
        given=fields,
        **views.show_recipients(services, author.caller.workspace_id, _pair_media(fields)),
    )
