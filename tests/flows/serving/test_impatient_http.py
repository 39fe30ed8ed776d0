"""Incomplete requests time out; complete ones have no time limit."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from flows.serving import impatient_http
from flows.serving.impatient_http import ImpatientProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(2.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    for name, seconds in (("_TICK_SECONDS", 0.05), ("HEAD_SECONDS", 0.6), ("QUIET_SECONDS", 0.6)):
        monkeypatch.setattr(impatient_http, name, seconds)
    config = uvicorn.Config(application, http=ImpatientProtocol, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.02)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        await running


async def ask(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send these bytes, and return what comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
async def test_half_a_request_ends(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    async with serve(monkeypatch) as port:
        assert await ask(port, begun) == b""


async def test_a_drop_now_and_then_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(monkeypatch) as port:
        whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        drops = [b"X-A: b\r\n"] * 20
        assert await ask(port, b"GET / HTTP/1.1\r\n", *drops, pause=0.1) == b""
        # Neither after a request that was whole.
        answered = await ask(port, whole, b"GET / HTTP/1.1\r\n", *drops, pause=0.1)
        assert answered.count(b"200 OK") <= 1


async def test_a_head_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(monkeypatch) as port:
        monkeypatch.setattr(impatient_http, "HEAD_SECONDS", 60.0)
        assert await ask(port, b"GET / HTTP/1.1\r\n", *[b"X-A: " + b"b" * 8000 + b"\r\n"] * 12) == b""


async def test_a_whole_request_is_answered_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(monkeypatch) as port:
        for head in (
            b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
            + b"x" * 200_000,
        ):
            answer = await ask(port, head)
            assert answer.startswith(b"HTTP/1.1 200 OK")
