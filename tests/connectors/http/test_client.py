"""The HTTP client over real sockets: a server that refuses, sends slowly, disconnects or floods."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
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
from connectors.http.client import BearerAuth, PlatformApi, Refusal
from connectors.http.pool import USER_AGENT, open_client
from connectors.settings import ConnectorSettings

TOKEN = SecretStr("planted-token-123456")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Serve = Callable[[asyncio.StreamWriter], Any]


@asynccontextmanager
async def serving(
    serve: Serve | None, *, request_timeout: float = 5
) -> AsyncIterator[tuple[PlatformApi, list[bytes]]]:
    """A connector's way to a server on loopback; None = nobody listens there."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            assert serve is not None
            await serve(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client left
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if serve is None:
        server.close()
        await server.wait_closed()
    bounds = ConnectorSettings(
        connect_timeout=1, read_timeout=0.3, max_response_bytes=2000, request_timeout=request_timeout
    )
    async with open_client(bounds) as client:
        api = PlatformApi(
            client,
            bounds,
            label="Testgram",
            base_url=f"http://127.0.0.1:{port}",
            auth=BearerAuth(TOKEN),
            secrets=[TOKEN],
            explain=explain,
            clock=lambda: NOW,
        )
        yield api, heard
    server.close()


def explain(refusal: Refusal) -> ConnectorError | None:
    return ContentRejectedError("explained") if refusal.status == 499 else None


def reply(status: int, body: bytes = b"{}", *headers: str) -> Serve:
    async def serve(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return serve


async def silent(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(2)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def half(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"id": ')
    await writer.drain()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()


async def call(api: PlatformApi, how: Literal["read", "prepare", "publish"]) -> object:
    if how == "read":
        return await api.read("/x", lambda body: body["id"])
    if how == "prepare":
        return await api.prepare("POST", "/x", lambda body: body["id"], json={})
    return await api.publish("/x", lambda body: body["id"], json={})


IN_DOUBT: dict[str, Serve] = {
    "silent": silent,
    "hang_up": hang_up,
    "half": half,
    "drip": drip,
    "garbage": garbage,
    "500": reply(500),
    "503": reply(503, b"", "Retry-After: 30"),
    "408": reply(408),
    "303": reply(303, b"", "Location: /elsewhere"),
    "not json": reply(200, b"ok"),
    "not the shape": reply(200, b'{"data": {}}'),
    "empty": reply(200, b""),
    "flood": reply(200, b'"' + b"x" * 5000 + b'"'),
}


@pytest.mark.parametrize("name", IN_DOUBT)
async def test_a_publish_that_left_is_never_called_unsent(name: str) -> None:
    async with serving(IN_DOUBT[name], request_timeout=0.6) as (api, heard):
        with pytest.raises(OutcomeUnknownError) as caught:
            await call(api, "publish")
        assert len(heard) == 1
    assert "planted" not in repr(caught.value)
    assert caught.value.message.startswith("Testgram ")


@pytest.mark.parametrize("name", [name for name in IN_DOUBT if name != "303"])
async def test_the_same_on_a_preparing_write_is_a_passing_failure(name: str) -> None:
    async with serving(IN_DOUBT[name], request_timeout=0.6) as (api, heard):
        with pytest.raises(UnavailableError):
            await call(api, "prepare")
        assert len(heard) == 1, "no write is repeated, not even a preparing one"


@pytest.mark.parametrize("how", ["read", "prepare", "publish"])
async def test_nobody_listens(how: Literal["read", "prepare", "publish"]) -> None:
    async with serving(None) as (api, _):
        with pytest.raises(NotSentError):
            await call(api, how)


async def test_a_read_is_tried_again_and_succeeds() -> None:
    answers = [reply(502, b"<h1>Bad Gateway</h1>"), reply(200, b'{"id": 7}')]

    async def serve(writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(writer)

    async with serving(serve) as (api, heard):
        assert await call(api, "read") == 7
        assert len(heard) == 2


async def test_a_read_that_is_told_when_waits_for_its_caller() -> None:
    async with serving(reply(503, b"", "Retry-After: 30")) as (api, heard):
        with pytest.raises(UnavailableError) as caught:
            await call(api, "read")
        assert caught.value.retry_at == NOW + timedelta(seconds=30)
        assert len(heard) == 1


@pytest.mark.parametrize(
    ("status", "how", "error"),
    [
        (400, "publish", ContentRejectedError),
        (422, "publish", ContentRejectedError),
        (413, "prepare", ContentRejectedError),
        (400, "read", GiveUpError),
        (404, "publish", GiveUpError),
        (403, "publish", GiveUpError),
        (301, "publish", GiveUpError),
        (307, "read", GiveUpError),
        (401, "publish", ReauthenticateError),
        (401, "read", ReauthenticateError),
        (429, "publish", RateLimitedError),
        (429, "read", RateLimitedError),
        (499, "publish", ContentRejectedError),
    ],
)
async def test_a_refusal(
    status: int, how: Literal["read", "prepare", "publish"], error: type[ConnectorError]
) -> None:
    async with serving(reply(status, b'{"error": "Because."}', "Retry-After: 60")) as (api, heard):
        with pytest.raises(error) as caught:
            await call(api, how)
        assert type(caught.value) is error
        assert len(heard) == 1
        if status == 429:
            assert isinstance(caught.value, RateLimitedError)
            assert caught.value.retry_at == NOW + timedelta(seconds=60)
        if status != 499:
            assert f"{status}: Because." in caught.value.message


async def test_a_request_says_who_it_is() -> None:
    async with serving(reply(200, b'{"id": 1}')) as (api, heard):
        await call(api, "read")
    assert f"User-Agent: {USER_AGENT}".lower().encode() in heard[0].lower()
    assert b"authorization: bearer planted-token-123456" in heard[0].lower()


async def test_a_path_that_is_no_path() -> None:
    async with serving(reply(200)) as (api, heard):
        with pytest.raises(GiveUpError):
            await api.read("/x\x00y", lambda body: body)
        assert heard == []


def test_a_base_url_is_checked() -> None:
    for bad in ("api.x.com", "https://api.x.com/2", "ftp://api.x.com", "https://"):
        with pytest.raises(ValueError, match="base address"):
            ConnectorSettings(twitter_base_url=bad)
    assert ConnectorSettings(twitter_base_url="http://127.0.0.1:9/").twitter_base_url == "http://127.0.0.1:9"
