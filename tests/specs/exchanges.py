"""A transport that records every request and its response."""

from __future__ import annotations

import email.parser
import email.policy
import json
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

import httpx


@dataclass(frozen=True)
class Exchange:
    """One request and what came back; `status` is None where the connection broke."""

    method: str
    url: httpx.URL
    headers: httpx.Headers
    body: bytes
    status: int | None
    answer_headers: httpx.Headers
    answer: bytes

    @property
    def name(self) -> str:
        return f"{self.method} {self.url.path}"

    @property
    def query(self) -> list[tuple[str, str]]:
        return list(self.url.params.multi_items())

    @property
    def content_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def form(self) -> list[tuple[str, Any]]:
        """The fields of a form in order; a file is its bytes."""
        if self.content_type == "multipart/form-data":
            head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
            return [
                (
                    str(part.get_param("name", header="content-disposition")),
                    content if part.get_filename() else content.decode(),
                )
                for part in message.iter_parts()
                if isinstance(content := part.get_payload(decode=True), bytes)
            ]
        return list(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> Any:
        return json.loads(self.body)

    def answer_json(self) -> Any:
        """What was answered; None for an empty answer."""
        return json.loads(self.answer) if self.answer else None


class Contract(Protocol):
    """A platform's machine-readable specification, whatever its format."""

    def check(self, exchange: Exchange) -> list[str]:
        """Return everything about the request and the answer that the specification does not allow."""
        ...


class RecordingTransport(httpx.AsyncBaseTransport):
    """Hands requests on, and keeps them; what is fetched from elsewhere (media) is left out."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, skip: str = "/_sandbox/") -> None:
        self.exchanges: list[Exchange] = []
        self._inner = inner
        self._skip = skip

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        try:
            response = await self._inner.handle_async_request(request)
        except httpx.TransportError:
            self._keep(request, body, None)
            raise
        await response.aread()
        self._keep(request, body, response)
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    def _keep(self, request: httpx.Request, body: bytes, response: httpx.Response | None) -> None:
        if request.url.path.startswith(self._skip):
            return
        self.exchanges.append(
            Exchange(
                method=request.method,
                url=request.url,
                headers=request.headers,
                body=body,
                status=None if response is None else response.status_code,
                answer_headers=httpx.Headers() if response is None else response.headers,
                answer=b"" if response is None else response.content,
            )
        )
