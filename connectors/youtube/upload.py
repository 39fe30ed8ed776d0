"""YouTube's resumable uploads: open a session, send chunks, query the received bytes after a break.

Source: developers.google.com, "Resumable uploads"; youtube/youtube.v3.json, videos.insert. The session is
saved before the first byte is sent: later, only the session returns the video's id and so shows whether the
video exists. Anyone with the session URL can write to it, so it is kept out of every message.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from connectors.errors import ConnectorError, GiveUpError, RetryLaterError, UnavailableError
from connectors.http.client import HeaderParse, PlatformApi, Refusal
from connectors.http.media import FetchedMedia
from connectors.parts import SentPart
from connectors.youtube.capabilities import LABEL

_CHUNK = 32 * 256 * 1024  # 8 MiB; all but the last chunk are multiples of 256 KiB
_PIECE = 256 * 1024
_GOOGLE = ".googleapis.com"
_GONE = frozenset({404, 410})

Receipt = Callable[[Any], SentPart]


class ResumeIncompleteError(RetryLaterError):
    """308: the session waits for the byte at this offset. Internal to this module."""

    code = "resume_incomplete"

    def __init__(self, next_byte: int) -> None:
        super().__init__(f"{LABEL} has {next_byte} bytes of the upload so far", status=308)
        self.next_byte = next_byte


def explain_session(refusal: Refusal) -> ConnectorError | None:
    """Read a 308 and its Range: bytes=0-41; without Range nothing has arrived."""
    if refusal.status != 308:
        return None
    _unit, _, last = refusal.headers.get("range", "").rpartition("-")
    return ResumeIncompleteError(int(last) + 1 if last.isdigit() else 0)


async def open_session(
    api: PlatformApi,
    resource: dict[str, Any],
    media: FetchedMedia,
    base_url: str,
    *,
    notify: bool = True,
) -> str:
    """Start a resumable videos.insert and return the session URL. `notify`: whether subscribers are told."""
    home = urlsplit(base_url).hostname

    def parse(headers: httpx.Headers, _content: bytes) -> str:
        session = headers["location"]
        host = urlsplit(session).hostname or ""
        if host != home and not host.endswith(_GOOGLE):
            raise ValueError("the upload session is at no address of Google")  # the token would be sent there
        return session

    return await api.prepare(
        "POST",
        "/upload/youtube/v3/videos",
        HeaderParse(parse),
        params={
            "uploadType": "resumable",
            "part": "snippet,status",
            **({} if notify else {"notifySubscribers": "false"}),
        },
        json=resource,
        headers={
            "X-Upload-Content-Length": str(media.size),
            "X-Upload-Content-Type": media.content_type,
        },
    )


async def ask_session(api: PlatformApi, session: str, size: int, parse: Receipt) -> SentPart | int | None:
    """Query an upload: the video if it is complete, else the next byte; None = the session is gone."""
    try:
        return await api.prepare(
            "PUT", session, parse, content=b"", headers={"Content-Range": f"bytes */{size}"}
        )
    except ResumeIncompleteError as waiting:
        return waiting.next_byte
    except GiveUpError as error:
        if error.status not in _GONE:
            raise
        return None


async def send_bytes(
    api: PlatformApi, session: str, media: FetchedMedia, start: int, parse: Receipt
) -> SentPart:
    """Send the file from byte `start`, in chunks; only the last one can publish the video."""
    while True:
        size = min(_CHUNK, media.size - start)
        if size <= 0:
            raise UnavailableError(f"{LABEL} has all bytes of the upload, yet does not finish it so far")
        end = start + size
        headers = {
            "Content-Type": media.content_type,
            "Content-Length": str(size),
            "Content-Range": f"bytes {start}-{end - 1}/{media.size}",
        }
        content = _read_pieces(media, start, size)
        try:
            if end >= media.size:
                return await api.publish(session, parse, method="PUT", content=content, headers=headers)
            return await api.prepare("PUT", session, parse, content=content, headers=headers)
        except ResumeIncompleteError as waiting:
            if waiting.next_byte <= start:
                raise UnavailableError(f"{LABEL} takes no more bytes of this upload now") from None
            start = waiting.next_byte


async def _read_pieces(media: FetchedMedia, start: int, size: int) -> AsyncIterator[bytes]:
    """Yield the bytes of one chunk. Sent as one object, they would stay in memory for the whole request."""
    media.file.seek(start)
    while size > 0 and (piece := media.file.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece
