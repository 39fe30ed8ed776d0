"""Send one signed event to a customer's endpoint, in the Standard Webhooks format.

The URL is user input, so connections to private networks are refused when they are made, and redirects are
not followed, because they would bypass that check. At most a few kilobytes of the response are read.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import httpcore
import httpx
from standardwebhooks import Webhook

from connectors.content.addresses import is_public
from connectors.errors import GiveUpError
from connectors.http.encoding import NO_COMPRESSION
from connectors.http.pool import USER_AGENT
from connectors.http.private_networks import (
    PrivateAddressError,
    check_public_url,
    guarded_transport,
    resolve,
)
from connectors.http.rate_limits import parse_retry_at
from connectors.http.redaction import guard_http_logs, redact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from types import TracebackType

    from connectors.http.client import Clock
    from connectors.webhooks.settings import WebhookSettings

LONGEST_ANSWER = 2_000
"""Number of response characters kept for the log."""
_READ_BYTES = 4 * LONGEST_ANSWER
_BODY_SECONDS = 2.0
_KEEPALIVE_SECONDS = 4.0
_ALLOW = "SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE=true"


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The result of a delivery. `status` None = no response, and `error` gives the reason."""

    milliseconds: int
    status: int | None = None
    error: str | None = None
    body: str | None = None
    retry_at: datetime | None = None


async def check_webhook_url(url: str, settings: WebhookSettings) -> str:
    """Return the URL if events may be sent to it, else raise GiveUpError with the remedy.

    A name that resolves to a private network is refused; one that does not resolve (yet) is accepted.
    """
    address = check_public_url(url, field="url", allow_private=settings.allow_private, remedy=_ALLOW)
    if not settings.allow_private:
        parsed = httpx.URL(address)
        try:
            found = await resolve(parsed.host, parsed.port or 443)
        except httpcore.ConnectError:
            found = []
        if not all(is_public(item) for item in found):
            raise GiveUpError(f"url {parsed.host} is on a private network: set {_ALLOW} to allow it")
    return address


class WebhookSender:
    """Sends events over shared connections. Use with `async with`, in one event loop."""

    def __init__(self, settings: WebhookSettings, *, clock: Clock) -> None:
        guard_http_logs()
        self._settings = settings
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    async def send(self, url: str, *, event_id: str, body: str, secrets: Sequence[str]) -> WebhookAnswer:
        """Send once; every failure becomes a result. Signed with each secret, the newest first."""
        started = time.perf_counter()
        now = self._clock().replace(microsecond=0)
        signatures = " ".join(Webhook(secret).sign(event_id, now, body) for secret in secrets)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signatures,
        }
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                client = self._open()
                request = client.build_request("POST", url, content=body.encode(), headers=headers)
                response = await client.send(request, stream=True)
                try:
                    content = await _read_beginning(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            seconds = self._settings.timeout.total_seconds()
            return WebhookAnswer(_since(started), error=f"no complete answer within {seconds:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
            return WebhookAnswer(_since(started), error=_explain(error))
        redirected = "redirects are not followed" if 300 <= response.status_code < 400 else None
        return WebhookAnswer(
            _since(started),
            status=response.status_code,
            error=redirected,
            body=_readable(content),
            retry_at=parse_retry_at(response.headers, now=now)
            if response.status_code in {429, 503}
            else None,
        )

    def _open(self) -> httpx.AsyncClient:
        """Return the client, opened with the first event: without endpoints it would only cost memory."""
        if self._client is None:
            limits = httpx.Limits(
                max_connections=self._settings.concurrency, keepalive_expiry=_KEEPALIVE_SECONDS
            )
            self._client = httpx.AsyncClient(
                transport=None if self._settings.allow_private else guarded_transport(limits),
                limits=limits,
                timeout=self._settings.timeout.total_seconds(),
                headers={"User-Agent": USER_AGENT, **NO_COMPRESSION},
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()


async def _read_beginning(response: httpx.Response) -> bytes:
    """Read the start of the body. The status alone decides, and an endless response must not block us."""
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) >= _READ_BYTES:
                    break
    except (TimeoutError, httpx.HTTPError):
        content += b" [not read to its end]"
    return bytes(content[:_READ_BYTES])


def _readable(content: bytes) -> str:
    # PostgreSQL cannot store NUL characters, and a receiver may return any bytes.
    return redact(content.decode(errors="replace").replace("\x00", ""))[:LONGEST_ANSWER]


def _explain(error: Exception) -> str:
    if isinstance(error.__cause__, PrivateAddressError):
        return f"refused: {error}; set {_ALLOW} to allow it"
    return redact(f"{type(error).__name__}: {error}")[:300]


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
