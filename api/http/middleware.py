"""Request envelope: request id, body limit, default response headers and access log."""

from __future__ import annotations

import logging
import re
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders

from api.http.errors import ApiError, render_problem
from api.http.logs import current_request_id
from connectors.logs import bind_log_ids
from connectors.tracing import span
from warehouse.store.access.sign_in_links import PATH as LINK_PATH
from warehouse.store.database import new_id
from warehouse.store.schedules.calendar_feeds import FEED_PATH, FEED_TOKEN

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.http.rate_limits import RateLimitState
    from api.http.request_metrics import RequestMetrics

SCOPE_KEY = "socialflow.feed_token"
"""Scope key for the feed token, which is removed from the path before anything can log it."""
logger = logging.getLogger("api.access")

_UPLOAD_PATHS = re.compile(
    r"/api/v1/media|/dashboard/media|/dashboard/posts/new|/dashboard/posts/[^/]+/edit|/api/v1/imports|"
    r"/dashboard/imports|/dashboard/posts/bulk"
)
"""Paths that accept forms with files."""
_FORM_BYTES = 65_536
"""Bytes a multipart form needs besides its file."""
_HIDDEN = frozenset({FEED_PATH, LINK_PATH})
"""Addresses whose query holds a token."""
_SINGLE = frozenset(
    {
        *(b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"if-match"),
        *(b"if-none-match", b"origin", b"range", b"x-request-id"),
    }
)
"""Headers that must be single: with two, different readers could use different values."""
_ANSWERS_HEAD_ITSELF = re.compile(r"/media/[^/]+/[^/]+|/api/v1/accounts/connect/[^/]+/callback")
"""An upload's file, which is not read for HEAD; and the end of a sign-in, which only the browser's GET may use up."""
_POST_ID = re.compile(r"post_[0-9a-z]{26}")
_POST_ADDRESS = re.compile(rb"/api/v1/posts/(post_[0-9a-z]{26})")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_NUL_IN_JSON = re.compile(rb"\x00|(?<!\\)(?:\\\\)*\\u0000")
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # The documentation pages have inline styles and load nothing.
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)


class RequestEnvelope:
    """Outermost ASGI middleware of the application: even an unexpected error becomes a problem document.

    It also answers HEAD wherever there is a GET (RFC 9110, section 9.1): the GET runs, and its body is left out.
    """

    def __init__(
        self, app: ASGIApp, *, max_body_bytes: int, max_upload_bytes: int, metrics: RequestMetrics
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = max_upload_bytes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other scope types pass unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _hide_feed_token(scope)
        method = scope["method"]
        is_head = method == "HEAD" and not _ANSWERS_HEAD_ITSELF.fullmatch(scope["path"])
        if is_head:
            # A copy: the server reads its own scope to know that the response has no body.
            scope = {**scope, "method": "GET"}
        exchange = _Exchange(scope, send, is_head=is_head)
        with span("http.request", method=method) as current:
            await self._answer(scope, receive, exchange, method)
            operation = getattr(scope.get("route"), "operation_id", None)
            current.note(operation=operation, status=exchange.status, post_id=exchange.post_id)

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange, method: str) -> None:
        """Run the application, and count and log the request."""
        started = time.perf_counter()
        try:
            await self._app(scope, await self._prepare(scope, receive), exchange.send)
        except ApiError as error:
            await exchange.send_problem(error)
        except Exception:
            logger.exception("failed: %s %s", method, scope["path"])
            if exchange.status is not None:
                raise  # the response has started: only closing the connection shows it is incomplete
            await exchange.send_problem(
                ApiError(
                    500, "internal_error", "unexpected server error: the log has details under the request id"
                )
            )
        finally:
            seconds = time.perf_counter() - started
            operation = getattr(scope.get("route"), "operation_id", None) or "none"
            self._metrics.observe(operation, exchange.status or 0, seconds)
            exchange.note_post()
            logger.info(
                "%s %s -> %s in %.1f ms",
                method,
                scope["path"],
                exchange.status,
                seconds * 1000,
            )

    async def _prepare(self, scope: Scope, receive: Receive) -> Receive:
        """Check headers and body, and return the receive channel for the application."""
        _refuse_repeated_headers(scope)
        if _UPLOAD_PATHS.fullmatch(scope["path"]) and scope["method"] == "POST":
            # Too large for memory: counted while the route, after authentication, writes it to disk.
            _refuse_nul(scope, b"")
            return self._counted(scope, receive)
        body = await self._read_body(scope, receive)
        # A CSV file in UTF-16 is full of them; its reader decodes it and refuses the others.
        _refuse_nul(scope, b"" if _is_utf16_csv(scope, body) else body)
        _accept_json_by_any_name(scope)
        return _replay(body, receive)

    def _counted(self, scope: Scope, receive: Receive) -> Receive:
        most = self._max_upload_bytes + _FORM_BYTES
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise _too_large(self._max_upload_bytes)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise _too_large(self._max_upload_bytes)
            return message

        return counted

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise _too_large(self._max_body_bytes)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)  # the client disconnected: the parser reports an incomplete body
            size += len(message.get("body", b""))
            if size > self._max_body_bytes:
                raise _too_large(self._max_body_bytes)
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)


