"""`Idempotency-Key` on POSTs: a repeated request gets the first response and changes nothing."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from api.http.callers import Caller
from api.http.dependencies import caller_of
from api.http.services import Services
from warehouse.store.posts import idempotency
from warehouse.store.posts.idempotency import GroupedWork, RepeatableRequest, StoredAnswer, StoreSession

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Unique string per request (1-255 visible characters). A repeated request "
        "within 24 hours gets the first response again, marked `Idempotent-Replayed: true`.",
        # Validated below, to return a specific error code.
        json_schema_extra={"pattern": f"^{idempotency.KEY.pattern}$", "minLength": 1, "maxLength": 255},
    ),
]


async def identify_request(
    request: Request, idempotency_key: IdempotencyKeyHeader = None
) -> RepeatableRequest | None:
    """Return the identity of this request for idempotency; None = it has no key."""
    if idempotency_key is None:
        return None
    content = (await request.body()).decode("latin-1")
    return identify_content(request, caller_of(request), idempotency_key, content)


Repeatable = Annotated[RepeatableRequest | None, Depends(identify_request)]
"""Dependency of a POST that accepts an `Idempotency-Key`; declare it after the caller."""


def identify_content(
    request: Request, caller: Caller, key: str | None, content: str
) -> RepeatableRequest | None:
    """Return the identity of a request whose body is represented by `content`; None = it has no key."""
    if key is None:
        return None
    idempotency.require_key(key)
    said = request.url.query.encode() + b"\n" + content.encode("latin-1", "backslashreplace")
    return RepeatableRequest(
        workspace_id=caller.workspace_id,
        api_key_id=caller.key_id,
        route=f"{request.method} {request.url.path}"[:300],
        key=key,
        body_hash=hashlib.sha256(said).hexdigest(),
    )


def make_answer(status: int, model: BaseModel, headers: dict[str, str] | None = None) -> StoredAnswer:
    """Return a response in the form in which it is stored and replayed."""
    return StoredAnswer(status, headers or {}, model.model_dump_json(by_alias=True).encode())


def render_answer(answer: StoredAnswer, *, replayed: bool = False) -> Response:
    """Return the HTTP response of a stored answer."""
    headers = {**answer.headers, "Idempotent-Replayed": "true"} if replayed else answer.headers
    return Response(answer.body, answer.status, headers, "application/json")


def answer_once(
    services: Services, request: RepeatableRequest | None, work: Callable[[StoreSession], StoredAnswer]
) -> Response:
    """Run a change and store its response in one transaction, or replay the stored response."""
    answer, replayed = idempotency.answer_once(services.store, request, work, services.clock())
    return render_answer(answer, replayed=replayed)


async def answer_once_grouped(
    services: Services,
    request: RepeatableRequest | None,
    workspace_id: str,
    work: Callable[[StoreSession], StoredAnswer],
) -> Response:
    """Like `answer_once`, committed together with others; `work` takes little time and asks nothing but the store."""
    change = GroupedWork(request, work, services.clock())
    answer, replayed = await services.grouped_writes.answer_once(change, workspace_id)
    return render_answer(answer, replayed=replayed)


async def answer_once_across(
    services: Services, request: RepeatableRequest | None, work: Callable[[], Awaitable[StoredAnswer]]
) -> Response:
    """Run a change that also calls a platform, under a lease on the key; a failure releases the key."""
    if request is None:
        return render_answer(await work())
    known = await asyncio.to_thread(idempotency.reserve, services.store, request, services.clock())
    if known is not None:
        return render_answer(known, replayed=True)
    try:
        answer = await work()
    except BaseException:
        await asyncio.to_thread(idempotency.release, services.store, request)
        raise
    await asyncio.to_thread(idempotency.keep_answer, services.store, request, answer)
    return render_answer(answer)
