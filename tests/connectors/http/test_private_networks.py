import asyncio
import socket
from datetime import UTC, datetime
from typing import Any

import httpcore
import httpx
import pytest
from pydantic import SecretStr

from connectors.content.addresses import is_public
from connectors.errors import ContentRejectedError, GiveUpError, UnavailableError
from connectors.http.media import MediaFetcher
from connectors.http.pool import open_client
from connectors.http.private_networks import check_instance_url, check_public_url
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Media, Platform


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to refuse, not to bind
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("fec0::1", False),
        ("2001:0:7f00:1::", False),
        ("3fff::1", False),
        ("ff0e::1", False),
    ],
)
def test_public_addresses(address: str, *, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://mastodon.social", "https://mastodon.social"),
        (" https://mastodon.social/ ", "https://mastodon.social"),
        ("https://mastodon.social/@me?x=1", "https://mastodon.social"),
        ("mastodon.social", "https://mastodon.social"),
        (" Mastodon.Social/ ", "https://mastodon.social"),
        ("mastodon.social/@me", "https://mastodon.social"),
        ("@me@mastodon.social", "https://mastodon.social"),
        ("me@mastodon.social:8443", "https://mastodon.social:8443"),
        ("https://Example.Social:8443", "https://example.social:8443"),
        ("https://[2606:4700::1111]:444", "https://[2606:4700::1111]:444"),
    ],
)
def test_an_instance_is_scheme_host_and_port(given: str, kept: str) -> None:
    assert check_instance_url(given, field="instance_url", allow_private=False) == kept


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "mastodon.social:port",
        "javascript:alert(1)",
        "mailto:me@mastodon.social",
        "user:pw@mastodon.social",
        "localhost:3000",
        "ftp://mastodon.social",
        "http://mastodon.social",
        "https://",
        "https://user:pw@mastodon.social",
        "https://mastodon.social:99999",
        "https://localhost",
        "https://127.0.0.1:3000",
        "https://[::1]",
        "https://printer.local",
        "https://10.0.0.5",
    ],
)
def test_what_is_no_public_instance_is_refused_by_name(url: str | None) -> None:
    with pytest.raises(GiveUpError, match="instance_url"):
        check_instance_url(url, field="instance_url", allow_private=False)


def test_private_instances_can_be_allowed() -> None:
    for url in ("http://127.0.0.1:3000", "https://localhost", "http://10.0.0.5"):
        assert check_instance_url(url, field="instance_url", allow_private=True) == url


async def listen() -> tuple[asyncio.Server, int, list[bytes]]:
    """A server on loopback that notes every byte that reaches it."""
    heard: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 8\r\n\r\n\x89PNG\r\n\x1a\n"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], heard


async def test_a_name_that_resolves_to_loopback_is_never_spoken_to() -> None:
    server, port, heard = await listen()
    async with server, open_client(ConnectorSettings(), public_only=True) as client:
        with pytest.raises(httpx.ConnectError, match="public internet"):
            await client.get(f"http://localhost:{port}/")
    assert heard == []


async def test_a_private_media_address_is_refused_unless_allowed() -> None:
    server, port, heard = await listen()
    url = f"http://127.0.0.1:{port}/photo.png"
    async with server:
        async with open_client(ConnectorSettings(), public_only=True) as client:
            with pytest.raises(ContentRejectedError, match="SOCIALFLOW_ALLOW_PRIVATE_INSTANCES"):
                async with MediaFetcher(client, ConnectorSettings()).fetch(
                    Media(url=url), kind="image", max_bytes=100
                ):
                    pass
        assert heard == []
        async with (
            open_client(ConnectorSettings()) as client,
            MediaFetcher(client, ConnectorSettings()).fetch(
                Media(url=url), kind="image", max_bytes=100
            ) as media,
        ):
            assert (media.size, media.content_type, media.name) == (8, "image/png", "media.png")


PUBLIC = "93.184.216.34"
PICTURE = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 8\r\n\r\n\x89PNG\r\n\x1a\n"


class Internet(httpcore.AsyncMockBackend):
    """What lies below the guard: notes each address that is connected to, and answers the same everywhere."""

    def __init__(self, answer: bytes) -> None:
        super().__init__([answer])
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, *more: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        return await super().connect_tcp(host, *more, **options)


def guarded(internet: Internet) -> httpx.AsyncClient:
    """A client as media are fetched with, its guard in place, on this internet."""
    client = open_client(ConnectorSettings(), public_only=True)
    guard = client._transport._pool._network_backend  # type: ignore[attr-defined]  # httpx names no public way
    guard._inner = internet
    return client


