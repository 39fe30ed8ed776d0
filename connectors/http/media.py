"""Download media from public URLs to temporary files: streamed, size-limited, type-checked."""

import asyncio
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Protocol

import httpx

from connectors.content.media_types import SNIFFED_BYTES, UNSENT_TYPES, name_remedy, sniff_type
from connectors.content.pictures import LARGEST_SOURCE_BYTES, fit_picture
from connectors.errors import ContentRejectedError, MediaChangedError, UnavailableError
from connectors.http.messages import shorten
from connectors.http.private_networks import PrivateAddressError
from connectors.settings import ConnectorSettings
from connectors.types import UPLOAD_PREFIX, UPLOAD_TYPES, FitRule, Media, MediaKind

_IN_MEMORY = 4_000_000  # larger files go to disk
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """A downloaded media file. `file` is positioned at the start and is closed with the download."""

    file: IO[bytes]
    size: int
    content_type: str

    @property
    def name(self) -> str:
        """A file name that fits the type, for multipart uploads."""
        return f"media.{self.content_type.rpartition('/')[2].replace('quicktime', 'mov')}"

    def parts(self, size: int) -> Iterator[IO[bytes]]:
        """Yield the file as file objects of `size` bytes each, for forms (a form keeps bytes in memory)."""
        for start in range(0, self.size, size):
            yield io.BufferedReader(_FilePart(self.file, start, min(size, self.size - start)))

    async def stream(self, start: int, size: int) -> AsyncIterator[bytes]:
        """Yield `size` bytes from `start` in small pieces, as the body of one request."""
        self.file.seek(start)
        while size > 0 and (piece := self.file.read(min(_PIECE, size))):
            size -= len(piece)
            yield piece


