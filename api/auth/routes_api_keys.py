"""API key endpoints: create (shown once), list, revoke. Administrators only, within their own workspace."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.auth.schemas_api_keys import ApiKeyCreated, ApiKeyOut
from api.http.dependencies import Administrator, ServicesDep
from api.http.idempotency import Repeatable, answer_once, make_answer, render_answer
from api.http.pagination import Cursor, Limit, decode_cursor, encode_cursor, next_link
from api.http.schemas import Page, problems
from warehouse.scheduling.local_times import resolve_expiry
from warehouse.store.access.api_keys import (
    CreatedApiKey,
    create_api_key,
    describe_api_key,
    get_api_key,
    list_api_keys,
    parse_scopes,
    require_grantable,
    revoke_api_key,
)
from warehouse.store.access.shapes import ApiKeyCreate
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.models import ApiKey
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/api-keys", tags=["API keys"])

KeyId = Annotated[str, Path(max_length=40)]


@router.post(
    "",
    operation_id="create_api_key",
    summary="Create an API key",
    status_code=201,
    response_model=ApiKeyCreated,
    responses=problems(401, 403, 409, 413, 422, 429),
)
def create_key(
    body: ApiKeyCreate, services: ServicesDep, caller: Administrator, repeat: Repeatable
) -> Response:
    """Create an API key. `api_key` and `api_secret` are returned only in this response."""
    now = services.clock()
    shown: list[CreatedApiKey] = []

    def work(session: StoreSession) -> StoredAnswer:
        zone = parse_timezone(get_workspace(session, caller.workspace_id).timezone)
        expires_at = resolve_expiry(body.expires_at, zone, now)
        scopes = parse_scopes(body.scopes)
        holder = get_api_key(session, caller.workspace_id, caller.key_id)
        require_grantable(holder, caller.scopes, scopes, expires_at)
        made = create_api_key(
            session, services.store.cipher, caller.workspace_id, body.name, scopes, now, expires_at
        )
        shown.append(made)
        # The response stored for the Idempotency-Key contains no secret.
        kept = ApiKeyCreated(**render_api_key(made.row, now).model_dump(), api_key=None, api_secret=None)
        return make_answer(201, kept, {"Location": f"/api/v1/api-keys/{made.row.id}"})

    kept = answer_once(services, repeat, work)
    if not shown:
        return kept
    made = shown[0]
    whole = ApiKeyCreated(
        **render_api_key(made.row, now).model_dump(), api_key=made.api_key, api_secret=made.api_secret
    )
    headers = {"Location": f"/api/v1/api-keys/{made.row.id}", "Cache-Control": "no-store"}
    return render_answer(make_answer(201, whole, headers))


@router.get("", operation_id="list_api_keys", summary="List API keys", responses=problems(401, 403, 422, 429))
def list_keys(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: Administrator,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[ApiKeyOut]:
    """List the API keys, newest first, including revoked ones."""
    bound_to = {"list": "api_keys", "workspace": caller.workspace_id}
    with services.store.read() as session:
        rows = list_api_keys(
            session, caller.workspace_id, before_id=decode_cursor(cursor, bound_to), limit=limit + 1
        )
    has_more, rows = len(rows) > limit, rows[:limit]
    next_cursor = encode_cursor(rows[-1].id, bound_to) if has_more else None
    if next_cursor is not None:
        response.headers["Link"] = next_link(request, next_cursor)
    now = services.clock()
    return Page(data=[render_api_key(row, now) for row in rows], has_more=has_more, next_cursor=next_cursor)


@router.get(
    "/{key_id}",
    operation_id="get_api_key",
    summary="Get an API key",
    responses=problems(401, 403, 404, 422, 429),
)
def read_key(key_id: KeyId, services: ServicesDep, caller: Administrator) -> ApiKeyOut:
    """Get an API key."""
    with services.store.read() as session:
        return render_api_key(get_api_key(session, caller.workspace_id, key_id), services.clock())


@router.delete(
    "/{key_id}",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    responses=problems(401, 403, 404, 422, 429),
)
def revoke_key(key_id: KeyId, services: ServicesDep, caller: Administrator) -> ApiKeyOut:
    """Revoke an API key permanently: its tokens stop working at once. Revoking it again has no effect."""
    now = services.clock()
    with services.store.write() as session:
        return render_api_key(revoke_api_key(session, caller.workspace_id, key_id, now), now)


def render_api_key(row: ApiKey, now: datetime) -> ApiKeyOut:
    """Return the response model of a key, without secrets."""
    return ApiKeyOut.model_validate(describe_api_key(row, now))
