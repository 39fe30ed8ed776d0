"""Compose: write a new post, edit or duplicate one, with counts, previews and the choice of a time.

It does what POST /api/v1/media, /posts/validate, /posts and PATCH /posts/{id} do, with the same checks; problems are
shown next to what was typed. Nothing is preselected that publishes. A form that is submitted twice (double click,
reload) creates one post. Without scripts the same form works: the button "Check" counts and previews.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from itertools import zip_longest
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from api.dashboard.calendar import find_thumb
from api.dashboard.frame import Clock
from api.dashboard.rendering import DashboardRoute, field_of, give_json, render_part, show
from api.dashboard.sessions import (
    RefusedError,
    Visitor,
    VisitorDep,
    current_visitor,
    read_many_fields,
    refuse_nul,
    require_form_token,
)
from api.dashboard.week_strip import read_strip
from api.http.dependencies import ServicesDep
from api.http.errors import ApiError, explain
from api.http.idempotency import answer_once, identify_content
from api.http.services import Services
from api.media.routes import send_upload
from api.media.uploads import keep_upload
from api.posts.responses import answer_saved
from connectors.capabilities import get_capabilities
from connectors.types import UPLOAD_PREFIX, UPLOAD_TYPES, FollowUp, Platform
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError, WarehouseError
from warehouse.planning.check import check_post
from warehouse.planning.option_texts import add_option
from warehouse.planning.platforms import describe_platforms
from warehouse.planning.posts import change_post, create_post
from warehouse.planning.wish import PostChange, PostWish
from warehouse.scheduling.local_times import resolve_time
from warehouse.scheduling.optimal_placement import read_calendar
from warehouse.scheduling.placement import HARD_GAP
from warehouse.scheduling.queue_slots import next_free_slot
from warehouse.scheduling.suggestions import SuggestionWish, suggest_times
from warehouse.shapes import read_shape
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession
from warehouse.store.posts.media import get_upload
from warehouse.store.posts.reads import get_post, list_publications

router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)

_MOST_FILES = 10
_THREAD_FIELDS = 3
"""Empty fields for further parts of a thread that the form offers."""
_WHY_NOT = {
    "no_queue_slots": "not possible: an account has no queue slots yet (add some under Accounts)",
    "no_common_slot": "not possible: these accounts have no slot in common",
    "no_free_slot": "not possible: every slot of the coming year is taken",
    "no_advised_time": "not computed yet: times are computed every night",
}
"""Why a lane of the plan is closed, by the code of the refusal."""
_LANES = ("queue", "optimal", "at", "now", "draft")

Fields = dict[str, list[str]]
PostId = Annotated[str, Path(max_length=40)]


async def current_author(visitor: Annotated[Visitor, Depends(current_visitor)]) -> Visitor:
    """Return the signed-in visitor with write scope; checked before the upload is read."""
    visitor.require("write")
    return visitor


AuthorDep = Annotated[Visitor, Depends(current_author)]
ManyFieldsDep = Annotated[Fields, Depends(read_many_fields)]


@router.get("/posts/new")
def ask_for_post(
    services: ServicesDep,
    author: AuthorDep,
    *,
    at: Annotated[str, Query(max_length=20)] = "",
    day: Annotated[str, Query(alias="date", max_length=10)] = "",
    zone: Annotated[str, Query(max_length=64)] = "",
    account: Annotated[str, Query(max_length=40)] = "",
    source: Annotated[str, Query(alias="from", max_length=40)] = "",
) -> HTMLResponse:
    """Show the form for a new post; `at` and `date` fill in its time, `from` copies a post."""
    fields: Fields = {}
    with services.store.read() as session:
        own = read_settings(session, author.key.workspace_id).timezone
        if source:
            fields = _fields_of(session, author.key.workspace_id, source, own)
            fields.pop("at", None)
    if at or day:
        written = at or f"{day}T09:00"
        # The form is in the workspace's zone; a cell of the calendar may be in another.
        instant = resolve_time(written, parse_timezone(zone or own, field="zone"), field="at").at
        fields |= {"at": [f"{instant.astimezone(parse_timezone(own)):%Y-%m-%dT%H:%M}"], "when": ["at"]}
    if account:
        fields["account"] = [account]
    return _show_form(services, author, fields, None)


@router.post("/posts/new")
async def make_post(request: Request, services: ServicesDep, author: AuthorDep) -> Response:
    """Save the uploaded files, then create the post, or show the form again: with `add`, `check`, or to confirm."""
    async with _read_form(request) as (fields, uploads):
        return await asyncio.to_thread(_make_post, request, services, author, fields, uploads, None)


@router.get("/posts/{post_id}/edit")
def ask_for_change(post_id: PostId, services: ServicesDep, author: AuthorDep) -> HTMLResponse:
    """Show the form with a post that has not been sent."""
    with services.store.read() as session:
        own = read_settings(session, author.key.workspace_id).timezone
        fields = _fields_of(session, author.key.workspace_id, post_id, own)
    return _show_form(services, author, fields, None, post_id=post_id)


@router.post("/posts/{post_id}/edit")
async def save_change(
    post_id: PostId, request: Request, services: ServicesDep, author: AuthorDep
) -> Response:
    """Save the changed post, unless somebody else changed it meanwhile."""
    async with _read_form(request) as (fields, uploads):
        return await asyncio.to_thread(_make_post, request, services, author, fields, uploads, post_id)


@router.post("/posts/check")
def check(services: ServicesDep, author: AuthorDep, fields: ManyFieldsDep) -> Response:
    """Return counts, previews and the next times of a form as it is, for the script. Saves nothing."""
    require_form_token(fields, author)
    try:
        told = _check(services, author, fields)
    except WarehouseError as error:
        return give_json({"counts": "", "previews": "", "problem": explain(error).detail})
    return give_json(
        {
            "counts": render_part("_compose.html", "counts", check=told),
            "previews": render_part("_compose.html", "previews", check=told),
            "queue": told["queue"],
            "optimal": told["optimal"],
            "warning": told["warning"],
            "label": told["label"],
            "platforms": told["platforms"],
            "strip": told["strip"] and render_part("_compose.html", "strip", week=told["strip"]),
            "problem": None,
        }
    )


@router.post("/posts/autosave")
def autosave(services: ServicesDep, author: AuthorDep, fields: ManyFieldsDep) -> Response:
    """Save the form as a draft, a new one or the one it already has; returns its id and version."""
    require_form_token(fields, author)
    post_id = field_of(fields, "draft_id") or None
    with services.store.write() as session:
        context = services.planning(session, author.key.workspace_id)
        values = _read_values(fields) | {"status": "draft"}
        values |= {"scheduled_at": field_of(fields, "at") or None}
        try:
            if post_id is None:
                saved = create_post(context, read_shape(PostWish, values))
            else:
                version = _version(fields)
                saved = change_post(
                    context, post_id, read_shape(PostChange, values), expected_version=version
                )
        except InvalidInputError as error:
            return give_json({"detail": f"Not saved yet: {error.message}"}, 422)
        except ConflictError as error:
            if error.code != "stale":
                return give_json({"detail": f"Not saved: {error.message}"}, 409)
            stored = get_post(session, author.key.workspace_id, post_id or "")
            return give_json(
                {"detail": "Changed elsewhere", "theirs": stored.content, "version": stored.version}, 412
            )
        return give_json(
            {"id": saved.post.id, "version": saved.post.version, "at": services.clock().isoformat()}
        )


@router.post("/media")
async def upload(request: Request, services: ServicesDep, author: AuthorDep) -> Response:
    """Save one file for the script; returns its reference and the address of its picture."""
    async with _read_form(request) as (fields, uploads):
        return await asyncio.to_thread(_keep, request, services, author, fields, uploads)


def _keep(
    request: Request, services: Services, author: Visitor, fields: Fields, uploads: list[UploadFile]
) -> Response:
    require_form_token(fields, author)
    if len(uploads) != 1:
        raise ApiError(422, "invalid_form", "send one file")
    (file,) = uploads
    answer = keep_upload(
        services, author.caller, request, file.file, filename=file.filename or "file", key=None
    )
    told = orjson.loads(answer.body)
    return give_json({"url": told["url"], "name": told["filename"], "kind": told["kind"]}, 201)


@router.get("/media/{media_id}")
def give_media(
    media_id: Annotated[str, Path(max_length=40)], services: ServicesDep, visitor: VisitorDep
) -> Response:
    """Return the file of an upload, for pictures on pages."""
    visitor.require("read", "write")
    with services.store.read() as session:
        row = get_upload(session, visitor.key.workspace_id, media_id)
    return send_upload(services, row)


@asynccontextmanager
async def _read_form(request: Request) -> AsyncIterator[tuple[Fields, list[UploadFile]]]:
    """Yield the fields and the chosen files of a form; the files close at the end of the block."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError("Send the form as the page shows it.")  # others would be read into memory
    async with request.form(max_files=_MOST_FILES, max_fields=500) as form:
        fields = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
        refuse_nul(fields)
        yield fields, [one for one in form.getlist("file") if isinstance(one, UploadFile) and one.filename]


