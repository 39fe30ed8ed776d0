"""A webhook receiver: a real HTTP server that records requests and answers as configured."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Request:
    """One request as it came."""

    headers: Mapping[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:
        """Return the message if the official library accepts it, else raise its error."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass
class Reply:
    """How to answer: after `hold` seconds, or when the receiver is released."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: bool = False


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """Connections that may wait at once; beyond Python's 5, the kernel resets some of a burst."""


class Receiver:
    """Answers each request with the next of `replies`, then always with `rest`. Runs within the `with` block."""

    def __init__(self, *replies: Reply, rest: Reply | None = None) -> None:
        self.requests: list[Request] = []
        self.arrived = threading.Semaphore(0)
        self._release = threading.Event()
        self._replies = list(replies)
        self._rest = rest or Reply()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.requests.append(Request({k.lower(): v for k, v in self.headers.items()}, body))
                reply = outer._replies.pop(0) if outer._replies else outer._rest
                outer.arrived.release()
                if reply.hold:
                    outer._release.wait(30)
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

            def handle(self) -> None:
                with suppress(ConnectionError):  # the deliverer was killed meanwhile, as some tests do
                    super().handle()

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook?from=socialflow"

    def release(self) -> None:
        """Let the held requests be answered."""
        self._release.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()
