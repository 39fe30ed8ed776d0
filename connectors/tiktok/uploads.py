"""Upload a video to TikTok in chunks. The last chunk publishes it, so it is never resent if in doubt.

Source: developers.tiktok.com, "Media Transfer Guide": chunks of 5 to 64 MB in order, the last one up to 128
MB including the rest; a video below 5 MB is sent whole. The upload URL is valid for an hour and is itself the
authorization.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson

from connectors.http.client import HeaderParse, PlatformApi
from connectors.http.context import ConnectorContext
from connectors.http.media import FetchedMedia

_WHOLE = 64_000_000
_CHUNK = 10_000_000
_LIFETIME = timedelta(minutes=50)  # of the hour that TikTok allows, minus the time of one chunk


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in progress: the state that the publisher keeps, and the upload URL."""

    publish_id: str
    url: str
    size: int
    opened_at: str
    """ISO 8601, UTC."""

    @property
    def chunk(self) -> int:
        """Bytes per chunk."""
        return chunk_of(self.size)

    def fits(self, size: int, now: datetime) -> bool:
        """Return whether a file of this size can continue this upload."""
        return self.size == size and now < datetime.fromisoformat(self.opened_at) + _LIFETIME

    def describe(self) -> dict[str, Any]:
        """Return what `load` reads."""
        return asdict(self)


def load(saved: Mapping[str, Any] | None) -> Upload | None:
    """Return the upload saved by an earlier attempt."""
    return Upload(**saved) if saved else None


def chunk_of(size: int) -> int:
    """Return the chunk size for a file of this size."""
    return size if size <= _WHOLE else _CHUNK


def describe_source(size: int) -> dict[str, Any]:
    """Return `source_info` for a file of this size."""
    chunk = chunk_of(size)
    return {
        "source": "FILE_UPLOAD",
        "video_size": size,
        "chunk_size": chunk,
        "total_chunk_count": max(1, size // chunk),
    }


async def send(
    bare: PlatformApi, context: ConnectorContext, upload: Upload, media: FetchedMedia, *, done: int
) -> None:
    """PUT the rest after the first `done` bytes. OutcomeUnknownError: the last chunk may have arrived."""
    count = max(1, upload.size // upload.chunk)
    for number in range(min(done // upload.chunk, count - 1), count):
        start, last = number * upload.chunk, number == count - 1
        end = upload.size if last else start + upload.chunk
        request: dict[str, Any] = {
            "content": media.stream(start, end - start),
            "headers": {
                "Content-Type": media.content_type,
                "Content-Length": str(end - start),
                "Content-Range": f"bytes {start}-{end - 1}/{upload.size}",
            },
            "timeout": context.settings.upload_timeout,
        }
        if last:
            await bare.publish("", _ACCEPTED, method="PUT", **request)
        else:
            await bare.prepare("PUT", "", _ACCEPTED, **request)


def _check_answer(_headers: httpx.Headers, content: bytes) -> None:
    if content:
        orjson.loads(content)  # an incomplete response proves nothing


_ACCEPTED = HeaderParse(_check_answer)