def _make_post(  # noqa: PLR0917 (a request and what was read from it)
    request: Request,
    services: Services,
    author: Visitor,
    fields: Fields,
    uploads: list[UploadFile],
    post_id: str | None,
) -> Response:
    require_form_token(fields, author)
    # Identify uploads by their content, not their new ids, so that a second submission is recognized as a repeat.
    sent = repr((sorted(fields.items()), [(one.filename, one.size) for one in uploads]))
    repeat = identify_content(request, author.caller, field_of(fields, "form") or None, sent)
    try:
        fields["media"], fields["alt"] = _list_media(request, services, author, fields, uploads)
        if picked := field_of(fields, "pick"):
            fields |= {"at": [picked], "when": ["at"]}
        if picked or "add" in fields or "check" in fields:
            return _show_form(services, author, fields, None, post_id=post_id, checked="check" in fields)
        when = _read_when(fields, is_edit=post_id is not None)
        if when == "now" and "sure" not in fields:
            return _show_form(services, author, fields, None, post_id=post_id, confirm=True)
        values = _read_values(fields) | _time_values(fields, when)
        known = post_id or field_of(fields, "draft_id") or None
        if known is not None:
            change = read_shape(PostChange, values)
            expected = _version(fields)
            with services.store.write() as session:
                saved = change_post(
                    services.planning(session, author.caller.workspace_id),
                    known,
                    change,
                    expected_version=expected,
                )
                made = saved.post.id
        else:
            made = _create(services, author, repeat, read_shape(PostWish, values))
    except (ApiError, WarehouseError) as error:
        problem = explain(error)
        if problem.code == "stale" and (post_id or field_of(fields, "draft_id")):
            return _show_conflict(services, author, fields, problem, post_id or field_of(fields, "draft_id"))
        return _show_form(services, author, fields, problem, post_id=post_id)
    return RedirectResponse(f"/dashboard/posts/{made}?saved={when}", 303)


