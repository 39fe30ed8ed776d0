"""HTTP requests to platforms: read, prepare and publish, and how each outcome maps to an error.

    read     GET. Retried with a back-off, because it changes nothing.
    prepare  a write that publishes nothing by itself (upload, container, token). Sent once.
    publish  a write that may publish a post. Sent once, never retried automatically.

| outcome                                             | read, prepare      | publish             |
|-----------------------------------------------------|--------------------|---------------------|
| refused, no DNS, no free connection                 | NotSentError       | NotSentError        |
| time-out or reset after sending, 5xx, 408, 303      | UnavailableError   | OutcomeUnknownError |
| 2xx that is not the JSON we expect, or far too long | UnavailableError   | OutcomeUnknownError |
| 429                                                 | RateLimitedError   | RateLimitedError    |
| 401                                                 | ReauthenticateError| ReauthenticateError |
| 400, 403, 422 whose words name an invalid token     | ReauthenticateError| ReauthenticateError |
| 400, 409, 413, 415, 422                             | GiveUpError (read) | ContentRejectedError|
| any other 3xx or 4xx                                | GiveUpError        | GiveUpError         |

A platform module may map a 4xx more precisely. It cannot make the outcome of a publish with a 5xx certain.
"""

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, NoReturn, TypeVar

import httpx
import orjson
import stamina
from pydantic import SecretStr

from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http.messages import excerpt, platform_message, says_bad_token
from connectors.http.private_networks import PrivateAddressError
from connectors.http.rate_limits import parse_retry_at
from connectors.http.redaction import redact
from connectors.settings import ConnectorSettings
from connectors.tracing import span

T = TypeVar("T")
Purpose = Literal["read", "prepare", "publish"]
Clock = Callable[[], datetime]

_PUBLISH_IN_DOUBT = frozenset({303, 408})
_CONTENT_STATUSES = frozenset({400, 409, 413, 415, 422})
_TOKEN_STATUSES = frozenset({400, 403, 422})
SHAPE_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, OSError)
"""What parsing JSON of an unknown shape may raise; the last two: a time that no calendar holds."""


@dataclass(frozen=True, slots=True)
class HeaderParse(Generic[T]):
    """Parser for responses with the result in a header: `parse` receives the headers and the raw body."""

    parse: Callable[[httpx.Headers, bytes], T]


Parse = Callable[[Any], T] | HeaderParse[T]
"""How a response is parsed: from its JSON, or from its headers."""


class BearerAuth(httpx.Auth):
    """`Authorization: Bearer ...`, with the token hidden from repr."""

    def __init__(self, token: SecretStr) -> None:
        value = token.get_secret_value().strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ReauthenticateError("the access token is empty or contains characters that no token has")
        self._header = f"Bearer {value}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = self._header
        yield request


@dataclass(frozen=True, slots=True)
class Refusal:
    """An unsuccessful response, as passed to a platform module for interpretation."""

    purpose: Purpose
    status: int
    body: Any
    """The decoded JSON; None if the body is empty, plain text or HTML."""
    message: str
    """The platform's message on one line, redacted, prefixed with the platform and status."""
    headers: httpx.Headers
    received_at: datetime
    """The local clock's time (UTC)."""
    retry_at: datetime | None
    """When to retry, according to the headers."""


class PlatformApi:
    """Requests of one account to one platform. Every outcome is a result or an error of connectors.errors."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: ConnectorSettings,
        *,
        label: str,
        base_url: str,
        auth: httpx.Auth | None,
        secrets: Iterable[SecretStr | None],
        explain: Callable[[Refusal], ConnectorError | None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._settings = settings
        self._label = label
        self._base_url = base_url
        self._auth = auth
        self._secrets = tuple(secrets)
        self._explain = explain
        self._clock = clock

    async def read(
        self,
        path: str,
        parse: Parse[T],
        *,
        params: Mapping[str, Any] | None = None,
        attempts: int | None = None,
    ) -> T:
        """GET `path` and return `parse` of the JSON; retried several times."""
        async for attempt in stamina.retry_context(
            on=_is_passing, attempts=attempts or self._settings.read_attempts,
            timeout=self._settings.request_timeout, wait_initial=0.2, wait_max=5.0, wait_jitter=0.2,
        ):  # fmt: skip
            with attempt:
                return await self._send("read", "GET", path, parse, params=params)
        raise AssertionError("retry_context ends by returning or raising")

    async def prepare(
        self,
        method: str,
        path: str,
        parse: Parse[T],
        *,
        auth: httpx.Auth | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - bounds the request within asyncio.timeout
        **body: Any,  # noqa: ANN401 - httpx's own keywords: json, data, files, content, headers, params
    ) -> T:
        """Send a write that publishes nothing by itself. `auth` and `timeout` override the defaults."""
        return await self._send("prepare", method, path, parse, auth=auth, timeout=timeout, **body)

    async def publish(
        self,
        path: str,
        parse: Parse[T],
        *,
        method: str = "POST",
        **body: Any,  # noqa: ANN401 - httpx's own keywords: json, data, headers; and auth, timeout
    ) -> T:
        """Send the request that publishes a post.

        After OutcomeUnknownError, check the outcome before any retry.
        """
        return await self._send("publish", method, path, parse, **body)

    async def _send(
        self,
        purpose: Purpose,
        method: str,
        path: str,
        parse: Parse[T],
        *,
        auth: httpx.Auth | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - bounds the request within asyncio.timeout
        **body: Any,  # noqa: ANN401 - handed on to httpx
    ) -> T:
        """Send once. Every failure becomes an error of connectors.errors, with secrets removed."""
        try:
            with span("connector.call", purpose=purpose, method=method) as current:
                async with asyncio.timeout(timeout or self._settings.request_timeout):
                    request = self._client.build_request(method, self._base_url + path, **body)
                    current.note(host=request.url.host)
                    response = await self._client.send(request, auth=auth or self._auth, stream=True)
                    current.note(status=response.status_code)
                    try:
                        content = await self._read_body(response)
                    finally:
                        await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            self._raise_not_sent(error)
        except (httpx.HTTPError, TimeoutError) as error:
            words = self._clean(f"no answer to {method} {path} ({type(error).__name__}: {error})")
            raise self._in_doubt(purpose, words) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise GiveUpError(self._clean(f"the address {path!r} cannot be asked for: {error}")) from None
        if content is None:
            raise self._in_doubt(
                purpose, self._clean("sent a far larger response than expected"), response.status_code
            )
        if response.is_success:
            return self._parse(purpose, response, content, parse)
        raise self._refuse(purpose, response, content)

    async def _read_body(self, response: httpx.Response) -> bytes | None:
        """Return the body, or None as soon as it exceeds the size limit (counted after decompression)."""
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self._settings.max_response_bytes:
                return None
        return bytes(content)

    def _parse(self, purpose: Purpose, response: httpx.Response, content: bytes, parse: Parse[T]) -> T:
        try:
            if isinstance(parse, HeaderParse):
                return parse.parse(response.headers, content)
            return parse(orjson.loads(content) if content else None)
        except ConnectorError as error:
            # The platform module found an error in a 2xx response: raise it, with secrets removed.
            error.message = redact(error.message, self._secrets)
            error.args = (error.message,)
            raise
        except SHAPE_ERRORS as error:
            # Neither the JSON nor a decoder's exception is kept as the cause: both may contain tokens.
            status = response.status_code
            words = f"answered {status} in a form we do not know ({type(error).__name__}): {excerpt(content)}"
            raise self._in_doubt(purpose, self._clean(words), status) from None

    def _refuse(self, purpose: Purpose, response: httpx.Response, content: bytes) -> ConnectorError:
        try:
            body = orjson.loads(content) if content else None
        except orjson.JSONDecodeError:
            body = None
        status = response.status_code
        words = platform_message(body) or excerpt(content) or response.reason_phrase or "no reason given"
        message = self._clean(f"answered {status}: {words}")
        if purpose == "publish" and (status >= 500 or status in _PUBLISH_IN_DOUBT):
            return OutcomeUnknownError(message, status=status)
        now = self._clock()
        refusal = Refusal(
            purpose=purpose,
            status=status,
            body=body,
            message=message,
            headers=response.headers,
            received_at=now,
            retry_at=parse_retry_at(response.headers, now=now),
        )
        if body is None and _names_bad_token(refusal):
            # Plain text or HTML: a server or a proxy with words of its own, which no platform module knows.
            return ReauthenticateError(message, expired=True, status=status)
        return self._explain(refusal) or _default_error(refusal)

    def _raise_not_sent(self, error: httpx.TransportError) -> NoReturn:
        if isinstance(error.__cause__, PrivateAddressError):
            raise GiveUpError(
                self._clean(f"refused: {error}; set SOCIALFLOW_ALLOW_PRIVATE_INSTANCES=true to allow it")
            ) from None
        raise NotSentError(self._clean(f"could not be reached ({type(error).__name__}: {error})")) from error

    def _in_doubt(self, purpose: Purpose, message: str, status: int | None = None) -> ConnectorError:
        kind = OutcomeUnknownError if purpose == "publish" else UnavailableError
        return kind(message, status=status)

    def _clean(self, message: str) -> str:
        return redact(f"{self._label} {message}", self._secrets)


def _default_error(refusal: Refusal) -> ConnectorError:
    status, message = refusal.status, refusal.message
    if status == 429:
        return RateLimitedError(message, retry_at=refusal.retry_at)
    if status == 401:
        return ReauthenticateError(message, status=status)
    if _names_bad_token(refusal):
        return ReauthenticateError(message, expired=True, status=status)
    if status >= 500 or status in _PUBLISH_IN_DOUBT:
        return UnavailableError(message, retry_at=refusal.retry_at, status=status)
    if status in _CONTENT_STATUSES and refusal.purpose != "read":
        return ContentRejectedError(message, status=status)
    return GiveUpError(message, status=status)


def _names_bad_token(refusal: Refusal) -> bool:
    return refusal.status in _TOKEN_STATUSES and says_bad_token(refusal.message)


def _is_passing(error: Exception) -> bool:
    """Return whether to retry a read at once: not if the platform named a time or a remedy."""
    return isinstance(error, NotSentError | UnavailableError) and error.retry_at is None
