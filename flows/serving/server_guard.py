"""Middleware that protects Prefect's server: checks the Host header, the origin, and deployment content.

Prefect accepts any Host header and lets a deployment contain shell steps. A web page that reaches the server
through DNS rebinding, or stolen credentials, must not lead to commands on this machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEPLOYMENTS_PATH = "/api/deployments"
MOST_DEPLOYMENT_BYTES = 1_000_000
ANY_ORIGIN = "*"


class ServerGuard:
    """ASGI middleware that rejects foreign hosts, foreign origins and deployments with steps."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or websocket; lifespan events pass through."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refuse_stranger(scope)
        if refusal is None and _changes_deployments(scope):
            body = await _read_body(receive)
            refusal = _refuse_steps(body)
            receive = _replay(body or b"", receive)
        if refusal is not None:
            await _answer(scope, send, *refusal)
            return
        await self._app(scope, receive, send)

    def _refuse_stranger(self, scope: Scope) -> tuple[int, str] | None:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return 400, "unknown Host: open the server by an address of SOCIALFLOW_PREFECT_ALLOWED_HOSTS"
        origins = _values(scope, b"origin")
        if ANY_ORIGIN not in self._origins and any(origin not in self._origins for origin in origins):
            return 403, "pages of other origins may not reach this server"
        return None


def _changes_deployments(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["path"].startswith(DEPLOYMENTS_PATH)
        and scope["method"] in {"POST", "PUT", "PATCH"}
    )


def _refuse_steps(body: bytes | None) -> tuple[int, str] | None:
    if body is None:
        return 413, f"the body is longer than {MOST_DEPLOYMENT_BYTES} bytes"
    try:
        wanted = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return 422, "the body is not JSON"
    if isinstance(wanted, dict) and wanted.get("pull_steps"):
        return 403, "deployments of SocialFlow run no steps (pull_steps): its code is installed, not pulled"
    return None


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for name, value in scope["headers"] if name == wanted]


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body; None = it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)  # the client disconnected
        body += message.get("body", b"")
        if len(body) > MOST_DEPLOYMENT_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _answer(scope: Scope, send: Send, status: int, detail: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": detail})
        return
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