def _create(services: Services, author: Visitor, repeat: Any, wish: PostWish) -> str:  # noqa: ANN401 (an opaque key)
    def work(session: StoreSession) -> StoredAnswer:
        context = services.planning(session, author.caller.workspace_id)
        return answer_saved(create_post(context, wish), 201)

    answer = answer_once(services, repeat, work)
    made: str = orjson.loads(answer.body)["id"]
    return made


def _read_when(fields: Fields, *, is_edit: bool) -> str:
    """Return the chosen time of the form. Raises InvalidInputError: none chosen, or a filled time that is not used."""
    when, at = field_of(fields, "when"), field_of(fields, "at")
    if not when and at:
        return "at"
    if not when:
        raise InvalidInputError(
            "choose when to publish it: a slot, a time, now, or save it as a draft",
            field="when",
            code="no_time",
        )
    if when not in {*_LANES, "keep"} or (when == "keep" and not is_edit):
        raise InvalidInputError(f"when: {when!r} is not a choice of this form", field="when")
    if at and when in {"queue", "optimal", "now"} and field_of(fields, "at_was") != at:
        raise InvalidInputError(
            "a time is filled in, but another choice is selected: choose 'At this time', or empty the time",
            field="at",
            code="two_times",
        )
    return when


def _time_values(fields: Fields, when: str) -> dict[str, Any]:
    match when:
        case "draft":
            return {"status": "draft", "scheduled_at": field_of(fields, "at") or None}
        case "keep":
            return {}
        case "at":
            return {"status": "scheduled", "scheduled_at": field_of(fields, "at")}
        case "now":
            now = field_of(fields, "now_at")
            return {"status": "scheduled"} | ({"scheduled_at": now} if now else {})
        case _:
            return {"status": "scheduled", "scheduled_at": when}


