"""A compressed response uses only as much memory as its reader takes; nothing is decompressed twice."""

import gzip
import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import cache

import httpx
import pytest

from connectors.errors import ContentRejectedError, OutcomeUnknownError, UnavailableError
from connectors.http.client import PlatformApi
from connectors.http.media import MediaFetcher
from connectors.http.pool import open_client
from connectors.settings import ConnectorSettings
from connectors.types import Media
from tests.connectors.harness import PNG

ANSWER = json.dumps({"name": "x" * 200_000}).encode()


class Wire(httpx.AsyncByteStream):
    """Bytes as they come from the network: in chunks, unread so far."""

    def __init__(self, content: bytes, size: int = 65_536) -> None:
        self._content, self._size = content, size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), self._size):
            yield self._content[start : start + self._size]


def bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def inflate_to(megabytes: int, head: bytes = b"") -> bytes:
    """Return gzip that becomes `head` and that many megabytes of zeros, without packing each of them.

    A megabyte is packed once: after a full flush its bytes mean the same wherever they stand.
    """
    zeros = bytes(1_000_000)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    begun = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(head)
    for _ in range(megabytes):
        checksum = zlib.crc32(zeros, checksum)
    length = len(head) + megabytes * len(zeros)
    start = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return start + begun + piece * megabytes + packer.flush() + struct.pack("<II", checksum, length)


@cache
def make_bomb() -> bytes:
    """Two kilobytes that are 100 MB of zeros after two layers."""
    inner = inflate_to(100)
    assert len(inner) < 200_000
    return gzip.compress(inner, 9)


def test_the_bombs_are_what_they_claim() -> None:
    assert gzip.decompress(inflate_to(2, PNG)) == PNG + bytes(2_000_000)
    assert gzip.decompress(make_bomb()) == inflate_to(100)


def open_api(
    encoding: str, content: bytes, size: int = 65_536, asked: list[httpx.Request] | None = None
) -> PlatformApi:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(200, headers={"content-encoding": encoding}, stream=Wire(content, size))

    settings = ConnectorSettings(read_attempts=1)
    return PlatformApi(
        open_client(settings, transport=httpx.MockTransport(answer)), settings, label="X",
        base_url="https://x.example", auth=None, secrets=[], explain=lambda _: None,
        clock=lambda: datetime.now(UTC),
    )  # fmt: skip


@pytest.mark.parametrize("size", [1, 100, 65_536])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
    ],
)
async def test_one_layer_is_read_though_we_asked_for_none(
    encoding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    asked: list[httpx.Request] = []
    api = open_api(encoding, pack(ANSWER), size, asked)
    assert await api.read("/", lambda body: len(body["name"])) == 200_000
    assert asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,gzip", "br", "zstd", "identity, gzip, deflate"])
async def test_layers_and_foreign_encodings_are_refused_before_a_byte_is_unpacked(encoding: str) -> None:
    bomb = make_bomb()
    assert len(bomb) < 8_000
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(UnavailableError):
            await open_api(encoding, bomb).read("/", lambda body: body)
        with pytest.raises(OutcomeUnknownError):
            await open_api(encoding, bomb).publish("/", lambda body: body)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 5_000_000
    assert time.process_time() - began < 2


async def test_two_headers_are_two_layers() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        twice = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
        return httpx.Response(200, headers=twice, stream=Wire(make_bomb()))

    client = open_client(ConnectorSettings(), transport=httpx.MockTransport(answer))
    with pytest.raises(httpx.DecodingError):
        await client.get("https://x.example")


async def test_one_layer_ends_at_the_bound() -> None:
    bomb = inflate_to(200)
    tracemalloc.start()
    try:
        with pytest.raises(UnavailableError, match="far larger response than expected"):
            await open_api("gzip", bomb).read("/", lambda body: body)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 60_000_000  # the cap of an answer is 16 MB, held twice while it grows


async def test_a_picture_that_unpacks_without_end_is_refused() -> None:
    bomb = inflate_to(100, PNG)
    settings = ConnectorSettings()
    client = open_client(
        settings,
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Wire(bomb))
        ),
    )
    with pytest.raises(ContentRejectedError, match="larger than the 5,000,000 bytes"):
        async with MediaFetcher(client, settings).fetch(
            Media(url="https://cdn.example/a.png"), max_bytes=5_000_000
        ):
            pass


@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(ANSWER)[:-20]])
async def test_what_does_not_unpack_is_a_passing_trouble(content: bytes) -> None:
    with pytest.raises(UnavailableError):
        await open_api("gzip", content).read("/", lambda body: body)
