"""Dashboard pages for files: import past posts (upload, preview, start, undo), and schedule posts from a file.

They do what POST /api/v1/imports and POST /api/v1/posts/bulk do, with the same checks.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import (
    FieldsDep,
    RefusedError,
    Visitor,
    VisitorDep,
    current_visitor,
    refuse_nul,
    require_form_token,
)
from api.http.dependencies import ServicesDep
from api.http.errors import ApiError, explain
from api.http.services import Services
from api.imports.uploads import FIELDS, begin, check_options, show_import, take_upload
from connectors.types import Platform
from warehouse.errors import InvalidInputError, WarehouseError
from warehouse.planning.bulk import BulkReport, create_posts
from warehouse.planning.files import FileFormat, read_post_rows
from warehouse.planning.templates import FileOptions
from warehouse.store.imports import imports as store_imports

router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)

_SHOWN = 50
_FORMATS: dict[str, FileFormat] = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "json": "json",
    "jsonl": "json_lines",
}
_IMPORT_FIELDS = 500
"""Two for each column that is mapped, and the options."""
_BULK_BYTES = 5_000_000
_BLANK_DATES = ("draft", "queue", "now")


async def current_writer(visitor: Annotated[Visitor, Depends(current_visitor)]) -> Visitor:
    """Return the signed-in visitor with write scope; checked before the upload is read."""
    visitor.require("write")
    return visitor


WriterDep = Annotated[Visitor, Depends(current_writer)]


@router.get("/imports")
def show_imports(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the form for a file of past posts, and the imports."""
    visitor.require("read")
    return _show_list(services, visitor, {}, None)


@router.post("/imports")
async def upload_import(request: Request, services: ServicesDep, visitor: WriterDep) -> Response:
    """Read what the file is and show it, before it is imported."""
    async with _form_of(request, max_fields=_IMPORT_FIELDS) as form:
        fields, upload = _read_form(form)
        return await asyncio.to_thread(_upload_import, services, visitor, fields, upload)


def _upload_import(
    services: Services, visitor: Visitor, fields: dict[str, list[str]], upload: UploadFile | None
) -> Response:
    require_form_token(fields, visitor)
    given = {name: field_of(fields, name) for name in FIELDS}
    columns = dict(zip(fields.get("column", []), fields.get("field", []), strict=False))
    mapped = {column: field for column, field in columns.items() if field}
    if mapped:
        given["mapping"] = orjson.dumps(mapped).decode()
    if upload is None:
        return _show_list(
            services, visitor, fields, explain(InvalidInputError("choose a file", field="file")), columns
        )
    try:
        shown = take_upload(
            services,
            visitor.caller.workspace_id,
            upload.file,
            filename=upload.filename or "file",
            options=check_options(given),
            dry_run=False,
            start=False,
        )
    except InvalidInputError as error:
        found = next((entry["columns"] for entry in error.entries if entry.get("columns")), list(columns))
        return _show_list(
            services, visitor, fields, explain(error), {name: columns.get(name, "") for name in found}
        )
    except (ApiError, WarehouseError) as error:
        return _show_list(services, visitor, fields, explain(error), columns)
    return RedirectResponse(f"/dashboard/imports/{shown['id']}", 303)


@router.post("/import-maps/remove")
def forget_mapping(services: ServicesDep, visitor: WriterDep, fields: FieldsDep) -> Response:
    """Forget a remembered mapping of columns."""
    from warehouse.lake.import_.mappings import forget  # noqa: PLC0415 (Arrow: 40 MB)

    require_form_token(fields, visitor)
    try:
        forget(services.lake.settings.home, field_of(fields, "name"), visitor.caller.workspace_id)
    except WarehouseError as error:
        return _show_list(services, visitor, {}, explain(error))
    return RedirectResponse("/dashboard/imports", 303)


