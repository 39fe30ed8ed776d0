"""Decompress responses in small pieces: at most one layer, and no more than the reader asks for.

httpx decompresses whatever a server sends, layer by layer and each chunk at once, so two kilobytes can become
gigabytes before the reader can count them. We request no compression; a response that is compressed anyway is
decompressed here.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NO_COMPRESSION = {"Accept-Encoding": "identity"}
_PIECE = 65_536
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})


async def bound_decoding(response: httpx.Response) -> None:
    """Replace httpx's decompression. Installed as a response hook on every client.

    Raises httpx.DecodingError for nested encodings and for unsupported encodings.
    """
    named = response.headers.get("content-encoding", "").lower().split(",")
    layers = [name.strip() for name in named if name.strip() not in {"", "identity"}]
    if not layers:
        return
    if len(layers) > 1 or layers[0] not in _KNOWN:
        words = ", ".join(layers)[:100]
        raise httpx.DecodingError(
            f"the answer is encoded as {words!r}: not asked for", request=response.request
        )
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError("bound_decoding is for asynchronous clients")
    response.stream = _Inflated(response.stream, response.request)
    for name in ("content-encoding", "content-length"):
        response.headers.pop(name, None)


class _Inflated(httpx.AsyncByteStream):
    """The decompressed bytes of a stream, one piece at a time."""

    def __init__(self, inner: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._inner = inner
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        inflater = None
        async for chunk in self._inner:
            if not chunk:
                continue
            if inflater is None:
                # Servers send either zlib or raw deflate as "deflate"; the first byte tells which.
                plain = chunk[0] & 0x0F != zlib.DEFLATED and chunk[0] != 0x1F
                inflater = zlib.decompressobj(_RAW if plain else _GZIP_OR_ZLIB)
            waiting = chunk
            while waiting and not inflater.eof:
                try:
                    piece = inflater.decompress(waiting, _PIECE)
                except zlib.error as error:
                    raise httpx.DecodingError(str(error), request=self._request) from None
                waiting = inflater.unconsumed_tail
                if piece:
                    yield piece
                # Yield to the event loop, so that other tasks and time-outs run however much one chunk
                # expands to.
                await asyncio.sleep(0)
        if inflater is not None and not inflater.eof:
            raise httpx.DecodingError("the compressed answer ends too early", request=self._request)

    async def aclose(self) -> None:
        await self._inner.aclose()