async def fetch(client: httpx.AsyncClient, url: str) -> int:
    async with MediaFetcher(client, ConnectorSettings()).fetch(
        Media(url=url), kind="image", max_bytes=100
    ) as media:
        return media.size


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:9/",
        "http://localhost/a.png",
        "http://[::1]/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://[::ffff:7f00:1]/a.png",
        "http://[64:ff9b::7f00:1]/a.png",
        "http://2130706433/a.png",
        "http://0x7f.1/a.png",
        "http://169.254.169.254/latest/meta-data",
        "//10.0.0.1/a.png",
    ],
)
async def test_a_redirect_leads_nowhere_private(target: str) -> None:
    internet = Internet(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
    async with guarded(internet) as client:
        with pytest.raises(ContentRejectedError, match="private network"):
            await fetch(client, f"http://{PUBLIC}/a.png")
    assert internet.connected == [PUBLIC], "the redirect was asked for, and not followed"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let the resolver answer with these addresses, one list a question."""
    left = list(answers)

    async def getaddrinfo(_host: str, port: int, **_options: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_a_name_that_is_bound_anew_after_the_check_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, [PUBLIC], ["127.0.0.1"])
    internet = Internet(PICTURE)
    async with guarded(internet) as client:
        assert await fetch(client, "http://rebind.example/a.png") == 8
        assert internet.connected == [PUBLIC], "the address that was checked, never the name once more"
    async with guarded(internet) as client:
        with pytest.raises(ContentRejectedError, match="private network"):
            await fetch(client, "http://rebind.example/a.png")
    assert internet.connected == [PUBLIC]


@pytest.mark.parametrize("addresses", [[PUBLIC, "127.0.0.1"], ["::ffff:10.0.0.1"], []])
async def test_a_name_with_any_private_address_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, addresses)
    internet = Internet(PICTURE)
    async with guarded(internet) as client:
        with pytest.raises(ContentRejectedError, match="private network"):
            await fetch(client, "http://mixed.example/a.png")
    assert internet.connected == []


async def test_a_proxy_of_the_environment_is_no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port, heard = await listen()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    internet = Internet(PICTURE)
    async with server, guarded(internet) as client:
        with pytest.raises(ContentRejectedError, match="private network"):
            await fetch(client, "http://10.0.0.1/a.png")
    assert heard == []


async def test_the_pool_guards_instances_by_itself() -> None:
    credentials = Credentials(SecretStr("token"))
    account = Account("acc_1", Platform.MASTODON, credentials, instance_url="https://127.0.0.1:9")
    async with ConnectorPool(ConnectorSettings(), clock=lambda: datetime.now(UTC)) as pool:
        with pytest.raises(GiveUpError, match="private network"):
            pool.open(account)


def fetcher(answer: httpx.Response | Exception) -> tuple[httpx.AsyncClient, MediaFetcher]:
    def respond(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = open_client(ConnectorSettings(), transport=httpx.MockTransport(respond))
    return client, MediaFetcher(client, ConnectorSettings())


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (httpx.Response(404), ContentRejectedError, "404"),
        (httpx.Response(403), ContentRejectedError, "anyone can open"),
        (httpx.Response(503), UnavailableError, "503"),
        (httpx.Response(429), UnavailableError, "429"),
        (httpx.Response(200, content=b"x" * 200), ContentRejectedError, "larger than the 100 bytes"),
        (
            httpx.Response(200, headers={"content-length": "101"}, content=b"x"),
            ContentRejectedError,
            "larger",
        ),
        (httpx.Response(200, html="<html>login</html>"), ContentRejectedError, "no image but text/html"),
        (httpx.Response(200, content=b"....ftypisom"), ContentRejectedError, "no image but video/mp4"),
        (
            httpx.Response(200, content=b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
            ContentRejectedError,
            r"image/heic, which SocialFlow does not send: convert it to JPEG or PNG",
        ),
        (
            httpx.Response(302, headers={"location": "ftp://x.example"}),
            ContentRejectedError,
            "cannot be fetched",
        ),
        (httpx.ConnectError("refused"), UnavailableError, "ConnectError"),
    ],
)
async def test_media_that_cannot_be_used(
    answer: httpx.Response | Exception, error: type[Exception], words: str
) -> None:
    client, media = fetcher(answer)
    async with client:
        with pytest.raises(error, match=words):
            async with media.fetch(Media(url="https://cdn.example/a.png"), kind="image", max_bytes=100):
                pass


LONG_NAME = ("a" * 60 + ".") * 5 + "com"
"""Longer than DNS can hold, though each label is not."""


@pytest.mark.parametrize(
    "host",
    [
        "_",
        "*",
        "-",
        "%6c%6f%63alhost",
        "127.0.0.1%20",
        "a..example",
        "a!b.example",
        "xn--a.example",
        LONG_NAME,
    ],
)
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(GiveUpError, match="url"):
        check_public_url(f"https://{host}/", field="url", allow_private=False, remedy="A_SETTING")
