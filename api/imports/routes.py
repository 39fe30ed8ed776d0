"""Import files of past posts: upload, preview, start, progress, report, undo."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.datastructures import UploadFile

from api.http.dependencies import Reader, ServicesDep, Writer
from api.http.errors import problem_at
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from api.imports.schemas import ImportMapOut, ImportOut
from api.imports.uploads import CHOICES, FIELDS, begin, check_options, show_import, take_upload
from warehouse.store.imports import imports as store_imports

router = APIRouter(prefix="/imports", tags=["Imports"])
maps_router = APIRouter(prefix="/import-maps", tags=["Imports"])

MapName = Annotated[str, Path(max_length=100, examples=["redaktion"])]
ImportId = Annotated[str, Path(max_length=40, examples=["imp_01jt3s5yqf3w1k6vhdq6mt4x2e"])]
_DESCRIPTIONS = {
    "platform": "Where the posts were published; needed where the file does not say.",
    "account": "Account of all posts: handle, profile address or id; default: as the file says.",
    "timezone": "Zone of times without offset: Europe/Berlin, -05:00; default: as the file says, else UTC.",
    "date_order": "Order of day and month where both readings fit.",
    "decimal_mark": "Decimal mark where 1.234 can be read both ways.",
    "year": "Year of dates that have none.",
    "sheet": "Sheet of a workbook.",
    "mapping": 'What the columns of a table mean: a JSON object {"COLUMN": "FIELD"}, or lines COLUMN=FIELD; `-` leaves '
    "a column out. Fields: published_at, post_id, account, permalink, text, kind, captured_at, and the counts.",
    "remember": "Keep the mapping under this name, for later files with the same header.",
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                    **{
                        name: {
                            "type": "string",
                            "description": _DESCRIPTIONS[name],
                            **({"enum": list(CHOICES[name])} if name in CHOICES else {}),
                        }
                        for name in FIELDS
                    },
                },
            }
        }
    },
}


@router.post(
    "",
    operation_id="upload_import",
    summary="Upload a file of past posts",
    status_code=201,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
    openapi_extra={"requestBody": _BODY},
)
async def upload_import(
    request: Request,
    services: ServicesDep,
    caller: Writer,
    *,
    dry_run: Annotated[bool, Query(description="Only report what the file is; keep nothing.")] = False,
    start: Annotated[bool, Query(description="Import it at once.")] = False,
) -> ImportOut:
    """Upload an export, an archive or a table as the form field `file`, and learn what it is before it is imported.

    The answer names the format, the accounts, the period and the zone of its times, shows the first 20 rows, and lists
    the rows that are not imported. Start it with POST /api/v1/imports/{import_id}/start. The same file again adds only
    what is missing. An upload that is not started is deleted after a day. docs/imports.md lists the formats.
    """
    async with request.form(max_files=1, max_fields=len(FIELDS) + 1) as form:
        unknown = sorted(set(form) - {"file", *FIELDS})
        file = form.get("file")
        if unknown or not isinstance(file, UploadFile):
            name = unknown[0] if unknown else "file"
            raise problem_at(
                f"/{name}",
                "invalid_form",
                f"send multipart/form-data with one file in the field `file`, and {', '.join(FIELDS)} as needed",
            )
        options = check_options({name: str(form.get(name) or "") for name in FIELDS})
        return ImportOut.model_validate(
            await asyncio.to_thread(
                take_upload,
                services,
                caller.workspace_id,
                file.file,
                filename=file.filename or "file",
                options=options,
                dry_run=dry_run,
                start=start,
            )
        )


@maps_router.get(
    "",
    operation_id="list_import_maps",
    summary="List mappings of columns",
    responses=problems(401, 403, 422, 429),
)
def list_import_maps(services: ServicesDep, caller: Reader) -> Page[ImportMapOut]:
    """List the remembered mappings of columns, by name. A file with exactly such a header is read with its mapping."""
    from warehouse.lake.import_.mappings import load_mappings  # noqa: PLC0415 (Arrow: 40 MB)

    kept = load_mappings(services.lake.settings.home, caller.workspace_id)
    shown = [ImportMapOut.model_validate(one, from_attributes=True) for one in kept]
    return Page(data=shown, has_more=False, next_cursor=None)


@maps_router.delete(
    "/{name}",
    operation_id="delete_import_map",
    summary="Forget a mapping of columns",
    responses=problems(401, 403, 404, 422, 429),
)
def delete_import_map(name: MapName, services: ServicesDep, caller: Writer) -> ImportMapOut:
    """Forget a remembered mapping; what was imported with it stays."""
    from warehouse.lake.import_.mappings import forget  # noqa: PLC0415 (Arrow: 40 MB)

    gone = forget(services.lake.settings.home, name, caller.workspace_id)
    return ImportMapOut.model_validate(gone, from_attributes=True)


@router.get("", operation_id="list_imports", summary="List imports", responses=problems(401, 403, 422, 429))
def list_imports(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: Reader,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[ImportOut]:
    """List imports, newest first."""
    bound_to = {"list": "imports", "workspace": caller.workspace_id}
    with services.store.read() as session:
        rows, has_more = store_imports.list_imports(
            session, caller.workspace_id, before_id=decode_cursor(cursor, bound_to), limit=limit
        )
        shown = [ImportOut.model_validate(show_import(row)) for row in rows]
    next_cursor = encode_cursor(rows[-1].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    return Page(data=shown, has_more=has_more, next_cursor=next_cursor)


@router.get(
    "/{import_id}",
    operation_id="get_import",
    summary="Get an import",
    responses=problems(401, 403, 404, 422, 429),
)
def get_import(import_id: ImportId, services: ServicesDep, caller: Reader) -> ImportOut:
    """Get an import's progress, report or error."""
    with services.store.read() as session:
        return ImportOut.model_validate(
            show_import(store_imports.get_import(session, caller.workspace_id, import_id))
        )


@router.post(
    "/{import_id}/start",
    operation_id="start_import",
    summary="Start an import",
    status_code=202,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def start_import(import_id: ImportId, services: ServicesDep, caller: Writer) -> ImportOut:
    """Import an uploaded file in the background; a failed import continues. Imports run one at a time."""
    return ImportOut.model_validate(begin(services, caller.workspace_id, import_id))


@router.post(
    "/{import_id}/undo",
    operation_id="undo_import",
    summary="Undo an import",
    status_code=202,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def undo_import(import_id: ImportId, services: ServicesDep, caller: Writer) -> ImportOut:
    """Remove exactly what the import stored, in the background, and restore what it changed.

    Posts that the platform or another import also named stay.
    """
    with services.store.write() as session:
        row = store_imports.begin_undo(session, caller.workspace_id, import_id, services.clock())
        shown = show_import(row)
    services.imports.wake()
    return ImportOut.model_validate(shown)


@router.delete(
    "/{import_id}",
    operation_id="delete_import",
    summary="Delete an import",
    responses=problems(401, 403, 404, 409, 422, 429),
)
def delete_import(import_id: ImportId, services: ServicesDep, caller: Writer) -> ImportOut:
    """Delete an upload that was not started, or the record of an import that was undone. Returns 409 otherwise."""
    with services.store.write() as session:
        row = store_imports.delete_import(session, caller.workspace_id, import_id, services.clock())
        shown = show_import(row)
    services.media.remove(import_id)
    return ImportOut.model_validate(shown)