def _read_values(fields: Fields) -> dict[str, Any]:
    """Return the form as the fields of a PostWish or PostChange, without its time."""
    variants: dict[str, dict[str, Any]] = {}
    options: dict[str, Any] = {}
    for name, given in fields.items():
        kind, _, rest = name.partition(".")
        text = (given or [""])[0].replace("\r\n", "\n")
        if kind == "text" and text.strip():
            variants.setdefault(rest, {})["content"] = text
        elif kind == "opt" and text.strip():
            add_option(options, rest, text.strip())
    return {
        # Browsers send line breaks as CR LF; posts use LF.
        "content": field_of(fields, "content").replace("\r\n", "\n"),
        "account_ids": fields.get("account", []),
        "media": [{"url": url, "alt_text": alt.strip() or None} for url, alt in _pair_media(fields)],
        "link": field_of(fields, "link") or None,
        "thread": _read_parts(fields, "thread"),
        "first_comment": next(iter(_read_parts(fields, "first_comment")), None),
        "variants": variants,
        "options": options,
        "allow_duplicate": "again" in fields,
    }


def _read_parts(fields: Fields, name: str) -> list[dict[str, Any]]:
    """Return the parts of a thread, or the first comment, with their delays and the media that they have already."""
    parts = []
    columns = (fields.get(name, []), fields.get(f"{name}_after", []), fields.get(f"{name}_media", []))
    for text, after, media in zip_longest(*columns, fillvalue=""):
        part: dict[str, Any] = {"text": text.replace("\r\n", "\n")}
        if media:
            try:
                part["media"] = orjson.loads(media)
            except orjson.JSONDecodeError:
                raise RefusedError("Send the form as the page shows it: each part with its files.") from None
        if text.strip() or part.get("media"):
            parts.append(part | ({"after": after.strip()} if after.strip() else {}))
    return parts


def _write_parts(name: str, parts: Sequence[Any]) -> Fields:
    """Return stored parts as the form has them; the files of a part are kept as they are."""
    read = [FollowUp.model_validate(part) for part in parts]
    media = [
        orjson.dumps([item.model_dump(mode="json", exclude_none=True) for item in part.media]).decode()
        if part.media
        else ""
        for part in read
    ]
    return {
        name: [part.text for part in read],
        f"{name}_after": ["" if part.after is None else f"{part.after}s" for part in read],
        f"{name}_media": media,
    }


