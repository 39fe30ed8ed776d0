"""Response cache, valid while the stores a response was computed from are unchanged, and shared computations.

A cacheable route calls `remember` with the stores' change marks from before it read them. The same request by
the same caller (same key and scopes) then gets the same bytes without a query or rendering, as long as the
marks are the same: any commit, including the revocation of a key, invalidates every response. The caller in
the cache key is the authenticated one; the raw Authorization header is not part of the key. Nothing is cached
for a store without a cheap change mark (PostgreSQL).

While commits never pause, the same requests share computations: of those that wait, one computes, and the others
get its answer. Each gets an answer that was computed from a state at least as new as its own arrival.

A route may also tell how to compute its response again. What it has checked of a request (its parameters, the scopes of
the caller) depends on nothing but what the cache key holds, so the same request is not checked and routed once more.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers

from api.http.lake_responses import is_known
from api.http.shared_runs import SharedRuns
from api.http.tokens import InvalidTokenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.http.callers import Caller, Identity
    from api.http.services import Services
    from api.http.shared_runs import Run

    Again = Callable[[], Awaitable[Response]]

Kept = TypeVar("Kept")

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
    again: Again | None = None,
) -> None:
    """Allow the response to this request to be reused until a store changes or until `until`.

    `lake_mark` must be taken before reading the lake, and the store's mark before authenticating the caller. `again`
    computes the response to the same request of the same caller from the present state of the store; it must not keep
    anything of it, and is used only without `until` and the lake.
    """
    identity: Identity = request.scope["socialflow.identity"]
    marks = Marks(identity.store_mark, lake_mark, uses_lake)
    ends = identity.until if until is None else min(until, identity.until)
    request.scope["socialflow.remember"] = (marks, services.clock(), ends, again)


class RememberedAnswers:
    """ASGI middleware inside the envelope.

    Cached responses get the same headers, limits, log lines and metrics as others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: OrderedDict[_Name, Answer] = OrderedDict()
        self._shareable: OrderedDict[_Name, _Recipe] = OrderedDict()
        """Requests whose last response was cacheable, so that it is worth waiting for each other's."""
        self._runs: SharedRuns[_Name, Answer] = SharedRuns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or call the application and cache its response if the route allows it."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        headers = Headers(scope=scope)
        scheme, token = get_authorization_scheme_param(headers.get("authorization"))
        is_conditional = "if-match" in headers  # which no response here depends on, but the route may refuse
        if is_conditional or scheme.lower() != "bearer" or not services.callers.is_known(token):
            await self._compute(scope, headers, receive, send)
            return
        answer = await self._find_or_share(scope, headers, services, token)
        if answer is not None:
            scope["route"] = answer.route
            await _send(answer, headers.get("if-none-match"), send)
            return
        run: Run[Answer] | None = scope.get("socialflow.run")
        if run is None:
            await self._compute(scope, headers, receive, send)
            return
        name = scope["socialflow.name"]
        messages: list[Message] = []
        made: Answer | None = None
        try:
            made = await self._compute_again(scope, name, services)
            if made is None:
                # The others do not wait until this client has received its response.

                async def keep(message: Message) -> None:
                    messages.append(message)

                made = await self._compute(scope, headers, receive, keep)
        finally:
            self._runs.end(name, run, made)
        for message in messages:
            await send(message)
        if made is not None and not messages:
            scope["route"] = made.route
            await _send(made, headers.get("if-none-match"), send)

    async def _find_or_share(
        self, scope: Scope, headers: Headers, services: Services, token: str
    ) -> Answer | None:
        """Return the answer to send. None = compute it: for all who wait, if "socialflow.run" is set."""
        arrived, is_counted = self._runs.arrive(), False
        while True:
            # Only what the last look-up of the token has found counts, if this request computes its answer.
            scope.pop("socialflow.admitted", None)
            try:
                identity = await services.callers.identify(token, services.clock())
            except InvalidTokenError:
                return None  # the route describes the error
            name = _name_of(scope, headers, identity.caller)
            answer = self._recall(name, identity, services)
            if answer is None and name not in self._shareable:
                return None
            if not is_counted:
                limit = await services.key_limiter.take_async(identity.caller.key_id, services.clock())
                if not limit.allowed:
                    return None  # same
                is_counted = True
                scope["socialflow.rate_limit"] = limit
            scope["socialflow.identity"] = scope["socialflow.admitted"] = identity
            if answer is not None:
                return answer
            run = self._runs.find(name)
            if run is None:
                scope["socialflow.name"] = name
                scope["socialflow.run"] = self._runs.begin(name, identity.store_mark)
                return None
            is_usable, shared = await self._share(run, arrived, identity, services)
            if is_usable:
                return shared

    async def _share(
        self, run: Run[Answer], arrived: int, identity: Identity, services: Services
    ) -> tuple[bool, Answer | None]:
        """Wait for a computation. Return whether it is new enough for a request, and its answer, if it has one."""
        # Shielded: a request that is canceled must not cancel what others wait for.
        shared = await asyncio.shield(run.outcome)
        if run.number > arrived:
            is_new = True
        elif identity.store_mark is None or run.mark != identity.store_mark:
            is_new = False
        else:
            # The store had not changed since it began; the lake may have.
            uses_lake = shared is not None and shared.marks.uses_lake
            is_new = not uses_lake or _lake_is_at(shared, services)
        if shared is not None and services.clock() >= shared.until:
            shared = None
        return is_new, shared

    def _recall(self, name: _Name, identity: Identity, services: Services) -> Answer | None:
        answer = self._answers.get(name)
        if answer is None:
            return None
        lake_mark = services.lake.peek_snapshot_id() if answer.marks.uses_lake else None
        now_marks = Marks(identity.store_mark, lake_mark, answer.marks.uses_lake)
        if now_marks == answer.marks and answer.since <= services.clock() < answer.until:
            return answer
        self._answers.pop(name, None)
        return None

    async def _compute(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> Answer | None:
        """Call the application; return its response if it is cacheable."""
        recorder = _Recorder(send)
        await self._app(scope, receive, recorder.send)
        if "socialflow.remember" not in scope or not recorder.is_whole:
            return None
        name = _name_of(scope, headers, scope["socialflow.identity"].caller)
        marks, since, until, again = scope["socialflow.remember"]
        etags = [value.decode("latin-1") for field, value in recorder.headers if field == b"etag"]
        answer = Answer(
            marks=marks,
            since=since,
            until=until,
            route=scope.get("route"),
            headers=recorder.headers,
            etag=etags[0] if etags else None,
            body=b"".join(recorder.parts),
        )
        if len(answer.body) > _LONGEST_BODY:
            return None
        _remember_last(self._shareable, name, _Recipe(again, scope.get("route")))
        if marks.usable:
            _remember_last(self._answers, name, answer)
        return answer

    async def _compute_again(self, scope: Scope, name: _Name, services: Services) -> Answer | None:
        """Return a new response as the route last told; None = it did not, or only the route can tell what is wrong."""
        recipe = self._shareable[name]
        if recipe.again is None:
            return None
        identity: Identity = scope["socialflow.identity"]
        since = services.clock()
        try:
            response = await recipe.again()
        except Exception:  # noqa: BLE001 (the route meets it again, and its handlers describe it)
            return None
        body = bytes(response.body)
        if len(body) > _LONGEST_BODY:
            return None
        marks = Marks(identity.store_mark)
        answer = Answer(marks, since, identity.until, recipe.route, response.raw_headers, None, body)
        if marks.usable:
            _remember_last(self._answers, name, answer)
        return answer


class _Recipe(NamedTuple):
    """How to compute a response again."""

    again: Again | None
    route: Any


def _lake_is_at(answer: Answer | None, services: Services) -> bool:
    return answer is not None and services.lake.peek_snapshot_id() == answer.marks.lake is not None


def _remember_last(kept: OrderedDict[_Name, Kept], name: _Name, value: Kept) -> None:
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > _MOST_ANSWERS:
        kept.popitem(last=False)


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