def _too_large(most: int) -> ApiError:
    return ApiError(413, "body_too_large", f"the body is longer than {most} bytes: send less at once")


class _Exchange:
    """Response of one request: records its status and adds the default headers."""

    def __init__(self, scope: Scope, send: Send, *, is_head: bool = False) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else _new_request_id()
        scope["socialflow.request_id"] = self.request_id
        current_request_id.set(self.request_id)
        bind_log_ids(request_id=self.request_id)
        self.status: int | None = None
        self.post_id: str | None = None
        """The post that the request created, or that its path names: it joins the request to what publishers do."""
        self._scope = scope
        self._send = send
        self._is_head = is_head

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status == 201:
                made = (
                    _POST_ADDRESS.fullmatch(value)
                    for name, value in message["headers"]
                    if name == b"location"
                )
                self.post_id = next((match[1].decode() for match in made if match), None)
            # Raw header pairs for speed, since this runs for every response; headers set by the route are
            # kept.
            given = {name for name, _ in message["headers"]}
            added = [(b"x-request-id", self.request_id.encode())]
            added += [pair for pair in _SECURITY_HEADERS if pair[0] not in given]
            limit: RateLimitState | None = self._scope.get("socialflow.rate_limit")
            if limit is not None:
                added += [
                    (b"ratelimit-limit", b"%d" % limit.limit),
                    (b"ratelimit-remaining", b"%d" % limit.remaining),
                    (b"ratelimit-reset", b"%d" % limit.reset_seconds),
                ]
            message["headers"] = [*message["headers"], *added]
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def note_post(self) -> None:
        """Give the request's further lines the id of its post."""
        named = self._scope.get("path_params", {}).get("post_id", "")
        if self.post_id is None and _POST_ID.fullmatch(named):
            self.post_id = named
        if self.post_id is not None:
            bind_log_ids(post_id=self.post_id)

    async def send_problem(self, error: ApiError) -> None:
        response = render_problem(error, path=self._scope["path"], request_id=self.request_id)
        await response(self._scope, _no_more_body, self.send)


def _hide_feed_token(scope: Scope) -> None:
    """Remove the token of a calendar feed or a sign-in link before any log, ours or the server's, can contain it."""
    if scope["path"] not in _HIDDEN or b"token=" not in scope["query_string"]:
        return
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    scope[SCOPE_KEY] = next((value for name, value in pairs if name == FEED_TOKEN), None)
    scope["query_string"] = urlencode([pair for pair in pairs if pair[0] != FEED_TOKEN]).encode("latin-1")


def is_loopback(address: str) -> bool:
    """Return whether a client's address is this machine's own."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _new_request_id() -> str:
    return new_id("req")


def _refuse_repeated_headers(scope: Scope) -> None:
    seen: set[bytes] = set()
    for name, _ in scope["headers"]:
        if name in seen:
            words = name.decode("latin-1")
            raise ApiError(
                400, "repeated_header", f"the header {words} was sent more than once: send it once"
            )
        if name in _SINGLE:
            seen.add(name)


def _refuse_nul(scope: Scope, body: bytes) -> None:
    """Reject NUL characters: no text needs them, and PostgreSQL cannot store them."""
    if "\x00" in scope["path"] or b"%00" in scope["query_string"] or _NUL_IN_JSON.search(body):
        raise ApiError(422, "nul_character", "the request contains a NUL character: leave it out")


def _is_utf16_csv(scope: Scope, body: bytes) -> bool:
    declared = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return declared == "text/csv" and body.startswith((b"\xff\xfe", b"\xfe\xff"))


def _accept_json_by_any_name(scope: Scope) -> None:
    """Parse the body as JSON even if the client declares another type.

    `curl -d '{...}'` without a header declares a form. No API endpoint accepts forms, and no cookie
    authenticates API requests, so strictness would add no security. The dashboard does accept forms.
    """
    if scope["path"].startswith("/dashboard"):
        return
    headers = MutableHeaders(scope=scope)
    declared = headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared in {"", "application/x-www-form-urlencoded", "text/plain"}:
        headers["content-type"] = "application/json"


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()  # detects client disconnects
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _no_more_body() -> Message:
    return {"type": "http.disconnect"}