def _list_media(
    request: Request,
    services: Services,
    author: Visitor,
    fields: Fields,
    uploads: Sequence[UploadFile],
) -> tuple[list[str], list[str]]:
    """Return the addresses and alt texts of the post's media, the new ones last."""
    dropped = set(fields.get("drop", ()))
    kept = [(url, alt) for url, alt in _pair_media(fields) if url not in dropped]
    for one in uploads:
        answer = keep_upload(
            services, author.caller, request, one.file, filename=one.filename or "file", key=None
        )
        kept.append(
            (orjson.loads(answer.body)["url"], field_of(fields, "new_alt") if len(uploads) == 1 else "")
        )
    return [url for url, _ in kept], [alt for _, alt in kept]


def _pair_media(fields: Fields) -> list[tuple[str, str]]:
    media, alt = fields.get("media", []), fields.get("alt", [])
    if len(media) != len(alt):
        raise RefusedError("Send the form as the page shows it: each file with its alt text.")
    return list(zip(media, alt, strict=True))


def _version(fields: Fields) -> int | None:
    given = field_of(fields, "version")
    if given and not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise RefusedError("This form does not belong to your session: reload the page.")
    return int(given) if given else None


def _fields_of(session: StoreSession, workspace_id: str, post_id: str, zone: str) -> Fields:
    """Return a stored post as the form has it."""
    post = get_post(session, workspace_id, post_id)
    details = post.details
    rows = list_publications(session, [post.id])[post.id]
    media = details.get("media") or []
    fields: Fields = {
        "content": [post.content],
        "account": [row.account_id for row in rows if row.status != "canceled"],
        "media": [item["url"] for item in media],
        "alt": [item.get("alt_text") or "" for item in media],
        "link": [details.get("link") or ""],
        **_write_parts("thread", details.get("thread") or []),
        **_write_parts("first_comment", [details.get("first_comment") or ""]),
        "version": [str(post.version)],
        "status": [post.status],
    }
    if post.scheduled_at is not None:
        local = post.scheduled_at.astimezone(parse_timezone(zone))
        fields["at"] = fields["at_was"] = [f"{local:%Y-%m-%dT%H:%M}"]
    for platform, variant in (details.get("variants") or {}).items():
        if variant.get("content") is not None:
            fields[f"text.{platform}"] = [variant["content"]]
    given = {**(details.get("options") or {})}
    for platform, options in given.items():
        for name, value in (options or {}).items():
            fields[f"opt.{platform}.{name}"] = [_write_option(value)]
    return fields


def _write_option(value: Any) -> str:  # noqa: ANN401 (JSON)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _check(services: Services, author: Visitor, fields: Fields) -> dict[str, Any]:
    """Return what the form would become: a line and a preview per account, the next times, and warnings."""
    now = services.clock()
    wish = read_shape(PostWish, _read_values(fields) | {"status": "draft", "allow_duplicate": True})
    accounts = fields.get("account", [])
    workspace_id = author.key.workspace_id
    queue = optimal = warning = ""
    with services.store.read() as session:
        zone = parse_timezone(read_settings(session, workspace_id).timezone)
        clock = Clock(zone, now)
        checked = check_post(services.planning(session, workspace_id), wish)
        told = asdict(checked)
        if not wish.content.strip() and not wish.media:
            # A form in which nothing is written yet is no mistake.
            for one in (told, *told["publications"]):
                one["problems"] = [entry for entry in one["problems"] if entry["code"] != "empty"]
        if accounts and told["publications"]:
            queue, optimal = _next_times(services, session, workspace_id, accounts, clock)
            warning = _warn(services, session, workspace_id, fields, accounts, clock)
        strip = read_strip(
            services,
            session,
            workspace_id,
            accounts,
            field_of(fields, "at"),
            clock,
            known=field_of(fields, "strip"),
        )
    shown = [_describe_account(one) for one in told["publications"]]
    covered = {entry["detail"] for one in shown for entry in one["problems"]}
    others = [entry["detail"] for entry in told["problems"] if entry["detail"] not in covered]
    return {
        "accounts": shown,
        "problems": others,
        "warnings": told["warnings"],
        "queue": queue,
        "optimal": optimal,
        "warning": warning,
        "label": _label_button(fields, clock),
        "platforms": sorted({one["platform"] for one in shown}),
        "strip": strip,
    }


