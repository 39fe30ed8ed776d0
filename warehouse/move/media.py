"""Copy uploaded media, each compared by its SHA-256."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING

from sqlalchemy import select

from warehouse.errors import NotFoundError, SetupError
from warehouse.store.posts.media import MediaUpload

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.media_files import MediaFiles
    from warehouse.store.database import Store

PIECE = 1_048_576


def move_media(
    store: Store, source: MediaFiles, target: MediaFiles, *, say: Callable[[str], None]
) -> tuple[int, int]:
    """Copy the file of every upload that the target has not got; return (files copied or there, files missing).

    A file that is missing in the source was removed since it was last needed, and stays missing. Raises SetupError
    where a copy differs.
    """
    with store.read() as session:
        uploads = session.execute(select(MediaUpload.id, MediaUpload.sha256)).all()
    there = missing = 0
    for media_id, sha256 in uploads:
        if _hash(target, media_id) != sha256:
            try:
                with source.open(media_id) as file:
                    target.save(media_id, file)
            except NotFoundError:
                missing += 1
                continue
            if _hash(target, media_id) != sha256:
                raise SetupError(
                    f"upload {media_id} differs after it was copied: check the disk, and move again"
                )
        there += 1
    say(f"  {there} uploads" + (f", {missing} without a file" if missing else ""))
    return there, missing


def _hash(files: MediaFiles, media_id: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with files.open(media_id) as file:
            source: IO[bytes] = file
            while piece := source.read(PIECE):
                digest.update(piece)
    except NotFoundError:
        return None
    return digest.hexdigest()
