"""Where uploaded media are kept: a folder of this machine, or an S3 bucket that several machines share."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from warehouse.errors import NotFoundError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.settings import WarehouseSettings

_PIECE = 1_048_576


class MediaFiles(Protocol):
    """Bytes by the id of their upload. Ids are ours: letters, digits and underscores."""

    def save(self, media_id: str, source: IO[bytes]) -> None:
        """Keep what `source` holds from its present position on; whole or not at all."""
        ...

    def open(self, media_id: str) -> Any:  # noqa: ANN401 (a context manager of IO[bytes]; a Protocol cannot say it shorter)
        """Open the file for reading, as a context manager. Raises NotFoundError."""
        ...

    def remove(self, media_id: str) -> None:
        """Remove the file; one that is not there is fine."""
        ...


def open_media_files(settings: WarehouseSettings) -> MediaFiles:
    """Return the place that SOCIALFLOW_MEDIA_PATH names. Raises SetupError."""
    place = settings.media_path
    if place is None or "://" not in place:
        return _Folder(settings.home / "media" if place is None else Path(place).expanduser())
    if place.startswith("s3://"):
        return _Bucket(place.removeprefix("s3://").strip("/"), settings)
    raise SetupError(f"SOCIALFLOW_MEDIA_PATH={place} is no folder and no s3://bucket/prefix")


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, media_id: str, source: IO[bytes]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._folder / f".{media_id}.part"
        try:
            with temporary.open("wb") as target:
                shutil.copyfileobj(source, target, _PIECE)
                target.flush()
                # An acknowledged upload survives a power cut, as an acknowledged post does.
                os.fsync(target.fileno())
            temporary.replace(self._folder / media_id)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()

    @contextmanager
    def open(self, media_id: str) -> Iterator[IO[bytes]]:
        try:
            file = (self._folder / media_id).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"the file of upload {media_id} is gone") from None
        with file:
            yield file

    def remove(self, media_id: str) -> None:
        (self._folder / media_id).unlink(missing_ok=True)


class _Bucket:
    def __init__(self, prefix: str, settings: WarehouseSettings) -> None:
        from pyarrow import fs  # noqa: PLC0415 (30 MB that a folder does not need)

        key, secret = settings.lake_s3_access_key_id, settings.lake_s3_secret_access_key
        self._prefix = prefix
        self._bucket = fs.S3FileSystem(
            access_key=key.get_secret_value() if key else None,
            secret_key=secret.get_secret_value() if secret else None,
            endpoint_override=settings.lake_s3_endpoint,
            region=settings.lake_s3_region,
            scheme="https" if settings.lake_s3_use_ssl else "http",
        )

    def save(self, media_id: str, source: IO[bytes]) -> None:
        # A multipart upload: the object is there once it is complete.
        with self._bucket.open_output_stream(f"{self._prefix}/{media_id}") as target:
            shutil.copyfileobj(source, target, _PIECE)

    @contextmanager
    def open(self, media_id: str) -> Iterator[IO[bytes]]:
        try:
            file = self._bucket.open_input_file(f"{self._prefix}/{media_id}")
        except FileNotFoundError:
            raise NotFoundError(f"the file of upload {media_id} is gone") from None
        with file:
            yield file

    def remove(self, media_id: str) -> None:
        with suppress(FileNotFoundError):
            self._bucket.delete_file(f"{self._prefix}/{media_id}")