def _describe_account(target: Mapping[str, Any]) -> dict[str, Any]:
    """Return one account's line and preview; `fits` is the part of each text that the platform takes."""
    capabilities = get_capabilities(Platform(target["platform"]))
    parts = []
    for part in target["parts"]:
        fits = fit_text(part["text"], part["limit"], capabilities.count_text)
        parts.append({**part, "fits": part["text"][:fits], "over": part["text"][fits:]})
    thumbs = [(find_thumb([item]), item) for item in target["media"]]
    prefix = f"{target['platform']}: "
    problems = [{**entry, "words": entry["detail"].removeprefix(prefix)} for entry in target["problems"]]
    return {**target, "parts": parts, "thumbs": thumbs, "problems": problems, "label": capabilities.label}


def fit_text(text: str, limit: int, count: Any) -> int:  # noqa: ANN401 (the platform's counting function)
    """Return how many characters of the text the platform takes: the longest beginning within the limit."""
    if count(text) <= limit:
        return len(text)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= limit else (low, middle - 1)
    return low


def _next_times(
    services: Services, session: StoreSession, workspace_id: str, account_ids: Sequence[str], clock: Clock
) -> tuple[str, str]:
    """Return the next free slot and the next best free time of these accounts, in words."""
    try:
        targets = list_target_accounts(session, workspace_id, account_ids=account_ids, lock=False)
        queue = clock.full(next_free_slot(session, targets, clock.now))
    except InvalidInputError as error:
        queue = _WHY_NOT.get(error.code, f"not possible: {error.message}")
    try:
        wish = SuggestionWish(count=1, account_ids=list(account_ids))
        (found,) = suggest_times(session, services.lake, workspace_id, wish, clock.now).data or (None,)
        optimal = (
            "No free time in the coming week"
            if found is None
            else f"{clock.full(found.at)}: {found.reason.partition('; ')[2]}"
        )
    except InvalidInputError as error:
        optimal = _WHY_NOT.get(error.code, f"not possible: {error.message}")
    return queue, optimal


def _warn(  # noqa: PLR0917 (a form and what it is read with)
    services: Services,
    session: StoreSession,
    workspace_id: str,
    fields: Fields,
    account_ids: Sequence[str],
    clock: Clock,
) -> str:
    """Return what should be known before the button: a duplicate, another post within half an hour."""
    words = []
    written = field_of(fields, "at")
    # Of a post that is scheduled already, its own content would be found.
    if field_of(fields, "draft_id") or not field_of(fields, "version"):
        at_time = {"scheduled_at": written} if written and field_of(fields, "when") in {"at", ""} else {}
        wish = read_shape(PostWish, _read_values(fields) | at_time)
        problems = check_post(services.planning(session, workspace_id), wish).problems
        if any(entry["code"] == "duplicate" for entry in problems):
            words.append("One of these accounts has the same content within 24 hours, planned or sent.")
    if written and field_of(fields, "when") in {"at", ""}:
        try:
            at = resolve_time(written, clock.zone, field="at").at
        except InvalidInputError as error:
            return error.message
        if at < clock.now - timedelta(seconds=5):
            words.append(f"{clock.full(at)} is in the past: choose a later time.")
        own = field_of(fields, "draft_id") or field_of(fields, "post_id") or None
        _busy, near = read_calendar(
            session, list(account_ids), at - HARD_GAP, at + HARD_GAP, except_post_id=own
        )
        close = [item for item in near if abs(item.at - at) < HARD_GAP]
        if close:
            words.append(
                f"Another post of these accounts is published at {clock.time(close[0].at)}: the earlier one earns less."
            )
    return " ".join(words)


