"""Save an uploaded file. Its type is detected from its first bytes; file and row are saved together or not at all."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from connectors.content.documents import count_pages
from connectors.content.media_types import SNIFFED_BYTES, name_remedy, sniff_type
from connectors.content.pictures import PictureShape, read_shape
from connectors.types import UPLOAD_TYPES
from warehouse.errors import InvalidInputError, StorageError
from warehouse.store.posts.media import MediaUpload, add_upload, new_media_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from warehouse.media_files import MediaFiles
    from warehouse.store.posts.idempotency import StoreSession

_PIECE = 1_048_576
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that can be uploaded, with the id of its upload."""

    content_type: str
    size: int
    sha256: str
    filename: str
    shape: PictureShape | None = None
    """Of a picture; None = its header cannot be read."""
    pages: int | None = None
    """Of a document."""
    media_id: str = field(default_factory=new_media_id)


class KeptFile:
    """A saved file whose row is not in the store yet (`record`)."""

    def __init__(self, checked: CheckedFile) -> None:
        self.checked = checked
        self.is_recorded = False

    def record(
        self, session: StoreSession, workspace_id: str, now: datetime, *, quota: int | None = None
    ) -> MediaUpload:
        """Add the upload's row. Call it inside the block of `keep_file`, in a transaction that ends there.

        Raises ConflictError if the workspace's uploads would exceed `quota` bytes.
        """
        row = add_upload(
            session,
            workspace_id,
            self.checked.media_id,
            content_type=self.checked.content_type,
            size=self.checked.size,
            sha256=self.checked.sha256,
            filename=self.checked.filename,
            now=now,
            quota=quota,
            shape=self.checked.shape,
            pages=self.checked.pages,
        )
        self.is_recorded = True
        return row


def check_file(
    file: IO[bytes], *, filename: str, max_bytes: int | None = None, name: str = "the file"
) -> CheckedFile:
    """Check a file and return it; `name` refers to it in messages.

    Raises InvalidInputError (field "file"): a NUL in its name, empty, longer than `max_bytes`, or of a type that is not
    accepted.
    """
    if "\x00" in filename:
        raise InvalidInputError(
            "the file's name contains a NUL character: rename it", field="file", code="nul_character"
        )
    size = file.seek(0, os.SEEK_END)
    if max_bytes is not None and size > max_bytes:
        raise InvalidInputError(
            f"{name} has {size:,} bytes, the limit is {max_bytes:,} (SOCIALFLOW_API_MAX_UPLOAD_BYTES): "
            "make it smaller",
            field="file",
            code="file_too_large",
        )
    file.seek(0)
    content_type = sniff_type(file.read(SNIFFED_BYTES))
    if content_type not in UPLOAD_TYPES:
        if not size:
            detail = f"{name} is empty: choose another one"
        elif content_type:
            detail = f"{name} is {content_type}, which is not accepted: {name_remedy(content_type)}"
        else:
            detail = f"{name} is none of {', '.join(UPLOAD_TYPES)}, by its first bytes: convert it"
        raise InvalidInputError(detail, field="file", code="unsupported_media")
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    shape = pages = None
    if content_type.startswith("image/"):
        file.seek(0)
        shape = read_shape(file)
    elif content_type == "application/pdf":
        pages = count_pages(file)
        if pages is None:
            raise InvalidInputError(
                f"{name} is a PDF that cannot be read, as it is damaged or protected by a password: export it again",
                field="file",
                code="unreadable_document",
            )
    return CheckedFile(content_type, size, digest.hexdigest(), filename[:_LONGEST_NAME], shape, pages)


@contextmanager
def keep_file(media: MediaFiles, checked: CheckedFile, file: IO[bytes]) -> Iterator[KeptFile]:
    """Save a file and yield it. It is removed again unless the block records it and ends without an error.

    The block contains the whole transaction: the file is saved before it, to keep the transaction short, and a file
    without a row is removed. Raises StorageError if the file cannot be saved.
    """
    kept = KeptFile(checked)
    ended_well = False
    try:
        try:
            file.seek(0)
            media.save(checked.media_id, file)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StorageError(
                f"{checked.filename} cannot be saved now ({reason}): try again later"
            ) from error
        yield kept
        ended_well = kept.is_recorded
    finally:
        if not ended_well:
            media.remove(checked.media_id)
