"""Request processing shared by all simulated platforms: token, faults, rate limits and handler.

    body -> token -> fault before -> limit -> handler -> fault after -> rate-limit headers

A platform adds its `PlatformProtocol`: how it checks a token and formats errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import parse_qsl

import httpx
import orjson
from starlette.requests import Request
from starlette.routing import Route

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.limits import LimitState

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.faults import FaultRule
    from connectors.sandbox.world import SandboxWorld
    from connectors.types import Platform

RAW_SEND = "connectors.sandbox.send"
"""Key in the ASGI scope under which the server's own send callable is kept."""

_HTML_ERROR = (
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
)


class Answer:
    """A response. Lighter than Starlette's, which matters on the publish path."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        content: object = None,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        media_type: str = "application/json; charset=utf-8",
    ) -> None:
        self.status = status
        self.body = orjson.dumps(content) if raw is None else raw
        self.headers: dict[str, str] = {"content-type": media_type}
        if headers:
            self.headers.update(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's form
        """Send it."""
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        encoded.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": self.body})


class DroppedConnection(Answer):
    """No response at all: the connection is reset."""

    __slots__ = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's form
        """Abort the transport under uvicorn; without a connection, raise what httpx would see."""
        # uvicorn's send callable is a method of the request's cycle, which owns the transport.
        owner = getattr(scope.get(RAW_SEND), "__self__", None)
        abort = getattr(getattr(owner, "transport", None), "abort", None)
        if abort is None:
            raise httpx.ReadError("the sandbox reset the connection")
        abort()
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass(slots=True)
class Call:
    """One request in progress."""

    world: SandboxWorld
    request: Request
    platform: Platform
    operation: str
    at: float
    """The world's clock when the request came in (Unix seconds)."""
    body: bytes = b""
    account: SandboxAccount | None = None
    fault: FaultRule | None = None
    _parameters: dict[str, str] | None = field(default=None)

    @property
    def owner(self) -> SandboxAccount:
        """The account whose token was sent; only for endpoints that need one."""
        if self.account is None:
            raise RuntimeError("this endpoint was not declared with a token")
        return self.account

    @property
    def query(self) -> QueryParams:
        """The query parameters."""
        return self.request.query_params

    @property
    def path(self) -> Mapping[str, str]:
        """The path parameters."""
        return self.request.path_params

    @property
    def base_url(self) -> str:
        """Scheme, host and port as used by the client."""
        return f"{self.request.url.scheme}://{self.request.headers.get('host', 'sandbox.test')}"

    @property
    def page_fault(self) -> str:
        """`empty_page` or `repeated_cursor` if the listing shall have that fault, else ""."""
        kind = "" if self.fault is None else self.fault.kind
        return kind if kind in ("empty_page", "repeated_cursor") else ""

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body. Raises ValueError if it is not one."""
        content = orjson.loads(self.body)
        if not isinstance(content, dict):
            raise ValueError("the body must be a JSON object")  # noqa: TRY004  callers treat it as a bad value
        return content

    def parameters(self) -> dict[str, str]:
        """Return query, form and JSON parameters together, as Instagram accepts all of them."""
        if self._parameters is None:
            merged = dict(self.query)
            kind = self.request.headers.get("content-type", "")
            if self.body and kind.startswith("application/json"):
                merged.update({name: _as_text(value) for name, value in self.json().items()})
            elif self.body and kind.startswith("application/x-www-form-urlencoded"):
                merged.update(parse_qsl(self.body.decode(), keep_blank_values=True))
            self._parameters = merged
        return self._parameters


Auth = Literal["access", "refresh", "optional", "none"]
"""The token that an endpoint requires; "optional": none is accepted, an invalid one is not."""

Handler = Callable[[Call], Answer | Coroutine[Any, Any, Answer]]


class PlatformProtocol(Protocol):
    """The platform-specific parts of every request."""

    platform: Platform

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token of this kind, or the platform's error."""
        ...

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return an error: server_error, rate_limited, unauthorized, forbidden. `reset` in Unix seconds."""
        ...

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return the rate-limit headers."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An ASGI application for one operation of one platform."""

    world: SandboxWorld
    protocol: PlatformProtocol
    operation: str
    bucket: str
    handler: Handler
    auth: Auth = "access"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        answer = await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        world, platform = self.world, self.protocol.platform
        call = Call(world, request, platform, self.operation, world.time())
        if request.method != "GET":
            call.body = await request.body()
        world.requests[f"{platform}:{self.operation}"] += 1

        identified = self._identify(call)
        names = () if call.account is None else call.account.names
        call.fault = fault = world.faults.take(platform, self.operation, names)
        if fault is not None:
            early = await self._fail_before(fault, call)
            if early is not None:
                return early
        if identified is not None:
            return identified
        caller = call.account.key if call.account is not None else "anonymous"
        state = world.limits.hit(platform, self.bucket, caller, call.at)
        if state.exceeded:
            answer = self.protocol.refuse("rate_limited", reset=state.reset, at=call.at)
        else:
            result = self.handler(call)
            answer = result if isinstance(result, Answer) else await result
        answer.headers.update(self.protocol.limit_headers(state))
        return answer if fault is None else await self._fail_after(fault, call, answer)

    def _identify(self, call: Call) -> Answer | None:
        """Set the call's account; return the error if a token is required and no valid one was sent."""
        if self.auth == "none" or (self.auth == "optional" and "authorization" not in call.request.headers):
            return None
        who = self.protocol.authenticate(call, "refresh" if self.auth == "refresh" else "access")
        if isinstance(who, SandboxAccount):
            call.account = who
            return None
        return who

    async def _fail_before(self, fault: FaultRule, call: Call) -> Answer | None:
        kind = fault.kind
        if kind == "hang_before":
            await asyncio.sleep(fault.seconds)
            # A caller that disconnected meanwhile was never served.
            return DroppedConnection() if await call.request.is_disconnected() else None
        if kind == "reset_before":
            return DroppedConnection()
        if kind == "html_error":
            return Answer(status=502, raw=_HTML_ERROR, media_type="text/html; charset=utf-8")
        if kind == "refused_oddly":
            return Answer(status=400, raw=b"Invalid Bearer token", media_type="text/html; charset=utf-8")
        refusals = {
            "error_500_before": "server_error",
            "rate_limited": kind,
            "unauthorized": kind,
            "forbidden": kind,
        }
        if kind in refusals:
            reset = call.at + fault.retry_after
            answer = self.protocol.refuse(refusals[kind], reset=reset, at=call.at)
            if kind == "rate_limited":
                state = LimitState(100, 0, reset, fault.retry_after, exceeded=True)
                answer.headers.update(self.protocol.limit_headers(state))
            return answer
        return None

    async def _fail_after(self, fault: FaultRule, call: Call, answer: Answer) -> Answer:
        kind = fault.kind
        if kind == "error_500_after":
            return self.protocol.refuse("server_error", reset=call.at, at=call.at)
        if kind == "reset_after":
            return DroppedConnection()
        if kind == "hang_after":
            await asyncio.sleep(fault.seconds)
        elif kind == "malformed":
            # Half an object is invalid JSON, however short the response was.
            answer.body = b"{" + answer.body[: len(answer.body) // 2]
        return answer


def route(path: str, methods: Sequence[str], endpoint: Endpoint) -> Route:
    """Declare an endpoint under a path."""
    return Route(path, endpoint, methods=list(methods))


def bearer_token(call: Call) -> str | None:
    """Return the token of an Authorization header, or None."""
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def iso_millis(at: float) -> str:
    """Format a time as most platforms do: 2026-01-02T03:04:05.678Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> float:
    """Read an ISO time as Unix seconds; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
