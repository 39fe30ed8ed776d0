"""Response cache, valid while the stores a response was computed from are unchanged.

A cacheable route calls `remember` with the stores' change marks from before it read them. The same request by
the same caller (same key and scopes) then gets the same bytes without a query or rendering, as long as the
marks are the same: any commit, including the revocation of a key, invalidates every response. The caller in
the cache key is the authenticated one; the raw Authorization header is not part of the key. Nothing is cached
for a store without a cheap change mark (PostgreSQL).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers

from api.http.lake_responses import is_known

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.http.callers import Caller, Identity
    from api.http.services import Services

_MOST_ANSWERS = 512
_LONGEST_BODY = 256_000


class _Name(NamedTuple):
    """Cache key of a response."""

    caller: Caller
    accept: tuple[str, ...]
    path: str
    query: bytes


class Marks(NamedTuple):
    """Change marks of the stores, taken before reading."""

    store: int | None
    lake: int | None = None
    """Only for responses that read the lake."""
    uses_lake: bool = False

    @property
    def usable(self) -> bool:
        """Whether a change of the stores would be detected."""
        return self.store is not None and (not self.uses_lake or self.lake is not None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A cached 200 response."""

    marks: Marks
    since: datetime
    until: datetime
    key_id: str
    route: Any
    headers: list[tuple[bytes, bytes]]
    etag: str | None
    body: bytes


def remember(
    request: Request,
    services: Services,
    *,
    lake_mark: int | None = None,
    uses_lake: bool = False,
    until: datetime | None = None,
) -> None:
    """Allow the response to this request to be reused until a store changes or until `until`.

    `lake_mark` must be taken before reading the lake, and the store's mark before authenticating the caller.
    """
    identity: Identity = request.scope["socialflow.identity"]
    marks = Marks(identity.store_mark, lake_mark, uses_lake)
    if marks.usable:
        ends = identity.until if until is None else min(until, identity.until)
        request.scope["socialflow.remember"] = (marks, services.clock(), ends)


class RememberedAnswers:
    """ASGI middleware inside the envelope.

    Cached responses get the same headers, limits, log lines and metrics as others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: OrderedDict[_Name, Answer] = OrderedDict()
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or call the application and cache its response if the route allows it."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        headers = Headers(scope=scope)
        answer = self._find(scope, headers, services)
        if answer is not None:
            limit = await services.key_limiter.take_async(answer.key_id, services.clock())
            scope["socialflow.rate_limit"] = limit
            if limit.allowed:
                scope["route"] = answer.route
                await _send(answer, headers.get("if-none-match"), send)
                return
        recorder = _Recorder(send)
        await self._app(scope, receive, recorder.send)
        if "socialflow.remember" in scope and recorder.is_whole:
            caller = scope["socialflow.identity"].caller
            self._keep(_name_of(scope, headers, caller), scope, recorder)

    def _find(self, scope: Scope, headers: Headers, services: Services) -> Answer | None:
        scheme, token = get_authorization_scheme_param(headers.get("authorization"))
        identity = services.callers.recall(token, services.clock()) if scheme.lower() == "bearer" else None
        if identity is None:
            return None
        name = _name_of(scope, headers, identity.caller)
        with self._lock:
            answer = self._answers.get(name)
        if answer is None:
            return None
        lake_mark = services.lake.peek_snapshot_id() if answer.marks.uses_lake else None
        now_marks = Marks(identity.store_mark, lake_mark, answer.marks.uses_lake)
        if now_marks == answer.marks and answer.since <= services.clock() < answer.until:
            return answer
        with self._lock:
            self._answers.pop(name, None)
        return None

    def _keep(self, name: _Name, scope: Scope, recorder: _Recorder) -> None:
        marks, since, until = scope["socialflow.remember"]
        etags = [value.decode("latin-1") for name, value in recorder.headers if name == b"etag"]
        answer = Answer(
            marks=marks,
            since=since,
            until=until,
            key_id=scope["socialflow.identity"].caller.key_id,
            route=scope.get("route"),
            headers=recorder.headers,
            etag=etags[0] if etags else None,
            body=b"".join(recorder.parts),
        )
        if len(answer.body) > _LONGEST_BODY:
            return
        with self._lock:
            self._answers[name] = answer
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)


class _Recorder:
    """Forward a response and keep a copy of it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._ended = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            # A copy, because the envelope adds headers of this request to the message.
            self.headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        await self._send(message)

    @property
    def is_whole(self) -> bool:
        """Whether a 200 response was sent completely."""
        return self._status == 200 and self._ended


def _name_of(scope: Scope, headers: Headers, caller: Caller) -> _Name:
    return _Name(caller, tuple(headers.getlist("accept")), scope["path"], scope["query_string"])


async def _send(answer: Answer, if_none_match: str | None, send: Send) -> None:
    if answer.etag is not None and is_known(answer.etag, if_none_match):
        dropped = (b"content-length", b"content-type")
        headers = [header for header in answer.headers if header[0] not in dropped]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})