def _label_button(fields: Fields, clock: Clock) -> str:
    """Return the act and the moment, for the button."""
    when, written = field_of(fields, "when"), field_of(fields, "at")
    if when in {"at", ""} and written:
        try:
            at = resolve_time(written, clock.zone, field="at").at
        except InvalidInputError:
            return "Schedule post"
        return f"Schedule for {clock.full(at)} {clock.place}"
    return {
        "queue": "Schedule for the next free slot",
        "optimal": "Schedule for the best free time",
        "now": "Publish now ...",
        "draft": "Save draft",
        "keep": "Save changes",
    }.get(when, "Choose when")


def _show_conflict(
    services: Services, author: Visitor, fields: Fields, problem: ApiError, post_id: str
) -> Response:
    """Show the form again with both versions; saving once more replaces the other one."""
    with services.store.read() as session:
        theirs = get_post(session, author.key.workspace_id, post_id)
        if theirs.status != "draft" and theirs.content == field_of(fields, "content"):
            return RedirectResponse(f"/dashboard/posts/{post_id}", 303)  # the same form a second time
        fields["version"] = [str(theirs.version)]
        stored = theirs.content
    return _show_form(services, author, fields, problem, post_id=post_id, theirs=stored)


def _show_form(
    services: Services,
    author: Visitor,
    fields: Fields,
    problem: ApiError | None,
    *,
    post_id: str | None = None,
    confirm: bool = False,
    checked: bool = False,
    theirs: str | None = None,
) -> HTMLResponse:
    key = field_of(fields, "form")
    if problem and problem.code == "idempotency_key_reused":
        key = ""  # resubmitted by navigating back, not by a double click
    told = None
    if checked or confirm or field_of(fields, "content"):
        try:
            told = _check(services, author, fields)
        except (WarehouseError, RefusedError) as error:
            problem = problem or (explain(error) if isinstance(error, WarehouseError) else None)
    with services.store.read() as session:
        accounts = list_accounts(session, author.key.workspace_id, statuses=("active",))
        pairs = list(zip(fields.get("media", []), fields.get("alt", []), strict=False))
        media = [(url, alt, *_name_of(session, author.key.workspace_id, url)) for url, alt in pairs]
        own = parse_timezone(read_settings(session, author.key.workspace_id).timezone)
        clock = Clock(own, services.clock())
        strip = told["strip"] if told else None
        if strip is None:
            accounts_given, written = fields.get("account", []), field_of(fields, "at")
            strip = read_strip(
                services,
                session,
                author.key.workspace_id,
                accounts_given,
                written,
                clock,
            )
    connected = {row.platform for row in accounts}
    return show(
        "compose.html",
        problem.status if problem else 200,
        visitor=author,
        services=services,
        problem=problem,
        form=key or secrets.token_urlsafe(16),
        given=fields,
        post_id=post_id,
        confirm=confirm,
        check=told,
        week=strip,
        kept=_write_kept(fields, clock),
        theirs=theirs,
        accounts=accounts,
        platforms=[one for one in describe_platforms() if one["platform"] in connected],
        media=media,
        accepted=",".join(UPLOAD_TYPES),
        thread_fields=max(_THREAD_FIELDS, len(fields.get("thread", [])) + 1),
        is_draft=post_id is not None and field_of(fields, "status") == "draft",
    )


def _write_kept(fields: Fields, clock: Clock) -> str:
    """Return the time that an edited post has, in words; "" = none."""
    written = field_of(fields, "at_was")
    try:
        return clock.full(resolve_time(written, clock.zone, field="at").at) if written else ""
    except InvalidInputError:
        return ""


def _name_of(session: StoreSession, workspace_id: str, url: str) -> tuple[str, str | None, str]:
    """Return an upload's file name, the address of its picture, and its kind."""
    try:
        row = get_upload(session, workspace_id, url.removeprefix(UPLOAD_PREFIX))
    except NotFoundError:  # deleted in the meantime, or elsewhere: creating the post reports it
        return url, None, "image"
    return row.filename, f"/dashboard/media/{row.id}", row.kind