class _FilePart(io.RawIOBase):
    """A section of a file, read on demand."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = min(max(base + offset, 0), self._size)
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        self._file.seek(self._start + self._at)
        piece = self._file.read(min(len(buffer), self._size - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


class UploadSource(Protocol):
    """Access to the bytes of uploads (`upload:<id>`)."""

    def open(self, media_id: str) -> AbstractContextManager[IO[bytes]]:
        """Open an upload for reading. Raises ContentRejectedError (gone), UnavailableError."""
        ...

    def address(self, media_id: str) -> str:
        """Return a URL from which a platform can fetch an upload.

        Raises ContentRejectedError if there is none.
        """
        ...

    def address_fitted(self, media_id: str, rule: FitRule) -> str:
        """Return a URL from which a platform can fetch a picture that fits `rule`: the upload, or what it becomes.

        Raises ContentRejectedError if there is none, or it cannot be converted, and UnavailableError.
        """
        ...


class MediaFetcher:
    """Downloads media URLs without credentials and opens uploads.

    Downloads follow the private network rule of `client`.
    """

    def __init__(
        self, client: httpx.AsyncClient, settings: ConnectorSettings, uploads: UploadSource | None = None
    ) -> None:
        self._client = client
        self._settings = settings
        self._uploads = uploads

    @asynccontextmanager
    async def fetch(
        self, item: Media, *, max_bytes: int, kind: MediaKind | None = None
    ) -> AsyncIterator[FetchedMedia]:
        """Yield the file of `item`, of the item's own kind unless `kind` is given.

        `max_bytes` is the platform's limit. The setting `max_media_bytes` applies as well, so that no URL can
        fill the disk. Raises ContentRejectedError where the author must act (gone, too large, wrong type,
        private address), MediaChangedError for other bytes than those approved, UnavailableError where its server
        or our disk failed and a retry may succeed.
        """
        url, kind = item.url, kind or item.kind
        rule = item.fit_rule if kind == "image" else None
        most = max_bytes if rule is None else max(max_bytes, LARGEST_SOURCE_BYTES)
        with _open_temporary() as file:
            if url.startswith(UPLOAD_PREFIX):
                declared = ""
                await asyncio.to_thread(self._copy_upload, url.removeprefix(UPLOAD_PREFIX), file, most)
            else:
                declared = await self._download(url, file, most)
            file.seek(0)
            content_type = sniff_type(file.read(SNIFFED_BYTES)) or declared
            _require_kind(url, kind, content_type, may_convert=rule is not None)
            file.seek(0, os.SEEK_END)
            size = file.tell()
            file.seek(0)
            if item.approved_sha256 is not None:
                found = await asyncio.to_thread(_hash_file, file)
                file.seek(0)
                _compare(item, found)
            made = None
            if rule is not None:
                rule = FitRule(rule.types, min(max_bytes, rule.max_bytes or max_bytes), rule.max_pixels)
                made = await asyncio.to_thread(fit_picture, file, content_type, rule)
                file.seek(0)
            if made is None:
                yield FetchedMedia(file, size, content_type)
                return
            with made[0] as fitted:
                size = fitted.seek(0, os.SEEK_END)
                fitted.seek(0)
                yield FetchedMedia(fitted, size, made[1])

    async def hash(self, item: Media) -> str:
        """Return the SHA-256 (hex) of the bytes at a URL, without storing them. Raises like `fetch`."""
        sink = _HashingSink()
        declared = await self._download(item.url, sink, self._settings.max_media_bytes)
        _require_kind(item.url, item.kind, sniff_type(bytes(sink.head)) or declared)
        return sink.digest.hexdigest()

    async def require_approved(self, item: Media) -> None:
        """Download the bytes at a URL and compare them with the approved ones, if any were.

        Raises MediaChangedError, and like `fetch`.
        """
        if item.approved_sha256 is not None:
            _compare(item, await self.hash(item))

    def _copy_upload(self, media_id: str, file: IO[bytes], max_bytes: int) -> None:
        if self._uploads is None:
            raise ContentRejectedError(f"this process has no uploads: {media_id} cannot be read")
        with self._uploads.open(media_id) as source:
            while piece := source.read(_PIECE):
                file.write(piece)
                if file.tell() > max_bytes:
                    raise ContentRejectedError(
                        f"upload {media_id} is larger than the {max_bytes:,} bytes that the platform takes: shrink it"
                    )
        file.flush()

    async def _download(self, url: str, file: "IO[bytes] | _HashingSink", max_bytes: int) -> str:
        name, ours = shorten(url), self._settings.max_media_bytes
        whose = "the platform takes" if max_bytes <= ours else "SOCIALFLOW_MAX_MEDIA_BYTES allows"
        most = min(max_bytes, ours)
        try:
            async with (
                asyncio.timeout(self._settings.upload_timeout),
                self._client.stream("GET", url, follow_redirects=True, headers={"Accept": "*/*"}) as answer,
            ):
                if answer.status_code == 429 or answer.status_code >= 500:
                    raise UnavailableError(f"media {name} answered {answer.status_code}")
                if not answer.is_success:
                    raise ContentRejectedError(
                        f"media {name} answered {answer.status_code}: give an address that anyone can open"
                    )
                said = answer.headers.get("content-length", "")
                size = int(said) if said.isdigit() else 0
                async for chunk in answer.aiter_bytes():
                    size = max(size, file.tell() + len(chunk))
                    if size > most:
                        raise ContentRejectedError(
                            f"media {name} is larger than the {most:,} bytes that {whose}: shrink it"
                        )
                    file.write(chunk)
                file.flush()
                return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()
        except (httpx.HTTPError, TimeoutError) as error:
            if isinstance(error.__cause__, PrivateAddressError):
                raise ContentRejectedError(
                    f"media {name} lies on a private network: give a public address, or set "
                    "SOCIALFLOW_ALLOW_PRIVATE_INSTANCES=true"
                ) from None
            if isinstance(error, httpx.UnsupportedProtocol | httpx.TooManyRedirects):
                raise ContentRejectedError(f"media {name} cannot be fetched: {error}") from None
            raise UnavailableError(
                f"media {name} could not be fetched ({type(error).__name__}: {error})"
            ) from error
        except OSError as error:  # for example, the temporary folder is full
            raise UnavailableError(f"media {name} could not be kept ({error.strerror or error})") from error
        except httpx.InvalidURL as error:
            raise ContentRejectedError(f"media {name} cannot be fetched: {error}") from None


def _require_kind(url: str, kind: MediaKind, content_type: str, *, may_convert: bool = False) -> None:
    if not content_type.startswith("application/pdf" if kind == "document" else f"{kind}/"):
        raise ContentRejectedError(
            f"{shorten(url)} is no {kind} but {content_type or 'of unknown type'}: give another address"
        )
    if content_type in UNSENT_TYPES and not (may_convert and content_type in UPLOAD_TYPES):
        raise ContentRejectedError(
            f"{shorten(url)} is {content_type}, which SocialFlow does not send: {name_remedy(content_type)}"
        )


def _compare(item: Media, found: str) -> None:
    if item.approved_sha256 != found:
        raise MediaChangedError(
            f"media {shorten(item.url)} is not the file that was approved (SHA-256 {found[:12]}..., approved "
            f"{str(item.approved_sha256)[:12]}...): restore the file and retry, or change the post, retry it and have "
            "it approved again"
        )


def _hash_file(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


class _HashingSink:
    """Receives a download and keeps its hash, its size and its first bytes."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.head = bytearray()
        self._size = 0

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        self.head += piece[: SNIFFED_BYTES - len(self.head)]
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is buffered."""


@contextmanager
def _open_temporary() -> Iterator[IO[bytes]]:
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed below
    try:
        yield file
    finally:
        with suppress(OSError):  # discard what could not be written to a full disk
            file.close()
