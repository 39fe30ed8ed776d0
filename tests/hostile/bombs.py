"""A server that answers an API's questions with bombs: compressed, endless, deep, slow, or redirecting."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.hostile.target import Case, Report, running_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFUSALS = (401, 403, 409, 422, 429, 502, 503)
"""What connecting an account may be answered with."""
Answer = tuple[int, dict[str, str], bytes]


def _bomb() -> bytes:
    """Two kilobytes that are 1 GB of zeros after two layers."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    inner = b"".join(packer.compress(bytes(1_000_000)) for _ in range(1000)) + packer.flush()
    return gzip.compress(inner, 9)


def answers(elsewhere: str) -> dict[str, Answer]:
    """Return what the server answers everything with. `elsewhere` is an address that must not be asked."""
    bomb = _bomb()
    once = gzip.decompress(bomb)
    plain = {"Content-Type": "application/json"}
    return {
        "two layers": (200, {**plain, "Content-Encoding": "gzip, gzip"}, bomb),
        "one layer": (200, {**plain, "Content-Encoding": "gzip"}, once),
        "ten layers": (200, {**plain, "Content-Encoding": ", ".join(["gzip"] * 10)}, bomb),
        "damaged": (200, {**plain, "Content-Encoding": "gzip"}, once[:500] + b"\xff" * 500),
        "unknown coding": (200, {**plain, "Content-Encoding": "rot13"}, b"{}"),
        "deep": (200, plain, b"[" * 1_000_000),
        "deep objects": (200, plain, b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
        "long number": (200, plain, b'{"id": ' + b"9" * 1_000_000 + b"}"),
        "NUL": (200, plain, json.dumps({"id": "a\u0000b", "username": "\u0000", "acct": "\u0000"}).encode()),
        "surrogate": (
            200,
            plain,
            b'{"id": "\\ud800", "username": "\\ud800", "acct": "a", "client_id": "\\ud800"}',
        ),
        "wrong types": (
            200,
            plain,
            b'{"id": [], "username": {}, "acct": 1, "client_id": [], "client_secret": {}}',
        ),
        "not UTF-8": (200, plain, b'{"id": "\xff"}'),
        "too much": (200, plain, b'{"a": "' + b"a" * 40_000_000 + b'"}'),
        "redirect to loopback": (302, {"Location": elsewhere}, b""),
        "redirect to a file": (302, {"Location": "file:///etc/passwd"}, b""),
        "redirect in octal": (307, {"Location": "http://0177.0.0.1:1/"}, b""),
        "redirect to nowhere": (302, {"Location": "\\\\"}, b""),
        "forging reason": (422, plain, json.dumps({"error": "a\r\nFORGED-LINE \u001b[2J\u2028"}).encode()),
        "html": (200, {"Content-Type": "text/html"}, b"<html>" * 1000),
        "teapot": (418, {}, b""),
        "unavailable": (503, {"Retry-After": "9" * 400}, b""),
        "slow down": (429, {"Retry-After": "-1", "X-RateLimit-Reset": "\xff"}, b""),
    }


class _Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer = (200, {}, b"{}")
    asked = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hangs up on a bomb."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Quiet

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name is the library's


@contextmanager
def serving() -> Iterator[_Quiet]:
    """Run a server on loopback."""
    with _Quiet(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def attack_by_servers(folder: Path, report: Report) -> None:
    """Connect accounts at a server that answers each question with the next bomb."""
    # Private instances are allowed here, or the server on loopback would never be asked.
    settings = {"SOCIALFLOW_ALLOW_PRIVATE_INSTANCES": "true", "SOCIALFLOW_READ_ATTEMPTS": "1"}
    with serving() as server, serving() as other, running_target(folder, **settings) as target:
        address = f"http://127.0.0.1:{server.server_port}"

        def cases() -> Iterator[Case]:
            for name, answer in answers(f"http://127.0.0.1:{other.server_port}/secret").items():
                server.answer = answer
                bodies: dict[str, tuple[str, dict[str, str]]] = {
                    "connect": (
                        "/api/v1/accounts/connect",
                        {"platform": "mastodon", "access_token": "t", "instance_url": address},
                    ),
                    "service": (
                        "/api/v1/accounts/connect",
                        {"platform": "bluesky", "access_token": "p", "instance_url": address},
                    ),
                    "authorize": ("/api/v1/accounts/connect/mastodon/start", {"instance_url": address}),
                }
                for what, (path, body) in bodies.items():
                    request = target.request("POST", path, json.dumps(body).encode())
                    # 502 and 503 say that the other server answered nonsense, or nothing.
                    yield Case("server", f"{what}: {name}", (request,), only=REFUSALS)

        target.attack(cases(), report)
        if not server.asked:
            report.faults.append("the hostile server was never asked: the attack tests nothing")
        if other.asked:
            report.faults.append("a redirect was followed to another server")