@router.get("/imports/{import_id}")
def show_one_import(import_id: str, services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show what a file is, how far its import is, or what it stored."""
    visitor.require("read")
    return _show_one(services, visitor, import_id, None)


@router.post("/imports/{import_id}/{step}")
def change_import(
    import_id: str, step: str, services: ServicesDep, visitor: WriterDep, fields: FieldsDep
) -> Response:
    """Start, undo or delete an import."""
    require_form_token(fields, visitor)
    workspace_id = visitor.caller.workspace_id
    if step not in {"start", "undo", "delete"}:
        raise ApiError(404, "not_found", "there is no such page")
    try:
        if step == "start":
            begin(services, workspace_id, import_id)
        elif step == "undo":
            with services.store.write() as session:
                store_imports.begin_undo(session, workspace_id, import_id, services.clock())
            services.imports.wake()
        else:
            with services.store.write() as session:
                store_imports.delete_import(session, workspace_id, import_id, services.clock())
            services.media.remove(import_id)
            return RedirectResponse("/dashboard/imports", 303)
    except (ApiError, WarehouseError) as error:
        return _show_one(services, visitor, import_id, explain(error))
    return RedirectResponse(f"/dashboard/imports/{import_id}", 303)


@router.get("/posts/bulk")
def ask_for_posts(services: ServicesDep, visitor: WriterDep) -> HTMLResponse:
    """Show the form for a file of posts to schedule."""
    return _show_bulk(services, visitor, {}, None, None)


@router.post("/posts/bulk")
async def schedule_posts(request: Request, services: ServicesDep, visitor: WriterDep) -> Response:
    """Check the rows of a file, or schedule them, with a report for each row."""
    async with _form_of(request) as form:
        fields, upload = _read_form(form)
        body = b"" if upload is None else await upload.read(_BULK_BYTES + 1)
        return await asyncio.to_thread(_schedule_posts, services, visitor, fields, upload, body)


def _schedule_posts(
    services: Services, visitor: Visitor, fields: dict[str, list[str]], upload: UploadFile | None, body: bytes
) -> Response:
    require_form_token(fields, visitor)
    try:
        if upload is None or not body:
            raise InvalidInputError("choose a file", field="file")
        if len(body) > _BULK_BYTES:
            raise InvalidInputError(f"the file is larger than {_BULK_BYTES:,} bytes: split it", field="file")
        ending = (upload.filename or "").rpartition(".")[2].lower()
        blank, order = field_of(fields, "blank_date") or "draft", field_of(fields, "date_order")
        if blank not in _BLANK_DATES or order not in {"", "dmy", "mdy", "ymd"}:
            raise InvalidInputError("send the form as the page shows it", field="blank_date")
        platforms = fields.get("platform", [])
        options = FileOptions(
            blank_date=blank,  # type: ignore[arg-type]  # checked above
            date_order=order or None,  # type: ignore[arg-type]  # checked above
            timezone=field_of(fields, "timezone") or None,
            platforms=[name for name in platforms if name],
        )
        rows = read_post_rows(body, _FORMATS.get(ending, "csv"), options)
        with services.store.write() as session:
            context = services.planning(session, visitor.caller.workspace_id)
            report = create_posts(
                context,
                rows,
                mode="each" if "each" in fields else "all",
                dry_run="save" not in fields,
            )
    except (ApiError, WarehouseError) as error:
        return _show_bulk(services, visitor, fields, None, explain(error))
    return _show_bulk(services, visitor, fields, report, None)


def _form_of(request: Request, *, max_fields: int = 50):  # type: ignore[no-untyped-def]  # noqa: ANN202 (Starlette's form, a context manager without a public name)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError("Send the form as the page shows it.")
    return request.form(max_files=1, max_fields=max_fields)


def _read_form(form) -> tuple[dict[str, list[str]], UploadFile | None]:  # type: ignore[no-untyped-def]  # noqa: ANN001 (see _form_of)
    fields = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
    refuse_nul(fields)
    file = form.get("file")
    return fields, file if isinstance(file, UploadFile) and file.filename else None


def _show_list(
    services: Services,
    visitor: Visitor,
    fields: dict[str, list[str]],
    problem: ApiError | None,
    columns: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Show the form and the imports. `columns`: the field that was chosen for each column of a file to be mapped."""
    from warehouse.lake.import_.mappings import load_mappings  # noqa: PLC0415 (Arrow: 40 MB)
    from warehouse.lake.import_.recognise import MAPPABLE  # noqa: PLC0415 (same)

    with services.store.read() as session:
        rows, _ = store_imports.list_imports(session, visitor.caller.workspace_id, limit=_SHOWN)
        imports = [show_import(row) for row in rows]
    return show(
        "imports.html",
        problem.status if problem else 200,
        visitor=visitor,
        services=services,
        problem=problem,
        given=fields,
        imports=imports,
        columns=columns or {},
        mappable=MAPPABLE,
        mappings=load_mappings(services.lake.settings.home, visitor.caller.workspace_id),
        platforms=[platform.value for platform in Platform],
    )


def _show_one(services: Services, visitor: Visitor, import_id: str, problem: ApiError | None) -> HTMLResponse:
    with services.store.read() as session:
        row = store_imports.get_import(session, visitor.caller.workspace_id, import_id)
        item = show_import(row)
    return show(
        "import.html",
        problem.status if problem else 200,
        visitor=visitor,
        services=services,
        problem=problem,
        item=item,
    )


def _show_bulk(
    services: Services,
    visitor: Visitor,
    fields: dict[str, list[str]],
    report: BulkReport | None,
    problem: ApiError | None,
) -> HTMLResponse:
    return show(
        "bulk_posts.html",
        problem.status if problem else 200,
        visitor=visitor,
        services=services,
        problem=problem,
        given=fields,
        report=report,
        platforms=[platform.value for platform in Platform],
    )
