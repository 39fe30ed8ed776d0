"""`--image`: a file of this machine, which becomes an upload; an address; or an upload that is there already.

Held to what the API's own uploads are held to, and looked at before anything is saved.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.capabilities import get_capabilities
from connectors.http.media import sniff_type
from connectors.types import UPLOAD_PREFIX, UPLOAD_TYPES, Media
from warehouse.errors import InvalidInputError, SetupError
from warehouse.media_files import open_media_files
from warehouse.store.posts.media import add_upload, find_uploads, new_media_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from connectors.types import Platform, PostContent
    from warehouse.media_files import MediaFiles
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Session

_HEAD = 16
_PIECE = 1_048_576


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that can be uploaded, and the id that its upload gets."""

    path: Path
    content_type: str
    size: int
    sha256: str
    media_id: str


Image = LocalFile | Media


def read_image(value: str, *, max_bytes: int) -> Image:
    """Return what `--image` names.

    Raises InvalidInputError that names the file: not there, longer than `max_bytes`, of no type that is taken.
    """
    if "://" in value or value.startswith(UPLOAD_PREFIX):
        return Media(url=value)
    path = Path(value).expanduser()
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > max_bytes:
                raise _refuse(
                    f"{value} has {size:,} bytes, at most {max_bytes:,} are taken "
                    "(SOCIALFLOW_API_MAX_UPLOAD_BYTES): make it smaller"
                )
            content_type = sniff_type(file.read(_HEAD))
            if content_type not in UPLOAD_TYPES:
                raise _refuse(
                    f"{value} is none of {', '.join(UPLOAD_TYPES)}, by its first bytes: convert it"
                    if size
                    else f"{value} is empty"
                )
            file.seek(0)
            digest = hashlib.sha256()
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise _refuse(
            f"{value} cannot be read ({error.strerror or type(error).__name__}): give a picture's file, or an "
            "address that begins with https://"
        ) from None
    return LocalFile(path, content_type, size, digest.hexdigest(), new_media_id())


@contextmanager
def kept_files(settings: WarehouseSettings, images: Sequence[Image]) -> Iterator[None]:
    """Keep the files for the block, and for good where it ends well: their rows are part of its transaction."""
    files = [image for image in images if isinstance(image, LocalFile)]
    if not files:
        yield
        return
    media = open_media_files(settings)
    try:
        for one in files:
            _save(media, one)
        yield
    except BaseException:
        for one in files:
            media.remove(one.media_id)
        raise


def name_media(
    session: Session, workspace_id: str, images: Sequence[Image], now: datetime
) -> tuple[Media, ...]:
    """Add the uploads of the files and return the media of a post, each of its own kind. Raises InvalidInputError."""
    asked = {image.upload_id for image in images if isinstance(image, Media) and image.upload_id is not None}
    known = find_uploads(session, workspace_id, asked)
    named = []
    for image in images:
        if isinstance(image, LocalFile):
            row = add_upload(
                session,
                workspace_id,
                image.media_id,
                content_type=image.content_type,
                size=image.size,
                sha256=image.sha256,
                filename=image.path.name[:200],
                now=now,
            )
            named.append(
                Media(url=f"{UPLOAD_PREFIX}{row.id}", kind="video" if row.kind == "video" else "image")
            )
        elif image.upload_id is None:
            named.append(image)
        elif image.upload_id in known:
            kind = known[image.upload_id].kind
            named.append(image.model_copy(update={"kind": kind}))
        else:
            raise _refuse(f"there is no upload {image.upload_id} in this workspace")
    return tuple(named)


def require_reachable(
    platforms: Collection[Platform], content: PostContent, settings: WarehouseSettings
) -> None:
    """Raise InvalidInputError where a platform fetches media by itself and uploads have no public address."""
    if settings.media_public_url is not None:
        return
    for platform in sorted(platforms):
        capabilities = get_capabilities(platform)
        if any(item.upload_id and item.kind in capabilities.fetches_media for item in content.media):
            raise _refuse(
                f"{capabilities.label} fetches media by address, and uploads have none here: set "
                "SOCIALFLOW_MEDIA_PUBLIC_URL, or give the picture's own address"
            )


def _save(media: MediaFiles, one: LocalFile) -> None:
    try:
        with one.path.open("rb") as file:
            media.save(one.media_id, file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SetupError(f"{one.path} cannot be kept among the uploads now ({reason})") from error


def _refuse(words: str) -> InvalidInputError:
    return InvalidInputError(f"--image: {words}", field="image")
